"""One GraphQL WebSocket at work: does what `machine` says, with the executor, the dispatcher and the clock.

A query or mutation runs as a task of its own; a subscription is a member of the dispatcher's groups. Where it is known
what the client may do, a subscription begins at once, so that no event after the message is missed.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from graphql import OperationType

from tidegate.access.rights import Rights
from tidegate.errors import TidegateError
from tidegate.graphql import messages
from tidegate.graphql.execution import DocumentError, Executor, Request
from tidegate.graphql.live import Listening, listening
from tidegate.graphql.machine import GraphQLMachine, Rules, Run, Stop, Verify
from tidegate.graphql.messages import parse
from tidegate.graphql.resolvers import Context
from tidegate.query.model import Limits
from tidegate.realtime import shell
from tidegate.realtime.dispatch import Dispatcher
from tidegate.realtime.gate import Admission
from tidegate.realtime.machine import Effect
from tidegate.realtime.shell import Shell
from tidegate.realtime.socket import CHANGES_MISSED, SERVICE_RESTART
from tidegate.realtime.subscription import Subscription
from tidegate.realtime.verify import Token

logger = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds before rights that could not be told are asked for again."""


@dataclass(frozen=True, slots=True)
class Services(shell.Services):
    """What all connections of the endpoint work with."""

    dispatcher: Dispatcher
    executor: Executor
    limits: Limits
    rules: Rules


@dataclass(slots=True, eq=False)
class Operation:
    """One id at work: a task, and then for a subscription its place in the dispatcher."""

    id: str
    request: Request
    task: asyncio.Task[None] | None = None
    subscription: Subscription | None = None


class Connection(Shell):
    """One client. It is a `Subscriber` too."""

    __slots__ = ("_generation", "_operations", "_resolving", "_rights")

    _machine: GraphQLMachine
    _services: Services

    def __init__(self, services: Services, admission: Admission) -> None:
        super().__init__(services, admission, GraphQLMachine(admission.auth, services.rules, services.clock.now()))
        self._operations: dict[str, Operation] = {}
        self._rights: Rights | None = None
        """What the client may do, as far as that is known."""
        self._generation = services.directory.generation
        """Of the directory, when it told the rights."""
        self._resolving: asyncio.Task[None] | None = None
        self._set_timer()

    async def received(self, frame: str | bytes) -> None:
        effects = self._machine.received(parse(frame), self._now())
        self._do(effects)
        for effect in effects:
            if isinstance(effect, Verify):
                await self._verify(effect.token)
        if self._rights is None and self._machine.acknowledged:
            await self.revalidate()

    # What the process asks

    def changes_missed(self) -> None:
        """Have the client connect again, which is how one of this protocol learns that there is a gap."""
        if any(operation.subscription is not None for operation in self._operations.values()):
            self.close(SERVICE_RESTART, CHANGES_MISSED)

    async def revalidate(self) -> None:
        """Find out what the identity may do now, and go on with the subscriptions."""
        try:
            rights = await self._current_rights()
        except TidegateError as error:
            if error.code == "INVALID_CREDENTIALS":
                self._do(self._machine.revoked(self._now()))
            else:
                logger.debug("Rights could not be told: %s", error.code)
                self._hold()
        else:
            if not self._machine.closed:
                self._release(rights)

    # What subscriptions ask

    def end(self, subscription: Subscription, error: TidegateError) -> None:
        for operation in tuple(self._operations.values()):
            if operation.subscription is subscription:
                operation.subscription = None
                self._fail(operation, error)

    # The machine's effects

    def _act(self, effect: Effect, _rights: Rights | None) -> None:
        """`Verify` is performed by `received`, which takes no other message before."""
        match effect:
            case Run(message):
                self._begin(Operation(message.id, message.request))
            case Stop(name):
                self._stop(self._operations.pop(name))

    async def _verify(self, token: str) -> None:
        generation = self._services.directory.generation
        verified = await self._check(Token(token))
        if verified is None:
            self._do(self._machine.refused(self._now()))
            return
        self._rights, self._generation = verified.rights, generation
        effects = self._machine.verified(verified.user, self._now())
        self._note_identity()
        self._do(effects)

    # Operations

    def _begin(self, operation: Operation) -> None:
        self._operations[operation.id] = operation
        rights = self._known_rights()
        try:
            if rights is None or not self._subscribed(operation, rights):
                operation.task = asyncio.get_running_loop().create_task(self._run(operation))
        except TidegateError as error:
            self._fail(operation, error)

    def _subscribed(self, operation: Operation, rights: Rights) -> bool:
        """Begin to listen, if the operation is a subscription. Raises what reading and planning it raise."""
        heard = self._listening(operation.request, rights)
        if heard is None:
            return False
        subscription = Subscription(
            self, heard.collection, heard.query, heard.answer, messages.tail(operation.id), heard.event
        )
        self._services.dispatcher.watch(subscription, rights)
        operation.subscription = subscription
        return True

    def _listening(self, request: Request, rights: Rights) -> Listening | None:
        shared = self._services.executor.schemas.of(rights)
        document, asked = shared.operation(request)
        if asked.operation is not OperationType.SUBSCRIPTION:
            return None
        return listening(shared, request, document, asked, self._services.limits)

    async def _run(self, operation: Operation) -> None:
        """A query or mutation, or a subscription of a client whose rights have to be looked up."""
        try:
            answer = await self._answer(operation)
            if answer is None:
                return
            self.settle()
            if self._operations.get(operation.id) is operation:
                self.send(messages.result(answer), messages.tail(operation.id))
                self.send(messages.complete(operation.id))
        except TidegateError as error:
            self._fail(operation, error)
        except Exception:
            # The outermost edge of an operation: the client learns that it failed, the log why.
            logger.exception("A GraphQL operation could not be run")
            self._fail(operation, TidegateError("INTERNAL_SERVER_ERROR"))
        finally:
            if operation.subscription is None:
                self._free(operation)

    async def _answer(self, operation: Operation) -> dict[str, Any] | None:
        """The response; None where the operation listens instead. Raises what running it raises.

        What was read is read again where rights have changed meanwhile; what was written is not written again.
        """
        while True:
            rights = await self._current_rights()
            if self._subscribed(operation, rights):
                return None
            answer, writes = await self._services.executor.run(operation.request, Context(rights, self._client))
            if writes or self._machine.closed or self._known_rights() is rights:
                return answer

    def _fail(self, operation: Operation, error: TidegateError) -> None:
        if self._operations.get(operation.id) is operation:
            errors = error.errors if isinstance(error, DocumentError) else [error.entry()]
            self.send(messages.error(operation.id, errors))
            self._free(operation)

    def _free(self, operation: Operation) -> None:
        """The id may be used again, unless it already is."""
        if self._operations.get(operation.id) is operation:
            del self._operations[operation.id]
            self._machine.finished(operation.id)

    def _stop(self, operation: Operation) -> None:
        if operation.subscription is not None:
            self._services.dispatcher.remove(operation.subscription)
        elif operation.task is not None and operation.task is not asyncio.current_task():
            operation.task.cancel()

    # Rights

    def _known_rights(self) -> Rights | None:
        """None where they have to be asked for."""
        return self._rights if self._generation == self._services.directory.generation else None

    async def _current_rights(self) -> Rights:
        """What the client may do. Raises what the directory raises."""
        known = self._known_rights()
        if known is None:
            generation = self._services.directory.generation
            known = await self._services.directory.rights(self.identity)
            self._rights, self._generation = known, generation
        return known

    def _hold(self) -> None:
        """Nothing goes to subscriptions until it is known what they may see."""
        for operation in self._operations.values():
            if operation.subscription is not None:
                self._services.dispatcher.hold(operation.subscription)
        if self._resolving is None and not self._machine.closed:
            self._resolving = asyncio.get_running_loop().create_task(self._resolve())

    async def _resolve(self) -> None:
        await asyncio.sleep(_PATIENCE)
        self._resolving = None
        if not self._machine.closed:
            await self.revalidate()

    def _release(self, rights: Rights) -> None:
        """Go on with other rights. A document that is not valid any more ends."""
        for operation in tuple(self._operations.values()):
            subscription = operation.subscription
            if subscription is None or self._machine.closed:
                continue
            try:
                heard = self._listening(operation.request, rights)
            except TidegateError as error:
                self._services.dispatcher.remove(subscription)
                self._fail(operation, error)
                continue
            assert heard is not None, "a document stays what it is"
            subscription.query, subscription.encode = heard.query, heard.answer
            self._services.dispatcher.release(subscription, rights)

    def _forget(self) -> None:
        super()._forget()
        operations = tuple(self._operations.values())
        self._operations.clear()
        for operation in operations:
            self._stop(operation)
        if self._resolving is not None:
            self._resolving.cancel()
            self._resolving = None

"""One WebSocket at work: does what `machine` says, with the database, the dispatcher and the clock.

A message that takes the database runs as one task at a time; time is handled by the timer and never waits for that
task. After every wait it is asked again who the connection is by now.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.errors import TidegateError
from tidegate.realtime import json_answers
from tidegate.realtime.gate import Admission
from tidegate.realtime.json_machine import Become, Verify
from tidegate.realtime.json_messages import Auth
from tidegate.realtime.machine import Effect
from tidegate.realtime.shell import Shell
from tidegate.realtime.socket import CHANGES_MISSED, SERVICE_RESTART
from tidegate.realtime.subscription import Subscription
from tidegate.websocket.machine import MessageMachine, Perform
from tidegate.websocket.messages import (
    Items,
    Request,
    Resubscribe,
    Subscribe,
    Unsubscribe,
    parse,
    subscription_uid,
)
from tidegate.websocket.services import Services
from tidegate.websocket.subscriptions import Subscriptions

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_TYPES: Mapping[type[Request], str] = {Items: "items", Subscribe: "subscribe", Unsubscribe: "unsubscribe"}
_PATIENCE = 1.0
"""Seconds before rights that could not be told are asked for again."""


class Connection(Shell):
    """One client. It is a `Subscriber` and a `Somebody` too."""

    __slots__ = ("_generation", "_resolving", "_room", "_subscriptions", "_task")

    _machine: MessageMachine
    _services: Services

    def __init__(self, services: Services, admission: Admission) -> None:
        super().__init__(services, admission, MessageMachine(admission.auth, services.rules, services.clock.now()))
        self._subscriptions = Subscriptions(services)
        self._generation = 0
        """Grows whenever the identity or its rights change."""
        self._task: asyncio.Task[None] | None = None
        """The message that is being performed."""
        self._resolving: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        """Set when more may be read from the client; None while it may."""
        self._set_timer()

    async def received(self, frame: str | bytes) -> None:
        self._do(self._machine.received(parse(frame), self._now()))
        while self._machine.full and not self._machine.closed:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    # What the process asks

    def changes_missed(self) -> None:
        self._do(self._machine.changes_missed(self._now()))

    async def revalidate(self) -> None:
        """Find out what the identity may do now."""
        identity = self.identity
        generation = self._generation
        try:
            rights = await self._services.directory.rights(identity)
        except TidegateError as error:
            if self._generation == generation:
                self._doubt(error)
            return
        if self._generation == generation and not self._machine.closed:
            self._do(self._machine.rights_changed(self._now()), rights)

    # What subscriptions ask

    def end(self, subscription: Subscription, error: TidegateError) -> None:
        self._subscriptions.end(subscription, error, self)

    # What performing a message asks

    async def rights(self) -> Rights:
        """What the connection may do. Raises `TidegateError`, also when it closes meanwhile."""
        while True:
            self.settle()
            generation, identity = self._generation, self.identity
            try:
                rights = await self._services.directory.rights(identity)
            except TidegateError as error:
                if isinstance(identity, Public) or error.code != "INVALID_CREDENTIALS" or self._machine.closed:
                    raise
                if self._generation == generation:
                    self._doubt(error)
                continue
            self.settle()
            if self._generation == generation:
                return rights

    async def read(self, work: Callable[[Rights], Awaitable[Result]]) -> Result:
        while True:
            rights, generation = await self.rights(), self._generation
            try:
                result = await work(rights)
            except TidegateError:
                if self._generation == generation:
                    raise
                continue
            self.settle()
            if self._generation == generation or self._machine.closed:
                return result

    # The machine's effects

    def _act(self, effect: Effect, rights: Rights | None) -> None:
        match effect:
            case Perform(message):
                self._task = asyncio.get_running_loop().create_task(self._perform(message))
            case Verify(message):
                self._task = asyncio.get_running_loop().create_task(self._verify(message))
            case Become():
                self._become(rights)

    async def _verify(self, message: Auth) -> None:
        verified = await self._check(message.credentials())
        self._task = None
        now = self._now()
        if verified is None:
            self._do(self._machine.refused(now))
        else:
            self._do(self._machine.verified(verified.user, verified.refresh_token, now), verified.rights)
        self._make_room()

    async def _perform(self, message: Request | Resubscribe) -> None:
        try:
            match message:
                case Resubscribe():
                    await self._subscriptions.resubscribe(self)
                case Items():
                    self.send(await self._services.items.perform(message, self))
                case Subscribe():
                    await self._subscriptions.subscribe(message, self)
                case Unsubscribe():
                    self._subscriptions.unsubscribe(message, self)
        except TidegateError as error:
            self._say_error(message, error)
        except Exception:
            # The outermost edge of a message: the client learns that it failed, the log why.
            logger.exception("A message could not be performed")
            self._say_error(message, TidegateError("INTERNAL_SERVER_ERROR"))
        self._task = None
        self._do(self._machine.performed(self._now()))
        self._make_room()

    def _say_error(self, message: Request | Resubscribe, error: TidegateError) -> None:
        if isinstance(message, Resubscribe):
            # Nobody asked for it, and what was told so far may be incomplete: the client has to connect again.
            self.close(SERVICE_RESTART, CHANGES_MISSED)
            return
        uid = message.uid if isinstance(message, Items) else subscription_uid(message.uid)
        self.send(json_answers.error(_TYPES[type(message)], error, uid))

    # Identity and rights

    def _become(self, rights: Rights | None) -> None:
        """Who the connection is, or what it may do, has changed."""
        self._generation += 1
        self._note_identity()
        if not self._subscriptions:
            return
        if rights is not None and rights.identity == self.identity:
            self._release(rights)
        else:
            self._hold()

    def _doubt(self, error: TidegateError) -> None:
        """What the identity may do could not be told."""
        if error.code == "INVALID_CREDENTIALS":
            self._do(self._machine.revoked(self._now()))
        else:
            self._hold()

    def _hold(self) -> None:
        """Nothing goes to subscriptions until it is known what they may see."""
        for subscription in self._subscriptions:
            self._services.dispatcher.hold(subscription)
        if self._resolving is None:
            self._resolving = asyncio.get_running_loop().create_task(self._resolve())

    async def _resolve(self) -> None:
        """Find out what the identity may do, however long it takes, and go on with the subscriptions."""
        try:
            while not self._machine.closed:
                try:
                    self._release(await self.rights())
                except TidegateError as error:
                    logger.debug("Rights could not be told: %s", error.code)
                    await asyncio.sleep(_PATIENCE)
                else:
                    return
        finally:
            self._resolving = None

    def _release(self, rights: Rights) -> None:
        generation = self._generation
        for subscription in self._subscriptions:
            if self._generation != generation:
                # The identity has ended on the way; the rest waits for the rights of whoever it is now.
                return
            self._services.dispatcher.release(subscription, rights)

    # The end

    def _make_room(self) -> None:
        if self._room is not None and not self._machine.full:
            self._room.set()
            self._room = None

    def _forget(self) -> None:
        super()._forget()
        self._subscriptions.clear()
        if self._room is not None:
            self._room.set()

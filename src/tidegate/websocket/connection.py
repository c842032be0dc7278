"""One WebSocket at work: does what `machine` says, with the database, the dispatcher and the clock.

Nothing runs for an idle connection but one timer. A message that takes the database runs as one task at a time; time is
handled by the timer and never waits for that task. After every wait it is asked again who the connection is by now.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tidegate.access.directory import Directory
from tidegate.access.identity import Identity, Public, User
from tidegate.access.rights import Rights
from tidegate.clock import Clock
from tidegate.errors import Forbidden, TidegateError
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.realtime.dispatch import Dispatcher
from tidegate.realtime.gate import Admission
from tidegate.realtime.socket import CHANGES_MISSED, NORMAL_CLOSURE, SERVICE_RESTART
from tidegate.realtime.subscription import EncodeLeave, Row, Subscription
from tidegate.realtime.verify import Credentials, Password, Refresh, Token, Verifier
from tidegate.websocket import answers
from tidegate.websocket.events import encode_item, encode_left_item, encode_left_rows, encode_rows
from tidegate.websocket.items import ItemsPerformer
from tidegate.websocket.machine import Become, Effect, Hangup, MessageMachine, Perform, Rules, Say, Verify
from tidegate.websocket.messages import (
    Auth,
    Items,
    Request,
    Resubscribe,
    Subscribe,
    Unsubscribe,
    parse,
    subscription_uid,
)

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_FOREVER = float("inf")
_TYPES: Mapping[type[Request], str] = {Items: "items", Subscribe: "subscribe", Unsubscribe: "unsubscribe"}
_PATIENCE = 1.0
"""Seconds before rights that could not be told are asked for again."""
_RESUBSCRIBING = 4
"""Connections that begin anew together after changes were missed; the database serves others besides."""


@dataclass(frozen=True, slots=True)
class Services:
    """What all connections of the endpoint work with."""

    verifier: Verifier
    directory: Directory
    dispatcher: Dispatcher
    items: ItemsPerformer
    limits: Limits
    clock: Clock
    rules: Rules
    subscription_limit: int
    resubscribing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_RESUBSCRIBING))


class Connection:
    """One client. It is a `Subscriber`, a `Somebody`, and a `Connection` of the process."""

    __slots__ = (
        "_client",
        "_generation",
        "_machine",
        "_opening",
        "_resolving",
        "_room",
        "_services",
        "_socket",
        "_subscriptions",
        "_task",
        "_timer",
        "_timer_at",
        "send",
        "valid_until",
    )

    def __init__(self, services: Services, admission: Admission) -> None:
        self._services = services
        self._socket = admission.socket
        self._client = admission.client
        self._machine = MessageMachine(admission.auth, services.rules, services.clock.now())
        self._subscriptions: dict[str | Subscription, Subscription] = {}
        """By uid; those without one by themselves."""
        self._opening: Subscription | None = None
        """The one whose snapshot is being read."""
        self._generation = 0
        """Grows whenever the identity or its rights change."""
        self._task: asyncio.Task[None] | None = None
        """The message that is being performed."""
        self._resolving: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        """Set when more may be read from the client; None while it may."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        """When it fires, as `deadline` counts."""
        self.send = admission.socket.send
        self.valid_until = _FOREVER
        self._note_identity()
        self._set_timer()

    # What the client does

    def received(self, frame: str | bytes) -> None:
        self._do(self._machine.received(parse(frame), self._now()))

    async def has_room(self) -> None:
        """Wait until the next message may be read from the client."""
        while self._machine.full and not self._machine.closed:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def gone(self) -> None:
        """The socket has closed. Nothing of the connection stays behind."""
        self._machine.hung_up(self._now())
        self._forget()

    # What the process asks

    def close(self, code: int, reason: str = "") -> None:
        self._socket.close(code, reason)
        self.gone()

    def changes_missed(self) -> None:
        self._do(self._machine.changes_missed(self._now()))

    @property
    def identity(self) -> Identity:
        return self._machine.identity(self._now())

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

    def settle(self) -> None:
        self._do(self._machine.on_time(self._now()))

    def end(self, subscription: Subscription, error: TidegateError) -> None:
        for name, known in self._subscriptions.items():
            if known is subscription:
                del self._subscriptions[name]
                break
        self.send(answers.error("subscribe", error)[:-1], subscription.tail)

    # What performing a message asks

    async def rights(self) -> Rights:
        """What the connection may do. Raises `TidegateError`, also when it closes meanwhile."""
        while True:
            now = self._now()
            self._do(self._machine.on_time(now))
            generation, identity = self._generation, self._machine.identity(now)
            try:
                rights = await self._services.directory.rights(identity)
            except TidegateError as error:
                if isinstance(identity, Public) or error.code != "INVALID_CREDENTIALS" or self._machine.closed:
                    raise
                if self._generation == generation:
                    self._doubt(error)
                continue
            self._do(self._machine.on_time(self._now()))
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
            self._do(self._machine.on_time(self._now()))
            if self._generation == generation or self._machine.closed:
                return result

    # The machine's effects

    def _do(self, effects: list[Effect], rights: Rights | None = None) -> None:
        """Perform the effects; `rights` are those of the identity in force, where they are at hand."""
        for effect in effects:
            match effect:
                case Say(text):
                    self.send(text)
                case Perform(message):
                    self._task = asyncio.get_running_loop().create_task(self._perform(message))
                case Verify(message):
                    self._task = asyncio.get_running_loop().create_task(self._verify(message))
                case Become():
                    self._become(rights)
                case Hangup():
                    self._socket.close(NORMAL_CLOSURE)
                    self._forget()
        if effects:
            self._set_timer()

    async def _verify(self, message: Auth) -> None:
        credentials = _credentials(message)
        verified = None
        if credentials is not None:
            try:
                verified = await self._services.verifier.verify(credentials, self._client)
            except TidegateError as error:
                logger.debug("Credentials were refused: %s", error.code)
            except Exception:
                logger.exception("Credentials could not be checked")
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
                    await self._resubscribe()
                case Items():
                    self.send(await self._services.items.perform(message, self))
                case Subscribe():
                    await self._subscribe(message)
                case Unsubscribe():
                    self._unsubscribe(message)
        except TidegateError as error:
            self._say_error(message, error)
        except Exception:
            # The outermost edge of a message: the client learns that it failed, the log why.
            logger.exception("A message could not be performed")
            self._say_error(message, TidegateError("INTERNAL_SERVER_ERROR"))
        self._do(self._machine.performed(self._now()))
        self._make_room()

    async def _subscribe(self, message: Subscribe) -> None:
        uid = subscription_uid(message.uid)
        if uid not in self._subscriptions and len(self._subscriptions) >= self._services.subscription_limit:
            limit = self._services.subscription_limit
            raise TidegateError("REQUESTS_EXCEEDED", f"A connection may hold {limit} subscriptions.")
        subscription = Subscription(
            self,
            message.collection,
            parse_query(message.query, self._services.limits),
            encode_rows if message.item is None else encode_item,
            answers.event_tail(uid),
            message.event,
            message.item,
            _told_of_leaving(message),
        )
        await self._open(subscription, uid)

    async def _open(self, subscription: Subscription, uid: str | None) -> None:
        """Begin the subscription and answer it. Raises `TidegateError`, and then it has not begun."""
        if subscription.event is not None:
            rights = await self.rights()
            self._services.dispatcher.watch(subscription, rights)
            self._adopt(subscription, uid)
            self.send(answers.initial(None, uid))
            return
        rows, rights = await self._snapshot(subscription)
        if subscription.held is None:
            # Meanwhile the connection closed, or so much happened that the subscription was ended.
            return
        if subscription.item is not None and not rows:
            self._services.dispatcher.remove(subscription)
            raise Forbidden
        self._adopt(subscription, uid)
        self.send(answers.initial(rows if subscription.item is None else rows[0], uid))
        self._services.dispatcher.release(subscription, rights)

    async def _resubscribe(self) -> None:
        """Begin every subscription anew, as if the client had asked again; the old one goes on until then.

        One that sees nothing at present has missed nothing. One that cannot begin ends, and the client is told.
        """
        async with self._services.resubscribing:
            for name, old in tuple(self._subscriptions.items()):
                silent = old.group is None and old.held is None
                if silent or self._subscriptions.get(name) is not old:
                    continue
                new = Subscription(
                    self, old.collection, old.query, old.encode, old.tail, old.event, old.item, old.leave
                )
                try:
                    await self._open(new, name if isinstance(name, str) else None)
                except TidegateError as error:
                    self._services.dispatcher.remove(old)
                    self.end(old, error)
                else:
                    if self._subscriptions.get(name) is old:
                        del self._subscriptions[name]
                        self._services.dispatcher.remove(old)

    async def _snapshot(self, subscription: Subscription) -> tuple[list[Row], Rights]:
        async def work(rights: Rights) -> tuple[list[Row], Rights]:
            return await self._services.dispatcher.snapshot(subscription, rights), rights

        self._opening = subscription
        try:
            return await self.read(work)
        finally:
            self._opening = None

    def _adopt(self, subscription: Subscription, uid: str | None) -> None:
        """Keep the subscription, in the place of the one with the same uid."""
        name = subscription if uid is None else uid
        replaced = self._subscriptions.pop(name, None)
        if replaced is not None:
            self._services.dispatcher.remove(replaced)
        if self._machine.closed:
            self._services.dispatcher.remove(subscription)
        else:
            self._subscriptions[name] = subscription

    def _unsubscribe(self, message: Unsubscribe) -> None:
        uid = subscription_uid(message.uid)
        leaving = list(self._subscriptions) if uid is None else [uid]
        for name in leaving:
            subscription = self._subscriptions.pop(name, None)
            if subscription is not None:
                self._services.dispatcher.remove(subscription)
        self.send(answers.unsubscribed(uid))

    def _say_error(self, message: Request | Resubscribe, error: TidegateError) -> None:
        if isinstance(message, Resubscribe):
            # Nobody asked for it, and what was told so far may be incomplete: the client has to connect again.
            self.close(SERVICE_RESTART, CHANGES_MISSED)
            return
        uid = message.uid if isinstance(message, Items) else subscription_uid(message.uid)
        self.send(answers.error(_TYPES[type(message)], error, uid))

    # Identity and rights

    def _become(self, rights: Rights | None) -> None:
        """Who the connection is, or what it may do, has changed."""
        self._generation += 1
        self._note_identity()
        if not self._subscriptions:
            return
        if rights is not None and rights.identity == self._machine.identity(self._now()):
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
        for subscription in self._subscriptions.values():
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
        for subscription in tuple(self._subscriptions.values()):
            if self._generation != generation:
                # The identity has ended on the way; the rest waits for the rights of whoever it is now.
                return
            self._services.dispatcher.release(subscription, rights)

    def _note_identity(self) -> None:
        identity = self._machine.identity(self._now())
        expires = identity.expires if isinstance(identity, User) else None
        self.valid_until = _FOREVER if expires is None else expires

    # Time and the end

    def _now(self) -> float:
        return self._services.clock.now()

    def _set_timer(self) -> None:
        """Have a timer that fires by the deadline; one that fires too early is set again then."""
        deadline = self._machine.deadline()
        if self._timer is not None:
            if deadline is not None and self._timer_at <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer_at = deadline
            delay = max(0.0, deadline - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._do(self._machine.on_time(self._now()))
        if self._timer is None:
            self._set_timer()

    def _make_room(self) -> None:
        if self._room is not None and not self._machine.full:
            self._room.set()
            self._room = None

    def _forget(self) -> None:
        for subscription in self._subscriptions.values():
            self._services.dispatcher.remove(subscription)
        self._subscriptions.clear()
        if self._opening is not None:
            self._services.dispatcher.remove(self._opening)
        self._set_timer()
        if self._room is not None:
            self._room.set()


def _told_of_leaving(message: Subscribe) -> EncodeLeave | None:
    if not message.leave:
        return None
    return encode_left_rows if message.item is None else encode_left_item


def _credentials(message: Auth) -> Credentials | None:
    """The one kind of credentials in the message; None where it has none, half of one, or several."""
    match message:
        case Auth(access_token=str(token), refresh_token=None, email=None, password=None):
            return Token(token)
        case Auth(access_token=None, refresh_token=str(token), email=None, password=None):
            return Refresh(token)
        case Auth(access_token=None, refresh_token=None, email=str(email), password=str(password), otp=otp):
            return Password(email, password, otp)
    return None

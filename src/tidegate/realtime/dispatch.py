"""From committed changes to what subscribers hear: one answer per group, in the order of commits.

`changed` is called for every transaction, and sends at once whatever the row images decide. Where they do not, the
change waits in the group's queue for the database, and later changes wait behind it, so that no subscription hears of
changes out of order. A change without images (from another program on the bus) first gets them, by one read for all.

A group of many is told a few members at a time, so that an event to 10,000 keeps neither heartbeats nor other answers
waiting. The change stays in the queue meanwhile; who has been told has a `live_from` behind it.

Who may see decides when an event leaves: at every delivery the identities behind the subscriptions are asked whether
they have ended. A subscription whose rights are not known (its snapshot is being read, its token has just expired) is
*held*: it collects the changes themselves, which are answered once its rights are known. So is everybody from the
moment that the schema is known to be out of date until rights have been looked at under the new one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.clock import Clock
from tidegate.errors import Forbidden, InvalidQuery, TidegateError
from tidegate.items.changes import Change
from tidegate.items.plans import Plans
from tidegate.query.plan import ReadPlan, bind
from tidegate.realtime.group import Entry, Family, FamilyKey, Group, key_text
from tidegate.realtime.reading import Reader
from tidegate.realtime.registry import Registry
from tidegate.realtime.snapshot import unheld
from tidegate.realtime.subscription import Row, Subscription
from tidegate.schema import Field, Schema

logger = logging.getLogger(__name__)

WAITING_LIMIT: Final = 10_000
"""Changes that wait for one group or one held subscription before it is given up."""
TURN: Final = 1_000
"""Members of one group that are told before everything else of the process has its turn."""
RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between attempts to read while the database is away."""
_EVERYTHING: Final = Rights(Public(), admin=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from."""

    schema: Callable[[], Schema]
    plans: Plans
    reader: Reader
    caught_up: Callable[[], Awaitable[None]]
    """Waits until all changes that a read may have seen by now have been handed to `changed`, or are lost."""
    gaps: Callable[[], int]
    """How often changes were lost so far."""
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Place(NamedTuple):
    """Where a subscription belongs under certain rights."""

    key: FamilyKey
    bound: ReadPlan
    variables: Mapping[str, Any]


class Dispatcher:
    """Tells subscriptions of changes."""

    def __init__(self, registry: Registry, sources: Sources) -> None:
        self._registry = registry
        self._sources = sources
        self._number = 0
        """Of the last change that was told of."""
        self._current: Change | None = None
        """The change that is being told of at this moment."""
        self._imageless: dict[str, deque[Change]] = {}
        """By collection, changes from the first one whose images are being read."""
        self._outdated = False
        """Whether the schema has changed and the new one is not at hand yet."""
        self._tasks: dict[Group | str, asyncio.Task[None]] = {}
        """What waits for the database: groups, and collections with changes without images."""

    @property
    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """What waits for the database at this moment."""
        return self._tasks.values()

    async def stop(self) -> None:
        """Give up what waits for the database."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def snapshot(self, subscription: Subscription, rights: Rights) -> list[Row]:
        """Begin to collect changes for the subscription, and read what there is.

        When this returns, tell the client and call `release`, without awaiting in between; nothing of that where
        `held` is None, because the subscription was removed meanwhile. Raises what planning and reading raise, and
        then the subscription is not registered. May be called again, and then begins anew.
        """
        place = self._place(subscription, rights)
        self.remove(subscription)
        self.hold(subscription)
        try:
            return await self._snapshot(subscription, place)
        except BaseException:
            self.remove(subscription)
            raise

    def watch(self, subscription: Subscription, rights: Rights) -> None:
        """Go live at once, without a snapshot. Raises what planning raises."""
        place = self._place(subscription, rights)
        if self._outdated:
            self.hold(subscription)
        else:
            self._join(subscription, place, self._sources.clock.now())

    def hold(self, subscription: Subscription) -> None:
        """Its rights are not known: collect what it has not heard of yet, and changes from now on."""
        if subscription.held is not None:
            return
        group, current = subscription.group, self._current
        held = [] if group is None else group.owed(subscription)
        if (
            current is not None
            and current.collection == subscription.collection
            and (group is None or group.told_up_to < self._number)
        ):
            held.append(current)
        subscription.last = group
        self._registry.remove(subscription)
        subscription.held = held
        self._registry.hold(subscription)

    def release(self, subscription: Subscription, rights: Rights) -> None:
        """Its rights are these: answer what was collected, and go on live. Where they allow nothing, fall silent.

        Where nobody could be told any more, since what it asks for is not there, it ends.
        """
        if self._outdated:
            return
        now = self._sources.clock.now()
        if subscription.subscriber.valid_until <= now:
            # They are not any more. Whoever it is by now gets its rights looked up, and then this is called again.
            subscription.subscriber.settle()
            return
        try:
            place = self._place(subscription, rights)
        except TidegateError as error:
            # One that is silent already must not learn what becomes of what it cannot see.
            silent = subscription.group is None and subscription.held is None
            if silent or (isinstance(error, Forbidden) and self._exists(subscription)):
                self.remove(subscription)
            else:
                self._end(subscription, error)
        else:
            if subscription.group is None or not subscription.group.is_at(place.key, place.bound):
                self.hold(subscription)
                self._join(subscription, place, now)

    def remove(self, subscription: Subscription) -> None:
        """It hears of nothing any more."""
        self._registry.remove(subscription)
        subscription.held = None

    def schema_outdated(self) -> None:
        """The schema has changed: tell nobody of anything until the new one is at hand."""
        self._outdated = True
        self._hold_all()

    def schema_changed(self) -> None:
        """The new schema is at hand. `release` what belongs to each connection once its rights are known."""
        self._outdated = False
        self._hold_all()

    def _hold_all(self) -> None:
        for subscription in self._registry.all():
            self.hold(subscription)

    def changed(self, changes: Sequence[Change]) -> None:
        """Tell of the changes of one transaction. Never waits and never raises."""
        for change in changes:
            waiting = self._imageless.get(change.collection)
            if waiting is not None:
                waiting.append(change)
            elif change.collection not in self._registry:
                continue
            elif change.action != "delete" and not change.after:
                self._imageless[change.collection] = deque((change,))
                self._begin(change.collection, self._add_images(change.collection))
            else:
                self._tell(change)

    def _place(self, subscription: Subscription, rights: Rights) -> _Place:
        """Raises INVALID_COLLECTION, Forbidden, INVALID_QUERY."""
        collection = self._sources.schema().collections.get(subscription.collection)
        if collection is None:
            raise TidegateError("INVALID_COLLECTION")
        plan = self._sources.plans.shape(rights, collection.name, subscription.query)
        if plan.selection.aggregation is not None:
            raise InvalidQuery("A subscription cannot aggregate")
        item = None if subscription.item is None else key_text(collection.key_field, subscription.item)
        key = FamilyKey(plan, subscription.event, item, subscription.encode, subscription.leave)
        return _Place(key, bind(plan, rights.variables, self._sources.clock.now()), rights.variables)

    def _exists(self, subscription: Subscription) -> bool:
        """Whether all that it asks for is in the schema, whoever may see it."""
        try:
            self._sources.plans.shape(_EVERYTHING, subscription.collection, subscription.query)
        except TidegateError:
            return False
        return True

    def _join(self, subscription: Subscription, place: _Place, now: float) -> None:
        held, subscription.held = subscription.held or [], None
        last, subscription.last = subscription.last, None
        group = self._registry.join(subscription, place.key, place.bound, place.variables)
        subscription.live_from = self._number + 1
        if last is not None and last.seen is not None and last.is_at(place.key, place.bound):
            group.see(last.seen)
        for change in held:
            if subscription.event in (None, change.action):
                self._offer(group, Entry(self._number, change, only=subscription), now)

    async def _snapshot(self, subscription: Subscription, place: _Place) -> list[Row]:
        plan, reader = place.bound, self._sources.reader
        while True:
            gaps = self._sources.gaps()
            rows = await reader.rows(plan if place.key.item is None else plan.with_keys([place.key.item]))
            await self._sources.caught_up()
            if subscription.collection in self._imageless:
                await asyncio.wait([self._tasks[subscription.collection]])
            held = subscription.held
            if held is None:
                # Removed meanwhile.
                return []
            if self._sources.gaps() == gaps:
                break
            # The rows may show a lost change, and those that were collected, though older, would seem to come after it.
            held.clear()
        changes = tuple(held)
        group = subscription.last = Group(Family(place.key), place.bound, place.variables)
        group.see(rows)
        events = await reader.states(group, changes, self._sources.clock.now())
        # What has been collected during this last wait is younger than the snapshot, and stays.
        held[: len(changes)] = [
            rest
            for change, keys in zip(changes, unheld(rows, events), strict=True)
            if (rest := _narrowed(change, group.key_field, keys)) is not None
        ]
        return list(rows.values())

    def _tell(self, change: Change) -> None:
        now = self._sources.clock.now()
        self._number += 1
        self._current = change
        for subscription in tuple(self._registry.held(change.collection)):
            assert subscription.held is not None, "held ones collect"
            subscription.held.append(change)
            if len(subscription.held) > WAITING_LIMIT:
                self._end(subscription, TidegateError("SERVICE_UNAVAILABLE"))
        for group in tuple(self._registry.touched(change)):
            self._offer(group, Entry(self._number, change), now)
            group.told_up_to = self._number
        self._current = None

    def _offer(self, group: Group, entry: Entry, now: float) -> None:
        """Answer the change at once if nothing waits before it and the images are enough."""
        if group.queue is not None:
            group.queue.append(entry)
            if len(group.queue) > WAITING_LIMIT:
                self._give_up(group, TidegateError("SERVICE_UNAVAILABLE"))
            return
        try:
            bodies = group.decide(entry.change, now)
        except Exception:
            # One group's fault must not keep the change from the others, nor fail the write that made it.
            logger.exception("A change of %s could not be answered", entry.change.collection)
            self._give_up(group, TidegateError("INTERNAL_SERVER_ERROR"))
            return
        if bodies is None or (bodies and entry.only is None and len(group.members) > TURN):
            group.queue = deque((entry,))
            self._begin(group, self._answer_queue(group, group.queue, bodies))
        elif bodies:
            self._deliver(group, entry, bodies, (entry.only,) if entry.only else group.members)

    def _deliver(self, group: Group, entry: Entry, bodies: Sequence[bytes], members: Collection[Subscription]) -> None:
        """Tell those of these members that belong to the group and have not been told."""
        now = self._sources.clock.now()
        for subscriber in {member.subscriber for member in members if member.subscriber.valid_until <= now}:
            # It holds its subscriptions: they leave the group, and collect this change.
            subscriber.settle()
        after = entry.number + 1
        for member in tuple(members):
            if member.group is not group:
                continue
            if entry.only is None:
                if member.live_from >= after:
                    continue
                member.live_from = after
            send, tail = member.subscriber.send, member.tail
            for body in bodies:
                send(body, tail)

    async def _answer_queue(self, group: Group, queue: deque[Entry], bodies: Sequence[bytes] | None) -> None:
        """Answer what waits for the group, first to last. An entry leaves the queue when it has been told."""
        while queue and group.members:
            entry = queue[0]
            if bodies is None:
                now = self._sources.clock.now()
                bodies = group.decide(entry.change, now)
                if bodies is None:
                    bodies = await self._patiently(partial(self._sources.reader.answer, group, entry.change, now))
            if queue and bodies:
                await self._deliver_in_turns(group, entry, bodies, queue)
            if queue:
                queue.popleft()
            bodies = None
        group.queue = None

    async def _deliver_in_turns(self, group: Group, entry: Entry, bodies: Sequence[bytes], queue: deque[Entry]) -> None:
        if entry.only is not None:
            self._deliver(group, entry, bodies, (entry.only,))
            return
        members = iter(tuple(group.members))
        while queue and (turn := tuple(islice(members, TURN))):
            self._deliver(group, entry, bodies, turn)
            if len(queue) == 1:
                # With more behind it, changes come faster than they can be told, and have to wait for this.
                await asyncio.sleep(0)

    async def _add_images(self, collection: str) -> None:
        """Read the images of changes that have none, and tell of them and of those behind them."""
        waiting = self._imageless[collection]
        while waiting and collection in self._registry:
            change = waiting[0]
            if change.action != "delete" and not change.after:
                described = self._sources.schema().collections.get(collection)
                if described is None:
                    raise TidegateError("INVALID_COLLECTION")
                field = described.key_field
                images = await self._patiently(partial(self._sources.reader.images, collection, change.keys))
                keys = [key for key in change.keys if key_text(field, key) in images]
                after = tuple(images[key_text(field, key)] for key in keys)
                change = Change(collection, change.action, tuple(keys), change.before, after, change.payload)
            waiting.popleft()
            if change.keys:
                self._tell(change)
        del self._imageless[collection]

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read, again and again while the database is away."""
        for pause in RETRY_SECONDS:
            try:
                return await read()
            except TidegateError as error:
                if error.code != "SERVICE_UNAVAILABLE":
                    raise
                await self._sources.sleep(pause)
        return await read()

    def _begin(self, what: Group | str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[what] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: self._ended(what, done))

    def _ended(self, what: Group | str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(what) is task:
            del self._tasks[what]
        if task.cancelled() or (fault := task.exception()) is None:
            return
        error = fault if isinstance(fault, TidegateError) else TidegateError("INTERNAL_SERVER_ERROR")
        if error is not fault:
            logger.error("A change could not be answered", exc_info=fault)
        if isinstance(what, Group):
            self._give_up(what, error)
        else:
            self._imageless.pop(what, None)
            for subscription in self._registry.of(what):
                self._end(subscription, error)

    def _give_up(self, group: Group, error: TidegateError) -> None:
        """The group's members cannot be told any more of what happens: tell them that."""
        if group.queue is not None:
            group.queue.clear()
        for member in tuple(group.members):
            self._end(member, error)

    def _end(self, subscription: Subscription, error: TidegateError) -> None:
        self.remove(subscription)
        subscription.subscriber.end(subscription, error)


def _narrowed(change: Change, field: Field, keys: set[str]) -> Change | None:
    """The change as far as it concerns these keys; None where it does not."""
    at = [number for number, key in enumerate(change.keys) if key_text(field, key) in keys]
    if len(at) == len(change.keys):
        return change
    if not at:
        return None
    before, after = (
        tuple(images[number] for number in at) if images else () for images in (change.before, change.after)
    )
    return Change(change.collection, change.action, tuple(change.keys[n] for n in at), before, after, change.payload)

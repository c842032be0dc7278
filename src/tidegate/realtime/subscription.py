"""One subscription of one connection, and what dispatch asks of the connection."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.errors import TidegateError
from tidegate.items.changes import Action, Change, Key
from tidegate.query.model import Query

if TYPE_CHECKING:
    from tidegate.realtime.group import Group

Row = dict[str, Any]
Encode = Callable[[Action, Sequence[Key], Sequence[Row]], list[bytes]]
"""What an event says, as messages without their `tail`: of `create` and `update` the keys with the rows as they may be
seen, of `delete` the keys alone. Hashable: subscriptions with the same one share its answers."""

EncodeLeave = Callable[[Sequence[Key]], list[bytes]]
"""What is said of rows that an update took out of sight, as messages without their `tail`. Hashable like `Encode`."""


class Subscriber(Protocol):
    """A connection, as its subscriptions see it. No member waits."""

    valid_until: float
    """When its identity ends, in seconds since the epoch; infinity for never."""

    def send(self, text: bytes, tail: bytes) -> None: ...

    def settle(self) -> None:
        """The time `valid_until` has passed: become who it is now. Holds its subscriptions until that is known."""
        ...

    def end(self, subscription: "Subscription", error: TidegateError) -> None:
        """The subscription cannot go on, and is not registered any more."""
        ...


class Subscription:
    """What a client wants to hear of.

    It is in one of three conditions. Live: member of a `group`, told of events at once. Held: `held` collects the
    changes until it is known what the client may see. Silent: neither, as nothing of it may be seen at present.
    """

    __slots__ = (
        "collection",
        "encode",
        "event",
        "group",
        "held",
        "item",
        "last",
        "leave",
        "live_from",
        "query",
        "subscriber",
        "tail",
    )

    def __init__(
        self,
        subscriber: Subscriber,
        collection: str,
        query: Query,
        encode: Encode,
        tail: bytes,
        event: Action | None = None,
        item: Key | None = None,
        leave: EncodeLeave | None = None,
    ) -> None:
        """`event`: the only one to hear of; None for all. `item`: the only row. `tail` ends each of its messages.

        `leave`: how to tell of rows that an update takes out of sight; None for not at all.
        """
        self.subscriber = subscriber
        self.collection = collection
        self.query = query
        self.encode = encode
        self.tail = tail
        self.event = event
        self.item = item
        self.leave = leave
        self.group: Group | None = None
        self.last: Group | None = None
        """The group in which it was before it was held, if only for its snapshot."""
        self.held: list[Change] | None = None
        self.live_from = 0
        """The number of the first change that it hears of as a member of its group."""

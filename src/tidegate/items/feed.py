"""Committed changes, in commit order, to whoever listens in this process.

A transaction takes its ticket while it still holds the locks of the rows it wrote, right before COMMIT is sent. Two
transactions that touch the same row therefore take their tickets in the order in which the database commits them, and
whatever order the answers to their COMMITs are read in, changes leave in the order of the tickets. A ticket that is
rolled back leaves nothing. Among several processes the tickets of all of them stand in one order (`items.relay`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from tidegate.database.engine import Database, Transaction
from tidegate.errors import CommitUnansweredError, Conflict
from tidegate.items.changes import Change
from tidegate.items.outcome import found_out

ChangeHandler = Callable[[Sequence[Change]], None]
"""Called synchronously with the changes of one transaction; must not block and must not raise."""


class Ticket:
    """A place in the order of commits; `changes` is None until the transaction has ended."""

    __slots__ = ("changes", "left")

    def __init__(self) -> None:
        self.changes: Sequence[Change] | None = None
        self.left: asyncio.Future[None] | None = None
        """Done when the ticket has left the order, where somebody waits for that."""


class SharedOrder(Protocol):
    """Where the processes of a deployment agree on the order of their tickets."""

    async def enter(self, session: int | None) -> Ticket:
        """Take a ticket of the feed for a transaction, at the place that it has among those of all processes."""
        ...

    def leave(self, ticket: Ticket, changes: Sequence[Change]) -> None:
        """The transaction of `enter` has ended with these changes: let the other processes know."""
        ...

    async def caught_up(self) -> None:
        """Wait until the feed has every ticket that any process has taken by now."""
        ...


class Feed:
    """Hands the changes of each transaction to every handler, in commit order."""

    def __init__(self) -> None:
        self.shared: SharedOrder | None = None
        """None where this is the only process."""
        self.gaps = 0
        """How often changes of other processes were lost; counted by `shared`."""
        self._handlers: list[ChangeHandler] = []
        self._early_handlers: list[ChangeHandler] = []
        self._tickets: deque[Ticket] = deque()

    def subscribe(self, handler: ChangeHandler) -> None:
        """Handlers are called in the order in which they subscribed."""
        self._handlers.append(handler)

    def subscribe_early(self, handler: ChangeHandler) -> None:
        """Have the handler called with changes that have to wait for their turn, as soon as they are committed."""
        self._early_handlers.append(handler)

    async def enter(self, session: int | None = None) -> Ticket:
        """A ticket for a transaction of this process (`Transaction.session`). The caller owes one `leave` for it."""
        return self.take() if self.shared is None else await self.shared.enter(session)

    def leave(self, ticket: Ticket, changes: Sequence[Change]) -> None:
        """The transaction of `enter` has ended with these changes (none: rolled back)."""
        if self.shared is not None:
            self.shared.leave(ticket, changes)
        self.settle(ticket, changes)

    def take(self) -> Ticket:
        """The next place in the order. The caller owes one `settle` for it."""
        ticket = Ticket()
        self._tickets.append(ticket)
        return ticket

    def settle(self, ticket: Ticket, changes: Sequence[Change]) -> None:
        """The ticket's transaction has ended with these changes (none: rolled back); release all that may leave."""
        ticket.changes = changes
        if changes and self._tickets[0] is not ticket:
            for handler in self._early_handlers:
                handler(changes)
        while self._tickets and (ready := self._tickets[0].changes) is not None:
            left = self._tickets.popleft().left
            if left is not None and not left.done():
                left.set_result(None)
            if ready:
                for handler in self._handlers:
                    handler(ready)

    async def caught_up(self) -> None:
        """Wait until the changes of every transaction that has its ticket by now have been handed over.

        Whatever a read has seen, its ticket was taken before: after this, the handlers know of it.
        """
        if self.shared is not None:
            await self.shared.caught_up()
        if self._tickets:
            last = self._tickets[-1]
            if last.left is None:
                last.left = asyncio.get_running_loop().create_future()
            await asyncio.shield(last.left)


@asynccontextmanager
async def recorded(
    database: Database, feed: Feed, *, restructuring: bool = False
) -> AsyncIterator[tuple[Transaction, list[Change]]]:
    """A transaction whose changes, appended to the list by the caller, go to the feed if and only if it commits.

    Where the answer to COMMIT is lost, it looks whether the changes are there before anybody is told: if they are, all
    is well; if not, it raises `Conflict`; where nobody can tell, `CommitUnansweredError`, and nothing goes out.
    `restructuring`: the transaction changes tables (`Database.restructuring`).
    """
    changes: list[Change] = []
    ticket: Ticket | None = None
    told: Sequence[Change] = ()
    try:
        try:
            async with database.restructuring() if restructuring else database.transaction() as transaction:
                yield transaction, changes
                ticket = await feed.enter(transaction.session)
        except CommitUnansweredError:
            if restructuring and not changes:
                raise  # only rows tell
            if not await found_out(database, transaction.session, changes):
                raise Conflict from None
        told = changes
    finally:
        if ticket is not None:
            feed.leave(ticket, told)

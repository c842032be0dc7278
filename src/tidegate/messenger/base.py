"""The bus between processes, as a port. `memory` and `redis` implement it and pass one suite of tests.

Guarantee: at most once. Messages of one publisher on one channel arrive in the order in which they were published; what
is published while the bus is away is lost, and `on_gap` says so after it is back. A process hears itself only where it
asks for that.
"""

from collections.abc import Callable
from typing import Protocol

Handler = Callable[[bytes], None]
"""Called on the event loop for every message, as a callback of its own; must not block."""


class Messenger(Protocol):
    """Carries messages on named channels. A message is one JSON object, encoded."""

    @property
    def alone(self) -> bool:
        """Whether nobody else can hear, so that there is no need to make a message."""
        ...

    async def start(self) -> None:
        """Connect. Raises `TidegateError` SERVICE_UNAVAILABLE where the bus cannot be reached at start."""
        ...

    async def stop(self) -> None:
        """Send what still can be sent, then disconnect. Also allowed before `start`, and more than once."""
        ...

    def publish(self, channel: str, message: bytes, *, expendable: bool = False) -> None:
        """Hand over a message; never waits. Order is kept per channel. `expendable`: its loss is no gap."""
        ...

    def subscribe(self, channel: str, handler: Handler, own: bool = False) -> None:
        """Before `start`: have `handler` called for what other processes publish on the channel.

        With `own` also for what this process publishes there itself; all then hear one order, over all channels.
        """
        ...

    async def is_heard(self, channel: str) -> bool:
        """Whether any process subscribes to the channel. True where the bus does not answer."""
        ...

    def on_gap(self, handler: Callable[[], None]) -> None:
        """Before `start`: have `handler` called after messages of others may have been missed.

        What was missed had been published before the call; who reads the database from then on has seen its effect.
        """
        ...

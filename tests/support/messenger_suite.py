"""What every messenger must do: import `MessengerSuite`, subclass it, and give it a `bus` fixture."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from tidegate.messenger.base import Messenger

PATIENCE_SECONDS = 10.0

Value = TypeVar("Value")


class Bus(Protocol):
    """One bus that nobody else uses, as the suite needs it."""

    def messenger(self) -> Messenger:
        """A messenger of one more process, not started. The fixture stops it at the end."""
        ...

    async def interrupt(self) -> None:
        """Make every messenger lose what is published from now on until `resume`."""
        ...

    async def resume(self) -> None: ...


class Listener:
    """Records what a messenger hears on one channel, and its gaps."""

    def __init__(self, messenger: Messenger, channel: str, own: bool = False) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.gap = asyncio.Event()
        messenger.subscribe(channel, self.messages.put_nowait, own=own)
        messenger.on_gap(self.gap.set)

    async def next(self) -> bytes:
        return await soon(self.messages.get())

    async def take(self, count: int) -> list[bytes]:
        return [await self.next() for _ in range(count)]


async def soon(awaitable: Awaitable[Value]) -> Value:
    """The awaited value; fails where it does not come."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await awaitable


def message(number: int, padding: int = 0) -> bytes:
    return json.dumps({"number": number, "padding": "x" * padding}).encode()


class MessengerSuite:
    """Every test runs on a bus of its own."""

    async def test_message_arrives_as_it_was_published(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        sent = [b"{}", b'{"a":1}', b'{ "a" : [1, {"b": null}] }', '{"text":"é🌊"}'.encode(), message(5, 100_000)]
        for each in sent:
            sender.publish("a", each)
        assert await heard.take(5) == sent

    async def test_message_reaches_every_other_process_and_not_its_sender(self, bus: Bus) -> None:
        messengers = [bus.messenger() for _ in range(3)]
        heard = [Listener(messenger, "a") for messenger in messengers]
        for messenger in messengers:
            await messenger.start()
        for number, messenger in enumerate(messengers):
            messenger.publish("a", message(number))
            messenger.publish("a", message(number, 2000))
        for number, listener in enumerate(heard):
            others = [message(other, size) for other in range(3) if other != number for size in (0, 2000)]
            assert sorted(await listener.take(4)) == sorted(others)
            assert listener.messages.empty()

    async def test_process_that_asks_for_it_hears_itself_at_the_same_place_as_all_others(self, bus: Bus) -> None:
        messengers = [bus.messenger() for _ in range(3)]
        heard = [Listener(messenger, "a", own=True) for messenger in messengers]
        others = [Listener(messenger, "a") for messenger in messengers]
        for messenger in messengers:
            await messenger.start()
        for number in range(50):
            for sender, messenger in enumerate(messengers):
                messenger.publish("a", message(100 * sender + number, padding=number * 40))
            await asyncio.sleep(0)
        first, *rest = [await listener.take(150) for listener in heard]
        assert all(other == first for other in rest)
        for sender, listener in enumerate(others):
            expected = [each for each in first if json.loads(each)["number"] // 100 != sender]
            assert await listener.take(100) == expected

    async def test_channel_is_heard_while_a_process_subscribes_to_it(self, bus: Bus) -> None:
        asking, subscribed = bus.messenger(), bus.messenger()
        Listener(subscribed, "a")
        await asking.start()
        await subscribed.start()
        assert await asking.is_heard("a")
        assert not await asking.is_heard("b")
        await subscribed.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await asking.is_heard("a"):
                pass

    async def test_messages_of_one_sender_keep_their_order(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        sent = [message(number, padding=number * 37 % 1500) for number in range(2000)]
        for position, each in enumerate(sent):
            sender.publish("a", each)
            if position % 100 == 0:
                await asyncio.sleep(0)
        assert await heard.take(2000) == sent

    async def test_channels_are_apart(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        first, second = Listener(receiver, "a"), Listener(receiver, "b")
        await sender.start()
        await receiver.start()
        sender.publish("b", message(1))
        sender.publish("unheard", message(2))
        sender.publish("a", message(3))
        assert (await first.next(), await second.next()) == (message(3), message(1))

    async def test_channel_may_have_several_handlers(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        first, second = Listener(receiver, "a"), Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        sender.publish("a", message(1))
        assert (await first.next(), await second.next()) == (message(1), message(1))

    async def test_fault_of_a_handler_does_not_end_the_hearing(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        receiver.subscribe("a", _fail)
        heard = Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        sender.publish("a", message(1))
        sender.publish("a", message(2))
        assert await heard.take(2) == [message(1), message(2)]
        assert len(faults) == 2

    async def test_messenger_without_interruption_reports_no_gap(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        sender.publish("a", message(1))
        await heard.next()
        assert not heard.gap.is_set()

    async def test_interruption_is_reported_and_messages_arrive_again(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        await bus.interrupt()
        sender.publish("a", message(1))
        await bus.resume()
        await soon(heard.gap.wait())
        sending = asyncio.create_task(_repeat(sender, "a", message(2)))
        assert await heard.next() == message(2), "what was published meanwhile is lost, what follows arrives"
        sending.cancel()

    async def test_stopped_messenger_hears_nothing_more(self, bus: Bus) -> None:
        sender, staying, leaving = bus.messenger(), bus.messenger(), bus.messenger()
        heard, unheard = Listener(staying, "a"), Listener(leaving, "a")
        for messenger in (sender, staying, leaving):
            await messenger.start()
        await leaving.stop()
        sender.publish("a", message(1))
        await heard.next()
        assert unheard.messages.empty()

    async def test_stop_sends_what_was_published_before_it(self, bus: Bus) -> None:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, "a")
        await sender.start()
        await receiver.start()
        sender.publish("a", message(1))
        await sender.stop()
        assert await heard.next() == message(1)

    async def test_messenger_may_be_stopped_at_any_time(self, bus: Bus) -> None:
        unstarted, started = bus.messenger(), bus.messenger()
        await unstarted.stop()
        await started.start()
        await started.stop()
        await started.stop()


def _fail(_: bytes) -> None:
    raise RuntimeError("a fault of the handler")


async def _repeat(sender: Messenger, channel: str, each: bytes) -> None:
    while True:
        sender.publish(channel, each)
        await asyncio.sleep(0.02)

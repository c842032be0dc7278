"""The messenger of one process, and of several on one hub."""

import pytest

from tests.support.messenger_suite import MessengerSuite
from tidegate.messenger.memory import MemoryHub, MemoryMessenger


class MemoryBus:
    def __init__(self) -> None:
        self._hub = MemoryHub()

    def messenger(self) -> MemoryMessenger:
        return MemoryMessenger(self._hub)

    async def interrupt(self) -> None:
        self._hub.interrupt()

    async def resume(self) -> None:
        self._hub.resume()


class TestMemoryMessenger(MessengerSuite):
    @pytest.fixture
    def bus(self) -> MemoryBus:
        return MemoryBus()


async def test_messenger_is_alone_until_another_process_joins() -> None:
    hub = MemoryHub()
    first, second = MemoryMessenger(hub), MemoryMessenger(hub)
    await first.start()
    answers = [first.alone]
    await second.start()
    answers.append(first.alone)
    await second.stop()
    answers.append(first.alone)
    assert answers == [True, False, True]


async def test_messenger_without_a_hub_is_alone() -> None:
    messenger, other = MemoryMessenger(), MemoryMessenger()
    await messenger.start()
    await other.start()
    assert messenger.alone

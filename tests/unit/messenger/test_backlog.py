"""What a publisher sends, drops and gives notice of."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.messenger.backlog import Backlog, Outgoing

NOTICE = Outgoing("gap", b"{}")


def outgoing(number: int, size: int = 1, expendable: bool = False) -> Outgoing:
    return Outgoing(str(number), b"x" * size, expendable)


def backlog(max_bytes: int = 100) -> Backlog:
    return Backlog(max_bytes, NOTICE)


def test_messages_leave_in_order_and_once() -> None:
    waiting = backlog()
    waiting.put(outgoing(1))
    waiting.put(outgoing(2))
    assert waiting.take() == [outgoing(1), outgoing(2)]
    waiting.sent()
    assert not waiting


def test_message_over_the_bound_is_dropped_and_noticed_behind_what_came_before() -> None:
    waiting = backlog(max_bytes=1)
    waiting.put(outgoing(1))
    waiting.put(outgoing(2))
    assert waiting.dropped == 1
    assert waiting.take() == [outgoing(1), NOTICE]
    waiting.sent()
    waiting.put(outgoing(3))
    assert waiting.take() == [outgoing(3)]


def test_messages_in_flight_count_towards_the_bound_until_they_are_sent() -> None:
    waiting = backlog(max_bytes=1)
    waiting.put(outgoing(1))
    waiting.take()
    waiting.put(outgoing(2))
    assert waiting.dropped == 1
    waiting.sent()
    assert waiting.take() == [NOTICE]


def test_message_larger_than_the_bound_does_not_hold_up_others() -> None:
    waiting = backlog(max_bytes=10)
    waiting.put(outgoing(1, size=11))
    waiting.put(outgoing(2))
    assert waiting.take() == [outgoing(2), NOTICE]


def test_broken_connection_loses_everything_until_the_notice_has_left() -> None:
    waiting = backlog()
    waiting.put(outgoing(1))
    waiting.take()
    waiting.put(outgoing(2))
    waiting.failed()
    waiting.put(outgoing(3))
    assert waiting.dropped == 3
    assert waiting.take() == [NOTICE]
    waiting.failed()
    assert waiting.dropped == 3, "the notice is not a message"
    assert waiting.take() == [NOTICE]
    waiting.sent()
    waiting.put(outgoing(4))
    assert waiting.take() == [outgoing(4)]


def test_message_dropped_while_the_notice_leaves_is_noticed_again() -> None:
    waiting = backlog()
    waiting.put(outgoing(0))
    waiting.take()
    waiting.failed()
    waiting.take()
    waiting.put(outgoing(1))
    waiting.sent()
    assert waiting.take() == [NOTICE]


def test_expendable_message_is_dropped_without_a_notice() -> None:
    waiting = backlog(max_bytes=1)
    waiting.put(outgoing(1))
    waiting.put(outgoing(2, expendable=True))
    assert waiting.dropped == 1
    assert waiting.take() == [outgoing(1)]


def test_broken_connection_that_lost_only_what_is_expendable_keeps_the_next_message() -> None:
    waiting = backlog()
    waiting.put(outgoing(1, expendable=True))
    waiting.take()
    waiting.failed()
    assert not waiting
    waiting.put(outgoing(2))
    assert waiting.take() == [outgoing(2)]


class Publishing(RuleBasedStateMachine):
    """Against any run of puts, losses and recoveries: what is heard is in order, and each hole ends with a notice."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = backlog(max_bytes=8)
        self.published = 0
        self.expendable: set[int] = set()
        self.taken: list[Outgoing] | None = None
        self.heard: list[Outgoing] = []

    @rule(size=st.integers(1, 9), expendable=st.booleans())
    def put(self, size: int, expendable: bool) -> None:
        self.published += 1
        if expendable:
            self.expendable.add(self.published)
        self.backlog.put(outgoing(self.published, size, expendable))

    @precondition(lambda self: self.taken is None)
    @rule()
    def take(self) -> None:
        self.taken = self.backlog.take()

    @precondition(lambda self: self.taken is not None)
    @rule()
    def arrive(self) -> None:
        assert self.taken is not None
        self.heard += self.taken
        self.backlog.sent()
        self.taken = None

    @precondition(lambda self: self.taken is not None)
    @rule(arrived=st.integers(0, 9))
    def break_off(self, arrived: int) -> None:
        assert self.taken is not None
        self.heard += self.taken[:arrived]
        self.backlog.failed()
        self.taken = None

    @invariant()
    def nothing_is_silently_missing(self) -> None:
        """Whenever nothing waits, what was published has been heard or is expendable, or a notice follows the hole."""
        numbers = [int(message.channel) for message in self.heard if message is not NOTICE]
        assert numbers == sorted(set(numbers))
        if not self.backlog and self.taken is None:
            heard = self.expendable.union(numbers)
            missing = [number for number in range(1, self.published + 1) if number not in heard]
            if missing:
                assert NOTICE in self.heard
                last_notice = len(self.heard) - 1 - self.heard[::-1].index(NOTICE)
                after = [int(message.channel) for message in self.heard[last_notice + 1 :]]
                assert all(number > missing[-1] for number in after)


Publishing.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestPublishing = Publishing.TestCase

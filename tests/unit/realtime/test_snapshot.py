"""Snapshot and stream: nothing lost, nothing that the snapshot holds is told again."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tidegate.realtime.snapshot import State, unheld

A: State = {"text": "a"}
B: State = {"text": "b"}


def test_snapshot_older_than_all_events_holds_none_of_them() -> None:
    assert unheld({}, [{"1": A}, {"1": B}]) == [{"1"}, {"1"}]


def test_snapshot_between_two_events_holds_the_first() -> None:
    assert unheld({"1": A}, [{"1": A}, {"1": B}]) == [set(), {"1"}]


def test_snapshot_younger_than_all_events_holds_them() -> None:
    assert unheld({"1": B}, [{"1": A}, {"1": B}]) == [set(), set()]


def test_row_that_was_deleted_before_the_snapshot_is_not_told_of() -> None:
    assert unheld({}, [{"1": A}, {"1": None}]) == [set(), set()]


def test_row_that_is_deleted_after_the_snapshot_is_told_of() -> None:
    assert unheld({"1": A}, [{"1": None}]) == [{"1"}]


def test_events_are_judged_row_by_row() -> None:
    assert unheld({"1": A, "2": B}, [{"1": A, "2": A}, {"2": B}, {"1": B}]) == [set(), set(), {"1"}]


Write = Mapping[str, State]
KEYS = ["1", "2", "3"]
WRITES: st.SearchStrategy[list[Write]] = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from([None, A, B]), min_size=1, max_size=3), max_size=12
)


def after(writes: list[Write]) -> dict[str, State]:
    state: dict[str, State] = {}
    for write in writes:
        state.update(write)
    return {key: value for key, value in state.items() if value is not None}


@given(writes=WRITES, data=st.data())
def test_picture_equals_the_database_and_nothing_held_is_repeated(writes: list[Write], data: st.DataObject) -> None:
    registered = data.draw(st.integers(0, len(writes)), "registered")
    read = data.draw(st.integers(registered, len(writes)), "read")
    picture = after(writes[:read])
    buffered = writes[registered:]

    told = unheld(picture, buffered)

    for number, (event, keys) in enumerate(zip(buffered, told, strict=True)):
        assert keys <= event.keys()
        if registered + number < read:
            assert not keys, "the snapshot was read after this event"
        for key in keys:
            state = event[key]
            if state is None:
                picture.pop(key, None)
            else:
                picture[key] = state
    assert picture == after(writes)

"""Where snapshot and stream meet: which buffered events the snapshot already holds.

A subscription is registered first, then its snapshot is read, and events are buffered meanwhile. Each event gives rows
a new state: as somebody sees the row, or absent where it is deleted or not visible. The snapshot shows each row in the
state of some moment since the registration, but does not say which. So states are compared: up to the last event that
leads to the very state that the snapshot shows, the snapshot holds them all. If none does, the snapshot is older than
all of them. Where a row took the same state several times, the events between change nothing for who has the snapshot.

This needs nothing of the database but that the snapshot is one moment's, so it is the same on every engine, and for
events of other processes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

State = Mapping[str, Any] | None
"""A row as somebody sees it; None for absent."""


def unheld(snapshot: Mapping[str, State], events: Sequence[Mapping[str, State]]) -> list[set[str]]:
    """For each event, by key the states that it leads to, the keys whose state the snapshot does not hold yet.

    A row that is missing in `snapshot` counts as absent there. That is also right for rows past the query's limit:
    whoever has the snapshot does not have them.
    """
    held_up_to: dict[str, int] = {}
    for number, event in enumerate(events):
        for key, state in event.items():
            if state == snapshot.get(key):
                held_up_to[key] = number
    return [{key for key in event if held_up_to.get(key, -1) < number} for number, event in enumerate(events)]

"""The change event: what one committed write did to one collection, with the rows as they were and as they are.

Images are API values (what an administrator would read with `fields=*`, alias fields left out), keyed by field name.
They are shared by everybody who receives the event: nobody may change them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Key = int | str
"""A primary key as an API value."""
Image = Mapping[str, Any]
Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One event. `create` has one key; `update` and `delete` have one for each row of the write.

    `keys` are spelled as the request spelled them (a key taken from a URL is a string): that is how they go out in
    `delete` events and in GraphQL. `before` and `after` hold, per key and in the same order, the row as it was and as
    it is; empty tuples where they are not known (an event from another program on the bus) or make no sense.
    """

    collection: str
    action: Action
    keys: tuple[Key, ...]
    before: tuple[Image, ...] = ()
    after: tuple[Image, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    """What was written, as API values, for the bus (PROTOCOL section 9)."""

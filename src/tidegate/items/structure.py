"""The structure of the project: collections, fields and relations.

They are real tables, columns and foreign keys, and the metadata rows beside them. Administrators only; a change, also
of several collections or fields at once, is made whole or not at all. System tables keep their fields.
"""

from tidegate.database.engine import Database
from tidegate.items.feed import Feed
from tidegate.items.structure_collections import Collections
from tidegate.items.structure_fields import Fields
from tidegate.items.structure_relations import Relations
from tidegate.items.structure_write import StructureWriter


class Structure:
    """The structure, as seen and changed with given rights.

    Every method of its parts raises `Forbidden` for who is not an administrator and for what does not exist, and
    `InvalidPayload` for what cannot be made.
    """

    def __init__(self, database: Database, feed: Feed) -> None:
        self._writer = writer = StructureWriter(database, feed)
        self.collections = Collections(database, writer)
        self.fields = Fields(database, writer)
        self.relations = Relations(database, writer)

    async def drain(self) -> None:
        """Wait for the changes that have begun."""
        await self._writer.writes.drain()

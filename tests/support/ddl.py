"""Statements of another program: what a database holds before Tidegate sees it."""

import sqlalchemy as sa

from tidegate.database.engine import Database


async def run_ddl(database: Database, *statements: str) -> None:
    """Run the statements as they stand, then have the database looked at again."""
    async with database.transaction() as transaction:
        for statement in statements:
            await transaction.execute(sa.text(statement.replace(":", r"\:")))
    await database.reload()

"""The executor of one scope, put together: what it builds schemas with, and what answers their root fields."""

from collections.abc import Callable

from graphql import GraphQLSchema

from tidegate.access.rights import Rights
from tidegate.graphql.execution import Executor, Schemas
from tidegate.graphql.protection import Protection
from tidegate.graphql.resolvers import ItemResolvers
from tidegate.graphql.system import SystemFields
from tidegate.graphql.types import TypeBuilder
from tidegate.items.service import Items
from tidegate.query.model import Limits
from tidegate.schema import Schema


def item_executor(items: Items, snapshot: Callable[[], Schema], limits: Limits, protection: Protection) -> Executor:
    """For the project's own collections."""

    def build(schema: Schema, rights: Rights) -> GraphQLSchema:
        return TypeBuilder(schema, rights, ItemResolvers(items, schema, limits), system=False).build({}, {})

    return Executor(Schemas(snapshot, build, protection))


def system_executor(
    items: Items, snapshot: Callable[[], Schema], limits: Limits, protection: Protection, fields: SystemFields
) -> Executor:
    """For the system collections."""

    def build(schema: Schema, rights: Rights) -> GraphQLSchema:
        resolvers = ItemResolvers(items, schema, limits)
        builder = TypeBuilder(schema, rights, resolvers, system=True)
        return builder.build(fields.queries(builder, resolvers), fields.mutations())

    return Executor(Schemas(snapshot, build, protection))

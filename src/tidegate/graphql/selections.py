"""From what a GraphQL document selects of a collection to the query that reads it. Pure.

A relational field that is selected under the response key `K` is read under the name `__K`, so that the same relation
can be asked for twice with other arguments; GraphQL reserves such names, so that no field has one.
Plain fields are read under their own names. What is read of a many-to-any relation is read under its own name too: it
takes no arguments.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
)
from graphql.execution import get_argument_values, get_directive_values
from graphql.execution.values import VariableValues

from tidegate.query.model import Limits, Query
from tidegate.query.parse import parse_query
from tidegate.schema import Collection, RelationKind, RelationView, Schema

FUNCTIONS_SUFFIX: Final = "_func"


def read_name(response_key: str | int) -> str:
    """Under which name a relational field is read."""
    return f"__{response_key}"


class SelectionReader:
    """Reads the selections of one operation."""

    def __init__(
        self,
        schema: Schema,
        types: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
        limits: Limits,
    ) -> None:
        self._schema = schema
        self._types = types
        self._fragments = fragments
        self._variables = variables
        self._limits = limits

    def query(self, collection: Collection, nodes: Sequence[FieldNode], arguments: Mapping[str, Any]) -> Query:
        """The query for what stands below `nodes`, with the arguments of the field they select."""
        asked = parse_query(self._raw(collection, arguments), self._limits)
        return self._complete(collection, asked, nodes)

    def children(
        self, nodes: Iterable[FieldNode | OperationDefinitionNode], type_name: str | None = None
    ) -> dict[str, list[FieldNode]]:
        """What is selected below `nodes`, by response key; of fragments on other types than `type_name` nothing."""
        found: dict[str, list[FieldNode]] = {}
        for node in nodes:
            if node.selection_set is not None:
                for field in self._fields(node.selection_set.selections, type_name):
                    found.setdefault(field.alias.value if field.alias else field.name.value, []).append(field)
        return found

    def _complete(
        self, collection: Collection, asked: Query, nodes: Iterable[FieldNode], type_name: str | None = None
    ) -> Query:
        fields: list[str] = []
        deep: dict[str, Query] = {}
        alias: list[tuple[str, str]] = []
        any_nodes: dict[str, list[FieldNode]] = {}
        for key, below in self.children(nodes, type_name).items():
            name = below[0].name.value
            view = self._schema.relation(collection.name, name)
            if name.startswith("__"):
                continue
            if name not in collection.fields:
                base = name.removesuffix(FUNCTIONS_SUFFIX)
                functions = (each[0].name.value for each in self.children(below).values())
                fields += [f"{function}({base})" for function in functions if not function.startswith("__")]
            elif view is None or below[0].selection_set is None:
                fields.append(name)
            elif view.kind is RelationKind.A2O:
                any_nodes.setdefault(name, []).extend(below)
            else:
                target = self._schema.collections[view.target]
                child = self.query(target, below, self._arguments(collection, below[0]))
                alias.append((read_name(key), name))
                deep[read_name(key)] = child
                fields += [f"{read_name(key)}.{path}" for path in child.fields]
        for name, below in any_nodes.items():
            view = self._schema.relation(collection.name, name)
            assert view is not None, "only relations come here"
            fields += self._any_fields(view, name, below, deep)
        return replace(
            asked,
            fields=tuple(fields) or (self._some_field(collection),),
            deep=tuple(deep.items()),
            alias=tuple(alias),
        )

    def _some_field(self, collection: Collection) -> str:
        """Any field that may be read, where none is asked for."""
        shown = self._object(collection.name).fields
        if collection.primary_key in shown:
            return collection.primary_key
        return next((name for name in shown if name in collection.fields), collection.primary_key)

    def _any_fields(
        self, view: RelationView, name: str, nodes: Sequence[FieldNode], deep: dict[str, Query]
    ) -> Iterator[str]:
        if view.relation.one_collection_field:
            yield view.relation.one_collection_field
        for target in view.relation.one_allowed_collections:
            if self._types.get_type(target) is not None:
                child = self._complete(self._schema.collections[target], Query(), nodes, target)
                deep[f"{name}:{target}"] = child
                yield from (f"{name}:{target}.{path}" for path in child.fields)

    def _object(self, name: str) -> GraphQLObjectType:
        found = self._types.get_type(name)
        assert isinstance(found, GraphQLObjectType)
        return found

    def _arguments(self, collection: Collection, node: FieldNode) -> Mapping[str, Any]:
        field = self._object(collection.name).fields[node.name.value]
        return get_argument_values(field, node, self._variables)

    def _fields(self, selections: Iterable[SelectionNode], type_name: str | None) -> Iterator[FieldNode]:
        for node in selections:
            if not self._included(node):
                continue
            match node:
                case FieldNode():
                    yield node
                case InlineFragmentNode():
                    condition = node.type_condition
                    if condition is None or type_name is None or condition.name.value == type_name:
                        yield from self._fields(node.selection_set.selections, type_name)
                case FragmentSpreadNode():
                    fragment = self._fragments[node.name.value]
                    if type_name is None or fragment.type_condition.name.value == type_name:
                        yield from self._fields(fragment.selection_set.selections, type_name)

    def _included(self, node: SelectionNode) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self._variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self._variables)
        return not (skip and skip["if"]) and not (include and not include["if"])

    def _raw(self, collection: Collection, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the query language has them."""
        raw = {name: value for name, value in arguments.items() if value is not None}
        if "filter" in raw:
            raw["filter"] = self._filter(collection, raw["filter"])
        if "groupBy" in raw:
            raw["groupBy"] = [_grouping(name) for name in raw["groupBy"]]
        return raw

    def _filter(self, collection: Collection, value: Any) -> Any:
        """`date_func: {year: …}` is `year(date)`, and `item__articles` is `item:articles`."""
        if not isinstance(value, Mapping):
            return value
        out: dict[str, Any] = {}
        for key, below in value.items():
            name, _, target = key.partition("__")
            view = self._schema.relation(collection.name, name if key not in collection.fields else key)
            if key in ("_and", "_or"):
                out[key] = [self._filter(collection, each) for each in below or ()]
            elif key in ("_some", "_none"):
                out[key] = self._filter(collection, below)
            elif key in collection.fields and view is not None and view.kind is not RelationKind.A2O:
                out[key] = self._filter(self._schema.collections[view.target], below)
            elif key not in collection.fields and key.endswith(FUNCTIONS_SUFFIX):
                base = key.removesuffix(FUNCTIONS_SUFFIX)
                out |= {f"{function}({base})": tests for function, tests in (below or {}).items()}
            elif key not in collection.fields and target in self._schema.collections:
                out[f"{name}:{target}"] = self._filter(self._schema.collections[target], below)
            else:
                out[key] = below
        return out


def _grouping(name: str) -> str:
    """`date_func.year` is `year(date)`."""
    field, dot, function = name.partition(f"{FUNCTIONS_SUFFIX}.")
    return f"{function}({field})" if dot else name

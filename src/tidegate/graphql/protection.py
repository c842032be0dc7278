"""What a document is refused for before anything of it is executed, the same on both transports.

Three looks, each cheaper than what it stands before: `scan` goes over the tokens once, before they are parsed;
`measure` over the parsed document with its fragments counted as often as they are used, before it is validated;
`complexity` over the validated one. Each takes time in proportion to the text, whatever the text would expand to.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

MAX_DEPTH: Final = 20
"""Levels of selections; the introspection query of common tools has 15."""
MAX_NESTING: Final = 100
"""Levels of brackets, arguments included."""
MAX_ALIASES: Final = 50
MAX_DUPLICATES: Final = 20
"""Fields selected again in the same braces."""
MAX_DIRECTIVES: Final = 50
MAX_SPREADS: Final = 50
"""Fragment spreads and inline fragments."""
MAX_ROOT_FIELDS: Final = 50
"""Each of them asks the database."""
MAX_FIELDS: Final = 1_500
"""Fields, with those of a fragment counted as often as it is used."""
MAX_ARGUMENTS: Final = 500
"""Names with values, variables and the insides of values included; whoever writes more at once sends variables."""
MAX_DEFINITIONS: Final = 60
"""Operations and fragments."""
MAX_COMPLEXITY: Final = 500_000
LIST_WEIGHT: Final = 10
"""How many items a list is taken to have, unless it is asked for fewer."""
MAX_VALUES: Final = 20_000
"""Values in the variables, at all levels."""
CHARACTERS_PER_TOKEN: Final = 20
"""How long a document may be, for each token that it may have."""

_TOKEN: Final = re.compile(
    r"""
    [\s,\ufeff]++ | \#[^\n\r]*+                                        # ignored
    | (?P<string>\"\"\"(?:[^"\\]++|\\\"\"\"|\\|"(?!""))*+(?:\"\"\")?+ | "(?:[^"\\\n\r]++|\\.)*+"?+)
    | (?P<name>[_A-Za-z][_0-9A-Za-z]*+)
    | (?P<sign>\.\.\. | [!$&():=@\[\]{|}])
    | (?P<rest>-?[0-9][0-9.eE+-]*+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Protection:
    """What the operator has set."""

    max_tokens: int = 5_000
    introspection: bool = True
    """Whether clients may learn the schema; without it errors suggest no names either."""


def scan(text: str, max_tokens: int) -> None:
    """Look at the tokens of a document. Raises GraphQLError; what is no GraphQL at all is left to the parser."""
    if len(text) > max_tokens * CHARACTERS_PER_TOKEN:
        raise GraphQLError("The document is too long")
    count = Count()
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is not None:
            count.tokens += 1
            if count.tokens > max_tokens:
                raise GraphQLError(f"The document has more than {max_tokens} tokens")
            count.take(kind, match[0])


class Count:
    """What a scan has seen so far."""

    __slots__ = (
        "_after",
        "_brackets",
        "_keys",
        "_parentheses",
        "aliases",
        "arguments",
        "definitions",
        "directives",
        "duplicates",
        "fields",
        "spreads",
        "tokens",
    )

    def __init__(self) -> None:
        self.tokens = self.fields = self.aliases = self.duplicates = self.arguments = 0
        self.directives = self.spreads = self.definitions = 0
        self._brackets = 0
        self._parentheses = 0
        self._keys: list[set[str]] = []
        """The response keys in each of the open braces."""
        self._after = ""
        """The sign or keyword that says what a name means."""

    def take(self, kind: str, token: str) -> None:
        """The next token. Raises GraphQLError where one limit is passed."""
        after, self._after = self._after, ""
        if kind == "name":
            self._name(token, after)
        elif kind == "sign":
            self._sign(token)

    def _name(self, name: str, after: str) -> None:
        if after == "..." and name == "on":
            self._after = "on"
        elif not after and not self._parentheses and self._keys:
            self.fields += 1
            _refuse("fields", self.fields, MAX_FIELDS)
            if name in self._keys[-1]:
                self.duplicates += 1
                _refuse("duplicate fields", self.duplicates, MAX_DUPLICATES)
            self._keys[-1].add(name)

    def _sign(self, sign: str) -> None:
        if sign in "({[":
            self._brackets += 1
            _refuse("levels of brackets", self._brackets, MAX_NESTING)
        elif sign in ")}]":
            self._brackets -= 1
        if sign in "()":
            self._parentheses += 1 if sign == "(" else -1
        elif sign == "@":
            self._after = sign
            self.directives += 1
            _refuse("directives", self.directives, MAX_DIRECTIVES)
        elif not self._parentheses:
            self._selecting(sign)
        elif sign == ":":
            self.arguments += 1
            _refuse("arguments", self.arguments, MAX_ARGUMENTS)

    def _selecting(self, sign: str) -> None:
        """A sign outside of arguments."""
        if sign == "{":
            self.definitions += not self._keys
            _refuse("definitions", self.definitions, MAX_DEFINITIONS)
            self._keys.append(set())
            _refuse("levels of fields", len(self._keys), MAX_DEPTH)
        elif sign == "}" and self._keys:
            self._keys.pop()
        elif sign == "...":
            self._after = sign
            self.spreads += 1
            _refuse("fragments", self.spreads, MAX_SPREADS)
        elif sign == ":":
            self._after = sign
            self.aliases += 1
            _refuse("aliases", self.aliases, MAX_ALIASES)


def measure(document: DocumentNode) -> None:
    """Look at what the document's fragments expand to. Raises GraphQLError, also where they contain themselves."""
    measurer = _Measurer(fragments_of(document))
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = measurer.size(definition.selection_set)
            _refuse("root fields", size.top, MAX_ROOT_FIELDS)
            _refuse("fields", size.fields, MAX_FIELDS)
            _refuse("levels of fields", size.depth, MAX_DEPTH)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def complexity(document: DocumentNode, types: GraphQLSchema, operation: OperationDefinitionNode) -> None:
    """Estimate how much a valid operation answers. Raises GraphQLError."""
    root = types.get_root_type(operation.operation)
    assert root is not None, "the document is valid"
    _refuse("complexity", _Estimate(types, fragments_of(document)).cost(operation.selection_set, root), MAX_COMPLEXITY)


def check_variables(variables: Mapping[str, Any]) -> None:
    """Raises GraphQLError where the variables hold too many values."""
    layer: list[Any] = [variables]
    found = 0
    while layer:
        found += sum(len(each) for each in layer)
        _refuse("values in variables", found, MAX_VALUES)
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list)
        ]


class _Size(NamedTuple):
    """Of a selection set, fragments expanded."""

    top: int
    fields: int
    depth: int


class _Measurer:
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Size | None] = {}
        """By fragment; None while it is being measured."""

    def size(self, selections: SelectionSetNode) -> _Size:
        top = fields = depth = 0
        for node in selections.selections:
            match node:
                case FieldNode(selection_set=None):
                    below = _Size(1, 1, 1)
                case FieldNode(selection_set=SelectionSetNode() as inner):
                    size = self.size(inner)
                    below = _Size(1, 1 + size.fields, 1 + size.depth)
                case InlineFragmentNode(selection_set=inner):
                    below = self.size(inner)
                case FragmentSpreadNode(name=name):
                    below = self._fragment(name.value)
                case _:
                    raise AssertionError("there are no other selections")
            top, fields, depth = top + below.top, fields + below.fields, max(depth, below.depth)
        return _Size(top, fields, depth)

    def _fragment(self, name: str) -> _Size:
        if name not in self._fragments:
            # Validation says so.
            return _Size(0, 0, 0)
        if name not in self._known:
            self._known[name] = None
            self._known[name] = self.size(self._fragments[name].selection_set)
        size = self._known[name]
        if size is None:
            raise GraphQLError(f'Cannot spread fragment "{name}" within itself.')
        return size


class _Estimate:
    def __init__(self, types: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._types = types
        self._fragments = fragments
        self._known: dict[str, int] = {}

    def cost(self, selections: SelectionSetNode, parent: object) -> int:
        cost = 0
        for node in selections.selections:
            match node:
                case FieldNode():
                    cost += self._field(node, parent)
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    cost += self.cost(
                        inner, parent if condition is None else self._types.get_type(condition.name.value)
                    )
                case FragmentSpreadNode(name=name):
                    cost += self._fragment(name.value)
        return cost

    def _field(self, node: FieldNode, parent: object) -> int:
        if node.selection_set is None or not is_object_type(parent):
            return 1
        name = node.name.value
        if name.startswith("__"):
            # Bounded by validation, in the depth of its lists.
            return 1
        kind = parent.fields[name].type
        return 1 + _weight(node, kind) * self.cost(node.selection_set, get_named_type(kind))

    def _fragment(self, name: str) -> int:
        if name not in self._known:
            node = self._fragments[name]
            self._known[name] = self.cost(node.selection_set, self._types.get_type(node.type_condition.name.value))
        return self._known[name]


def _weight(node: FieldNode, kind: GraphQLOutputType) -> int:
    plain = kind.of_type if is_non_null_type(kind) else kind
    if not is_list_type(plain):
        return 1
    for argument in node.arguments or ():
        if argument.name.value == "limit" and isinstance(argument.value, IntValueNode):
            asked = argument.value.value
            return int(asked) if asked.isdigit() and len(asked) < 2 else LIST_WEIGHT
    return LIST_WEIGHT


def _refuse(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise GraphQLError(f"The document passes the limit of {limit} for {what}")

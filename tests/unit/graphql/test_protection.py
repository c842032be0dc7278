"""Documents that are made to cost much: each is refused for what it is, before it costs anything."""

import contextlib
import time
from collections.abc import Callable

import pytest
from graphql import GraphQLError, get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from tidegate.graphql.protection import MAX_VALUES, check_variables, measure, scan

CPU_SECONDS = 0.05
TOKENS = 5_000

BOMBS = {
    "aliases": "{" + " ".join(f"a{n}: notes {{ id }}" for n in range(900)) + "}",
    "duplicates": "{ notes {" + " id" * 4_000 + "} }",
    "depth": "{" + "author {" * 400 + "id" + "}" * 401,
    "nested lists": "{ notes(ids: " + "[" * 2_000 + "]" * 2_000 + ") { id } }",
    "long lists": "{ notes(ids: [" + "1 " * 200_000 + "]) { id } }",
    "directives": "{ notes { id " + "@include(if: true) " * 700 + "} }",
    "inline fragments": "{ notes {" + "... { id } " * 900 + "} }",
    "fields": "{ notes {" + "".join(f" f{n}" for n in range(4_900)) + "} }",
    "arguments": "{ notes(filter: {" + "".join(f" a{n}: {{_eq: 1}}" for n in range(700)) + "}) { id } }",
    "variables": "query (" + "".join(f" $v{n}: Int" for n in range(1_200)) + ") { notes { id } }",
    "operations": "".join(f"query q{n} {{ notes {{ id }} }} " for n in range(600)),
    "tokens": "{ notes { id } } " * 1_500,
    "text": '{ notes(search: "' + "x" * 900_000 + '") { id } }',
    "block text": '{ notes(search: """' + '\\"""' * 100_000 + '") { id } }',
    "comment": "#" * 900_000 + "\n{ notes { id } }",
    "quotes": '"' * 100_000,
}
EXPANDING = {
    "doubling fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ a{n} ...f{n + 1} b{n} {{ ...f{n + 1} }} }}" for n in range(20))
    + " fragment f20 on Query { last }",
    "fragment in itself": "{ ...a } fragment a on Query { notes { ...a } }",
    "fragments in a circle": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "root fields": "{ ...a } fragment a on Query {" + " ".join(f"f{n}" for n in range(51)) + "}",
    "depth by fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ a {{ a {{ ...f{n + 1} }} }} }}" for n in range(15))
    + " fragment f15 on Query { last }",
}


@pytest.mark.parametrize("name", BOMBS)
def test_scan_refuses_bomb_at_once(name: str) -> None:
    seconds = refusal_seconds(lambda: scan(BOMBS[name], TOKENS))
    assert seconds < CPU_SECONDS


@pytest.mark.parametrize("name", EXPANDING)
def test_measure_refuses_what_fragments_expand_to(name: str) -> None:
    scan(EXPANDING[name], TOKENS)
    document = parse(EXPANDING[name])
    assert refusal_seconds(lambda: measure(document)) < CPU_SECONDS


def refusal_seconds(work: Callable[[], None]) -> float:
    """CPU time until it is refused."""
    started = time.process_time()
    with pytest.raises(GraphQLError):
        work()
    return time.process_time() - started


@pytest.mark.parametrize(
    "text",
    [
        get_introspection_query(input_value_deprecation=True, specified_by_url=True, schema_description=True),
        "{ notes { id title } messages { id text } }",
        "query Q($a: Int = 1, $b: [ID!]) @include(if: true) { n: notes(limit: $a) { id } m: notes { id } }",
        "{ ...a ...a } fragment a on Query { notes { ...b } } fragment b on notes { id }",
        '{ notes(search: "} { : ... @ # \\" \\u0041", filter: { _and: [{ id: { _eq: 1 } }] }) { id } }',
        '# a comment { { {\n{ notes(search: """ " "" \\""" """) { id } }',
        "{ a: notes { a: id } b: notes { a: id } }",
    ],
)
def test_ordinary_document_passes(text: str) -> None:
    scan(text, TOKENS)
    measure(parse(text))


def test_document_is_counted_in_tokens_as_graphql_counts_them() -> None:
    text = '{ notes(search: "a b c") { id } } # not this'
    scan(text, 11)
    with pytest.raises(GraphQLError, match="10 tokens"):
        scan(text, 10)


def test_name_after_alias_or_in_fragment_condition_is_no_duplicate() -> None:
    scan("{ " + " ".join(f"a{n}: id" for n in range(30)) + " }", TOKENS)
    scan("{ " + " ".join("... on notes { x }" for _ in range(30)) + " }", TOKENS)
    scan("{ " + " ".join(f"f{n}(notes: 1, notes: 2)" for n in range(30)) + " }", TOKENS)


def test_variables_of_many_values_are_refused() -> None:
    check_variables({"ids": list(range(MAX_VALUES - 1))})
    with pytest.raises(GraphQLError):
        check_variables({"ids": [[1] for _ in range(MAX_VALUES // 2)]})


@given(st.text(alphabet='{}()[]:@".#\\\nab1$!|&… ', max_size=300))
def test_scan_of_any_text_ends_or_refuses(text: str) -> None:
    with contextlib.suppress(GraphQLError):
        scan(text, 50)

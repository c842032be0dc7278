"""SQLite's stored CREATE TABLE text, taken apart into its definitions and put together again. Pure.

Only what has to change is touched, so that everything else stays as its author wrote it: collations, checks, generated
columns, table options, comments. Grammar: sqlite.org/lang_createtable.html.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?(?:\*/|$))
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | [(),] | [^\s'"`\[(),/-]+ | .""",
    re.VERBOSE | re.DOTALL,
)
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
_AFTER_REFERENCES = ("CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "GENERATED", "AS")


class Token(NamedTuple):
    text: str
    start: int
    end: int
    depth: int
    """How many brackets are open around it; a bracket belongs to the outside."""

    @property
    def word(self) -> str:
        return self.text.upper()

    @property
    def name(self) -> str:
        """The identifier that it spells."""
        if self.text[0] in "\"'`":
            return self.text[1:-1].replace(self.text[0] * 2, self.text[0])
        return self.text[1:-1] if self.text[0] == "[" else self.text


def tokens(sql: str) -> Iterator[Token]:
    """The words, quoted names, brackets and commas of a text; blanks and comments are left out."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        if match["blank"]:
            continue
        text = match.group()
        depth -= text == ")"
        yield Token(text, match.start(), match.end(), depth)
        depth += text == "("


@dataclass(frozen=True, slots=True)
class Definition:
    """One column or one table constraint."""

    text: str
    column: str | None
    """The column that it defines; None for a table constraint."""
    constrains: tuple[str, ...] = ()
    """The columns that a table constraint names (a CHECK names none here)."""
    foreign_key: bool = False
    """Whether it is a table constraint FOREIGN KEY."""

    @classmethod
    def parse(cls, text: str) -> "Definition":
        words = list(tokens(text))
        if words[0].text[0] in "\"'`[" or words[0].word not in _CONSTRAINTS:
            return cls(text, words[0].name)
        if words[0].word == "CONSTRAINT":
            words = words[2:]
        kind = words[0].word
        if kind == "CHECK":
            return cls(text, None)
        columns = words[1 : next(place for place, word in enumerate(words) if word.text == ")")]
        names = tuple(word.name for word in columns if word.depth == 1 and word.text != ",")
        return cls(text, None, names, kind == "FOREIGN")

    def without_references(self) -> "Definition":
        """A column without its REFERENCES clause."""
        words = [word for word in tokens(self.text) if word.depth == 0]
        place = next((place for place, word in enumerate(words) if word.word == "REFERENCES"), None)
        if place is None:
            return self
        named = place >= 2 and words[place - 2].word == "CONSTRAINT"
        start = words[place - 2 if named else place].start
        end = next(
            (words[after].start for after in range(place + 2, len(words)) if _ends(words, after)), len(self.text)
        )
        return Definition.parse(f"{self.text[:start].rstrip()} {self.text[end:]}".strip())


def _ends(words: Sequence[Token], place: int) -> bool:
    """Whether the REFERENCES clause is over before this word."""
    if words[place - 1].word == "SET" or (words[place].word == "NOT" and words[place + 1].word == "DEFERRABLE"):
        return False
    return words[place].word in _AFTER_REFERENCES


@dataclass(frozen=True, slots=True)
class TableText:
    """A CREATE TABLE statement without its first words."""

    definitions: tuple[Definition, ...]
    """Columns first, then table constraints."""
    options: str
    """What follows the closing bracket, such as `WITHOUT ROWID`."""

    @classmethod
    def parse(cls, sql: str) -> "TableText":
        """From the text of `sqlite_master.sql`."""
        definitions = []
        start = None
        for token in tokens(sql):
            if token.text == "(" and token.depth == 0:
                start = token.end
            elif start is not None and ((token.text == "," and token.depth == 1) or token.depth == 0):
                definitions.append(Definition.parse(sql[start : token.start].strip()))
                start = token.end
                if token.depth == 0:
                    return cls(tuple(definitions), sql[token.end :])
        raise ValueError("not the text of a table with columns")

    def __str__(self) -> str:
        # A line for each, since a definition may end with a comment.
        return "(\n" + "\n,".join(definition.text for definition in self.definitions) + f"\n){self.options}"

    def add_column(self, text: str) -> "TableText":
        place = sum(definition.column is not None for definition in self.definitions)
        definition = Definition.parse(text)
        return TableText((*self.definitions[:place], definition, *self.definitions[place:]), self.options)

    def replace_column(self, name: str, text: str) -> "TableText":
        return TableText(
            tuple(Definition.parse(text) if part.column == name else part for part in self.definitions), self.options
        )

    def drop_column(self, name: str) -> "TableText":
        """Without the column and without the table constraints that name no other column."""
        return TableText(
            tuple(part for part in self.definitions if part.column != name and part.constrains != (name,)), self.options
        )

    def add_constraint(self, text: str) -> "TableText":
        return TableText((*self.definitions, Definition.parse(text)), self.options)

    def drop_foreign_key(self, column: str) -> "TableText":
        return TableText(
            tuple(
                part.without_references() if part.column == column else part
                for part in self.definitions
                if not (part.foreign_key and part.constrains == (column,))
            ),
            self.options,
        )

    def drop_unique(self, column: str) -> "TableText":
        """Without UNIQUE table constraints of this column alone."""
        return TableText(
            tuple(part for part in self.definitions if part.foreign_key or part.constrains != (column,)), self.options
        )

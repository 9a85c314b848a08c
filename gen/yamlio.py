"""YAML in and out: a strict reader that remembers where everything stood, and a writer every YAML reader agrees on.

Knows nothing of what the documents mean. Text comes from `reading` and goes to `outputs`; no file is opened here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import yaml

from tollbook.gen.errors import FindingsError, Place, Problem
from tollbook.gen.scalars import RefusedScalarError, Scalar, is_plain_text, plain_value
from tollbook.gen.wording import quoted
from tollbook.gen.yamlsyntax import character_problem, syntax_problem

Path = tuple[str | int, ...]
"""The way from the top of a document to a value: keys, and positions in lists counted from zero."""

_DEEPEST = 50


@dataclass(frozen=True)
class Document:
    """Plain dicts, lists, text, exact numbers, booleans and None; mapping keys are always text."""

    file: str
    data: Any
    keys: Mapping[Path, Place]
    values: Mapping[Path, Place]

    def value_place(self, path: Path) -> Place:
        """Where the value stands, or the nearest value around it that is in the file."""
        while path not in self.values:
            path = path[:-1]
        return self.values[path]

    def key_place(self, path: Path) -> Place:
        """Where the value's key stands; list entries have none and stand where they begin."""
        return self.keys.get(path) or self.value_place(path)


def read(text: str, file: str) -> Document:
    """Raises FindingsError with everything that is not one plain, unambiguous YAML document."""
    text = text.removeprefix("\ufeff")
    character = character_problem(text, file)
    if character:
        raise FindingsError([character])
    try:
        return _Reader(text, file).document()
    except yaml.MarkedYAMLError as error:
        raise FindingsError([syntax_problem(error, text, file)]) from error


@dataclass
class _Reader:
    """One pass over the parser's events, which come one by one: hostile depth or size is refused as it appears."""

    text: str
    file: str
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events: Iterator[Any] = yaml.parse(self.text, Loader=yaml.CSafeLoader)

    def document(self) -> Document:
        empty = Problem("the file is empty", Place(self.file), hint="begin with 'version: 1'")
        next(self.events)
        if not isinstance(next(self.events), yaml.DocumentStartEvent):
            raise FindingsError([empty])
        data = self._value(next(self.events), ())
        if data is None and not self.problems:
            raise FindingsError([empty])
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "a second document begins here", "keep one document in the file")
        if self.problems:
            raise FindingsError(self.problems)
        return Document(self.file, data, self.keys, self.values)

    def _value(self, event: Any, path: Path) -> Any:
        self.values[path] = self._place(event)
        if len(path) > _DEEPEST:
            message = f"nested deeper than {_DEEPEST} levels"
            raise FindingsError([Problem(message, self.values[path], hint="remove some brackets or indentation")])
        self._refuse_markup(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path)
        return self._scalar(event)

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event)
            if key is None or key in mapping:
                if key is not None:
                    self._refuse(event, f"the key {quoted(key)} is given twice", f"also at {self.keys[*path, key]}")
                self._skip(next(self.events))
                continue
            self.keys[*path, key] = self._place(event)
            mapping[key] = self._value(next(self.events), (*path, key))
        return mapping

    def _list(self, path: Path) -> list[Any]:
        entries: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            entries.append(self._value(event, (*path, len(entries))))
        return entries

    def _key(self, event: Any) -> str | None:
        """The key's text as written (`80` and `"80"` are one key), or None where it is refused."""
        self._refuse_markup(event)
        if isinstance(event, yaml.AliasEvent):
            return None
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, "a key must be text, not a mapping or a list", "put the key in quotes")
            self._skip(event)
            return None
        text: str = event.value
        if event.implicit[0] and text == "<<":
            self._refuse(event, "merge keys ('<<') are not supported", "write the keys out")
            return None
        value = self._scalar(event)
        if value is None or isinstance(value, bool):
            self._refuse(event, f"the key {quoted(text)} is not text", "put the key in quotes")
        return text

    def _scalar(self, event: Any) -> Scalar:
        if isinstance(event, yaml.AliasEvent):
            return None
        text: str = event.value
        if not event.implicit[0]:
            return text
        try:
            return plain_value(text)
        except RefusedScalarError as error:
            self._refuse(event, error.message, error.hint)
            return text

    def _skip(self, event: Any) -> None:
        """Past a value nobody wants, however deep."""
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth <= 0:
                return
            event = next(self.events)

    def _refuse_markup(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"the alias {quoted(f'*{event.anchor}')} is not supported", "write the value out")
            return
        if event.anchor:
            anchor = quoted("&" + event.anchor)
            self._refuse(event, f"the anchor {anchor} is not supported", "write the value out where it is used")
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(event, f"the tag {quoted(tag)} is not supported", "remove it, and put text in quotes")

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        self.problems.append(Problem(message, self._place(event), hint=hint))

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), _style(text))


def _style(text: str) -> str | None:
    if is_plain_text(text):
        return None
    if _is_block_text(text):
        return "|"
    # PromQL is full of double quotes, which single quotes need not escape.
    return "'" if text.isprintable() and ('"' in text or "\\" in text) else '"'


def _is_block_text(text: str) -> bool:
    """Whether a `|` block holds exactly this: no line ends in a space, and the text in at most one line end."""
    lines = text.removesuffix("\n").split("\n")
    if "\n" not in text or not lines[0] or not lines[-1] or lines[0][0] in " \t":
        return False
    return all(map(_is_block_line, lines))


def _is_block_line(line: str) -> bool:
    # libyaml escapes what lies beyond the Basic Multilingual Plane, and a block has no escapes.
    return line == line.rstrip() and line.replace("\t", " ").isprintable() and max(line, default="") <= "\uffff"


def _write_decimal(dumper: _Dumper, number: Decimal) -> yaml.ScalarNode:
    if not number.is_finite():
        raise ValueError(f"{number} is not a number YAML readers agree on")
    digits = f"{number:f}"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in digits else 'int'}", digits)


def _refuse_type(dumper: _Dumper, value: object) -> yaml.ScalarNode:  # noqa: ARG001
    raise TypeError(f"{value!r} is neither text, exact number, boolean, None, mapping nor list")


_Dumper.add_multi_representer(str, _write_text)
_Dumper.add_representer(str, _write_text)
_Dumper.add_representer(Decimal, _write_decimal)
_Dumper.add_representer(MappingProxyType, _Dumper.represent_dict)
for _type in (float, bytes, set, date, datetime):
    _Dumper.add_representer(_type, _refuse_type)


def dump(data: Any) -> str:
    """One document in block style, keys in the order given; text is quoted where a reader might mistake it."""
    return _dump([data], explicit_start=False)


def dump_all(documents: Iterable[Any]) -> str:
    """Several documents, each after a line of `---`."""
    return _dump(documents, explicit_start=True)


def _dump(documents: Iterable[Any], explicit_start: bool) -> str:
    written: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=10**9,
        explicit_start=explicit_start,
    )
    return written

"""Holds a document against the spec's JSON Schema and says each finding in our own words, one sentence per keyword.

Patterns carry their sentence in the schema itself (`patternErrorMessage`), where editors show it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from tollbook.gen.durations import Duration
from tollbook.gen.errors import Problem
from tollbook.gen.reading import packaged_schema
from tollbook.gen.scalars import RefusedScalarError, plain_value
from tollbook.gen.spec import Period
from tollbook.gen.subjects import named, sentence_about
from tollbook.gen.wording import did_you_mean, listed, nearest, quoted

if TYPE_CHECKING:
    from tollbook.gen.yamlio import Document, Path

_LONGEST = Duration.parse("100y")


def shape_findings(document: Document) -> list[tuple[Path, Problem]]:
    """Each problem with the way to the value that it makes unusable; an empty way where nothing is."""
    violations = map(_violation, _validator().iter_errors(document.data))
    return [finding for violation in violations for finding in _findings(violation, document)]


# ---- The validator -----------------------------------------------------------------------------------


@cache
def _validator() -> Any:
    keywords = {"pattern": _match_whole_text, "required": _require_each}
    validator: Any = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return validator(packaged_schema("spec"), format_checker=_formats())


def _match_whole_text(validator: Any, pattern: str, text: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ARG001
    # jsonschema searches with Python's `$`, which also matches before a last line end.
    if isinstance(text, str) and not re.fullmatch(pattern, text):
        yield ValidationError("not a match")


def _require_each(validator: Any, required: list[str], mapping: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ARG001
    # The message is the missing key: jsonschema's own names it only within a sentence.
    if isinstance(mapping, dict):
        yield from (ValidationError(key) for key in required if key not in mapping)


def _formats() -> FormatChecker:
    formats = FormatChecker(formats=())
    formats.checks("date", raises=ValueError)(lambda text: not isinstance(text, str) or bool(date.fromisoformat(text)))
    formats.checks("prometheus-duration", raises=ValueError)(_is_duration)
    formats.checks("prometheus-hold", raises=ValueError)(_is_hold)
    formats.checks("period", raises=ValueError)(lambda text: text in tuple(Period) or _is_duration(text))
    return formats


def _is_duration(text: Any) -> bool:
    return not isinstance(text, str) or Duration(0) < Duration.parse(text) <= _LONGEST


def _is_hold(text: Any) -> bool:
    return not isinstance(text, str) or Duration.parse(text) <= _LONGEST


@dataclass(frozen=True)
class _Violation:
    keyword: str
    limit: Any
    """What the schema says beside the keyword."""
    value: Any
    schema: Any
    path: Path
    is_about_key: bool
    message: str


def _violation(error: ValidationError) -> _Violation:
    is_about_key = "propertyNames" in error.absolute_schema_path
    path: Any = tuple(error.absolute_path)
    return _Violation(
        str(error.validator), error.validator_value, error.instance, error.schema, path, is_about_key, error.message
    )


# ---- One sentence per keyword: what follows the name of the value, and a hint --------------------------


def _pattern(violation: _Violation) -> tuple[str, str]:
    sentence = violation.schema["patternErrorMessage"]
    if not violation.is_about_key:
        sentence += f", not {quoted(violation.value)}"
    return sentence, did_you_mean(violation.value, violation.schema.get("examples", ()))


def _type(violation: _Violation) -> tuple[str, str]:
    value = violation.value
    if isinstance(violation.limit, list):
        return f"{violation.schema['patternErrorMessage']}, not {_described(value)}", ""
    if violation.limit != "string" or not isinstance(value, int | Decimal):
        hint = "remove the quotes" if violation.limit in _types_without_quotes(value) else ""
        return f"must be {_TYPES[violation.limit]}, not {_described(value)}", hint
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if re.fullmatch(violation.schema["pattern"], text):
        return f"must be text, not {_described(value)}", f'put it in quotes: "{text}"'
    return f"{violation.schema['patternErrorMessage']}, not {_described(value)}", ""


def _types_without_quotes(value: Any) -> tuple[str, ...]:
    """The schema's words for what a text would be if its quotes were removed."""
    try:
        plain = plain_value(value) if isinstance(value, str) else None
    except RefusedScalarError:
        return ()
    if isinstance(plain, bool):
        return ("boolean",)
    return {int: ("number", "integer"), Decimal: ("number",)}.get(type(plain), ())


def _enum(violation: _Violation) -> tuple[str, str]:
    value, sentence = violation.value, f"must be {listed(violation.limit)}"
    if isinstance(value, str):
        return f"{sentence}, not {quoted(value)}", did_you_mean(value, violation.limit)
    return f"{sentence}, not {_described(value)}", ""


def _const(violation: _Violation) -> tuple[str, str]:
    return f"must be {violation.limit}, not {_described(violation.value)}", ""


def _range(relation: str) -> Callable[[_Violation], tuple[str, str]]:
    return lambda violation: (f"must be {relation} {violation.limit}, not {violation.value}", "")


def _max_length(violation: _Violation) -> tuple[str, str]:
    counted = f"is {len(violation.value)} characters long, and at most {violation.limit} are allowed"
    return violation.schema.get("maxLengthErrorMessage", counted), ""


def _max_items(violation: _Violation) -> tuple[str, str]:
    return f"must hold at most {violation.limit} entries, not {len(violation.value)}", ""


_SENTENCES: dict[str, Callable[[_Violation], tuple[str, str]]] = {
    "pattern": _pattern,
    "format": _pattern,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _range("at least"),
    "maximum": _range("at most"),
    "exclusiveMinimum": _range("more than"),
    "exclusiveMaximum": _range("less than"),
    "maxLength": _max_length,
    "minItems": lambda _: ("must hold at least one entry", ""),
    "minProperties": lambda _: ("must hold at least one key", ""),
    "maxItems": _max_items,
}
_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
}


def _described(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return f"the number {value}"
        case str():
            return f"the text {quoted(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping of keys"


# ---- From violations to findings -----------------------------------------------------------------------


def _findings(violation: _Violation, document: Document) -> Iterator[tuple[Path, Problem]]:
    path = violation.path
    if violation.keyword == "required":
        yield from _missing(violation, document)
    elif violation.keyword == "anyOf":
        yield from _missing_any(violation, document)
    elif violation.keyword == "additionalProperties":
        yield from _unknown(violation, document)
    elif violation.value is None:
        message = named(document, path, "has no value")
        yield path, Problem(message, document.key_place(path), hint="write one, or leave it out")
    else:
        what, hint = _SENTENCES[violation.keyword](violation)
        message, place = named(document, path, what), document.value_place(path)
        if violation.is_about_key:
            message = sentence_about(document, path, f"the key {quoted(violation.value)} {what}")
            place = document.key_place((*path, violation.value))
        yield path, Problem(message, place, hint=hint)


def _missing(violation: _Violation, document: Document) -> Iterator[tuple[Path, Problem]]:
    """A key whose near miss is reported as unknown is not reported as missing, too."""
    path, key = violation.path, violation.message
    if key not in _meant(violation):
        message = sentence_about(document, path, f"the key {quoted(key)} is missing")
        yield (*path, key), Problem(message, document.value_place(path))


def _missing_any(violation: _Violation, document: Document) -> Iterator[tuple[Path, Problem]]:
    """In the schema `anyOf` says nothing but that one of some keys is required."""
    path, keys = violation.path, [key for required in violation.limit for key in required["required"]]
    if isinstance(violation.value, dict) and not _meant(violation) & set(keys):
        message = sentence_about(document, path, f"one of the keys {listed(map(quoted, keys))} is required")
        yield path, Problem(message, document.value_place(path))


def _meant(violation: _Violation) -> set[str | None]:
    """The known keys that unknown ones are near."""
    return {nearest(unknown, _known(violation)) for unknown in _unknown_keys(violation)}


def _unknown(violation: _Violation, document: Document) -> Iterator[tuple[Path, Problem]]:
    """A key that is near none of the known ones was not meant to be one of them: without it the rest is complete."""
    path, known = violation.path, _known(violation)
    for key in _unknown_keys(violation):
        meant = nearest(key, known)
        hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
        message = sentence_about(document, path, f"unknown key {quoted(key)}")
        yield (*path, meant) if meant else (), Problem(message, document.key_place((*path, key)), hint=hint)


def _unknown_keys(violation: _Violation) -> list[str]:
    return [key for key in violation.value if key not in _known(violation)]


def _known(violation: _Violation) -> tuple[str, ...]:
    return tuple(violation.schema["properties"])

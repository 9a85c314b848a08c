"""What a place in the spec is called in a finding: `model 'gpt-4o'`, by its id before its position."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from tollbook.gen.wording import quoted

if TYPE_CHECKING:
    from tollbook.gen.yamlio import Document, Path

_NOUNS = {"gateways": "gateway", "models": "model", "attribution": "attribution label", "budgets": "budget"}
_ID_KEYS = {"attribution": "label"}
_SECTIONS = ("prometheus", "limits", "alerts", "dashboard", "labels")


def sentence_about(document: Document, path: Path, sentence: str) -> str:
    """`model 'x': sentence`; at the top of the spec the sentence alone."""
    name, _ = _subject(document, path)
    return f"{name}: {sentence}" if name else sentence


def named(document: Document, path: Path, what: str) -> str:
    """`model 'x': 'aliases' must be ...`: what is said is said of the value at the end of the path."""
    name, subject_path = _subject(document, path)
    rest = path[len(subject_path) :]
    if not rest:
        return f"{name or 'the spec'} {what}"
    last = rest[-1]
    value = f"entry {last + 1} of {_dotted(rest[:-1])}" if isinstance(last, int) else _dotted(rest)
    return sentence_about(document, path, f"{value} {what}")


def _dotted(steps: Path) -> str:
    """The keys since the last list: `'input'`, `'alert_at.80'`."""
    keys = takewhile(lambda step: isinstance(step, str), reversed(steps))
    return quoted(".".join(map(str, reversed(list(keys)))))


def _subject(document: Document, path: Path) -> tuple[str, Path]:
    """The nearest thing with a name of its own around the path, and the way to it."""
    match path:
        case ("gateways", int(), "backends", int(), *_):
            backend = _entry_name("backend", _value(document, path[:4]), "name", path[3])
            return f"{backend} of {_subject(document, path[:2])[0]}", path[:4]
        case ("alerts", "rules", str(alert), *_):
            return f"alert {quoted(alert)}", path[:3]
        case (str(section), int(index), *_) if section in _NOUNS:
            entry, key = _value(document, path[:2]), _ID_KEYS.get(section, "name")
            return _entry_name(_NOUNS[section], entry, key, index), path[:2]
        case (str(section), *_) if section in _SECTIONS:
            return section, path[:1]
    return "", ()


def _entry_name(noun: str, entry: Any, key: str, index: str | int) -> str:
    """By its id, or by its position from one where it states none."""
    name = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(name, str):
        selected = entry.get("class") if isinstance(entry, dict) and noun == "gateway" else None
        return f"gateways of class {quoted(selected)}" if isinstance(selected, str) else f"{noun} {int(index) + 1}"
    namespace = entry.get("namespace")
    return f"{noun} {quoted(f'{namespace}/{name}' if isinstance(namespace, str) else name)}"


def _value(document: Document, path: Path) -> Any:
    value = document.data
    for step in path:
        value = value[step]
    return value

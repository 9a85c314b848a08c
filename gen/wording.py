"""How findings speak of what a user wrote: quoted on one line, and with the nearest word that is known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN_CHARACTERS = 60
_CUTOFF = 0.75


def quoted(text: str) -> str:
    """In single quotes, one printable line, clipped: a finding stays one line whatever the file holds."""
    printable = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[: _SHOWN_CHARACTERS + 1])
    return f"'{printable}'" if len(printable) <= _SHOWN_CHARACTERS else f"'{printable[:_SHOWN_CHARACTERS]}...'"


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *head, last = words
    return f"{', '.join(head)} or {last}" if head else last


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: str, vocabulary: Iterable[str]) -> str | None:
    """The one known word that is close enough to be what was meant; capitals do not count."""
    if len(word) > _SHOWN_CHARACTERS:
        return None
    known = {entry.lower(): entry for entry in vocabulary}
    matches = difflib.get_close_matches(word.lower(), known, n=1, cutoff=_CUTOFF)
    return known[matches[0]] if matches else None


def did_you_mean(word: str, vocabulary: Iterable[str]) -> str:
    """A hint, or nothing where no known word is near."""
    match = nearest(word, vocabulary)
    return f"did you mean {quoted(match)}?" if match else ""

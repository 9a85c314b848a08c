"""A mapping of the spec with its place in the file: what the checks of meaning report through."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tollbook.gen.errors import Place, Problem, Severity
from tollbook.gen.subjects import sentence_about

if TYPE_CHECKING:
    from tollbook.gen.yamlio import Document, Path

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Section:
    document: Document
    path: Path
    data: Mapping[str, Any]

    def place(self, *steps: str | int) -> Place:
        """Of the value at the end of these steps, or of the nearest value around it that is in the file."""
        return self.document.value_place((*self.path, *steps))

    def place_of_first(self, *keys: str) -> Place:
        """Of the first of these keys that is in the file: the others are defaults."""
        return self.place(*[key for key in keys if key in self.data][:1])

    def stated(self, *steps: str) -> Any:
        """What the file says there, and an empty mapping where it says nothing: defaults are `resolve`'s."""
        stated: Any = self.data
        for step in steps:
            stated = stated[step] if step in stated else {}
        return stated

    def key_place(self, *steps: str | int) -> Place:
        return self.document.key_place((*self.path, *steps))

    def error(self, sentence: str, place: Place, hint: str = "") -> Problem:
        return Problem(sentence_about(self.document, self.path, sentence), place, hint=hint)

    def warning(self, sentence: str, place: Place, hint: str = "") -> Problem:
        return Problem(sentence_about(self.document, self.path, sentence), place, Severity.WARNING, hint)


def repeats(keys: Iterable[tuple[Key, Place]]) -> Iterator[tuple[Key, Place, Place]]:
    """Each key that came before, where it stands, and where it stood first."""
    first: dict[Key, Place] = {}
    for key, place in keys:
        if key in first:
            yield key, place, first[key]
        first.setdefault(key, place)


def also_at(place: Place) -> str:
    return f"also at {place}"

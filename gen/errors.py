"""Problems as values and the exceptions that carry them; every other module reports through here and never prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tollbook.gen.wording import counted


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Place:
    """Where in a file, both numbers counted from one, as editors do."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One finding: `place: severity: message (hint)`."""

    message: str
    place: Place | None = None
    severity: Severity = Severity.ERROR
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.severity}: {self.message}{hint}"


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sorted by position, problems of no place first; equal ones once."""
    return sorted(set(problems), key=lambda p: (p.place or Place("", 0, 0), p.severity, p.message, p.hint))


def tally(problems: Collection[Problem]) -> str:
    """`2 problems (1 error, 1 warning) in spec.yaml`; nothing where none has a place."""
    files = {problem.place.file for problem in problems if problem.place}
    if not files:
        return ""
    severities = Counter(problem.severity for problem in problems)
    counts = ", ".join(counted(severities[severity], severity) for severity in Severity if severities[severity])
    where = files.pop() if len(files) == 1 else f"{len(files)} files"
    return f"{counted(len(problems), 'problem')} ({counts}) in {where}"


class TollbookError(Exception):
    """Base of what the command line reports without a traceback."""

    exit_code = 1

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        found = [Problem(problems)] if isinstance(problems, str) else list(problems)
        self.problems = in_order(found)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FindingsError(TollbookError):
    """The input was read and judged, and it is not good: an invalid spec, drift, a failing test."""

    exit_code = 1


class InputError(TollbookError):
    """The input could not be read at all, or the command was used wrongly."""

    exit_code = 2


class MissingToolError(TollbookError):
    """A program that the command needs is not on this machine."""

    exit_code = 3

"""Durations as Prometheus writes them (`90s`, `1h30m`), kept as whole milliseconds and printed one way."""

from __future__ import annotations

import re
from dataclasses import dataclass

MILLISECONDS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}

# Weeks and years are read but never written: 7d and 365d say the same and compare at a glance.
_PRINTED_UNITS = ("d", "h", "m", "s", "ms")
_PATTERN = re.compile("".join(rf"(?:(?P<{unit}>\d+){unit})?" for unit in MILLISECONDS), re.ASCII)


@dataclass(frozen=True, order=True)
class Duration:
    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Raises ValueError where the text is not a Prometheus duration: units from large to small, each once."""
        match = _PATTERN.fullmatch(text)
        if not text or match is None:
            raise ValueError(f"not a duration: {text!r}")
        return cls(sum(int(match[unit] or 0) * size for unit, size in MILLISECONDS.items()))

    @property
    def seconds(self) -> int:
        return self.milliseconds // 1000

    def __str__(self) -> str:
        """The shortest Prometheus text, from days down: `1h30m`, `31d`; whole days stay days up to any length."""
        if self.milliseconds < 0:
            return f"-{-self}"
        rest, text = self.milliseconds, ""
        for unit in _PRINTED_UNITS:
            count, rest = divmod(rest, MILLISECONDS[unit])
            text += f"{count}{unit}" if count else ""
        return text or "0s"

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.milliseconds + other.milliseconds)

    def __sub__(self, other: Duration) -> Duration:
        return Duration(self.milliseconds - other.milliseconds)

    def __mul__(self, times: int) -> Duration:
        return Duration(self.milliseconds * times)

    def __neg__(self) -> Duration:
        return Duration(-self.milliseconds)


@dataclass(frozen=True)
class Placeholder:
    """A duration that whoever sends the query fills in, such as Grafana's `$__range`."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __neg__(self) -> Placeholder:
        return Placeholder(f"-{self.text}")

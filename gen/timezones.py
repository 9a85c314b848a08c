"""Time zones from the pinned `tzdata` package alone, so that two machines never disagree about when a day begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
#: Changes of clocks are known up to here.
HORIZON = datetime(2038, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@cache
def names() -> frozenset[str]:
    """Every name the package knows, links such as `Asia/Calcutta` included."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@cache
def zone(name: str) -> ZoneInfo:
    """Raises KeyError where the name is not one of `names()`."""
    if name not in names():
        raise KeyError(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def utc_offset_changes(name: str) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The offset in seconds east of UTC as 2024 begins, and each later change until 2038: (unix seconds, new offset).

    The zone is asked at the beginning of every day, and a day in which the answer changed is halved down to the second:
    in these years no zone changes twice within a day (the tests compare with zdump).
    """
    changes: list[tuple[int, int]] = []
    day, offset = _FIRST, _offset(name, _FIRST)
    while day < HORIZON:
        next_offset = _offset(name, day + _DAY)
        if next_offset != offset:
            changes.append((_change(name, day, day + _DAY), next_offset))
        day, offset = day + _DAY, next_offset
    return _offset(name, _FIRST), tuple(changes)


def _change(name: str, before: datetime, after: datetime) -> int:
    """The first second of the new offset, in unix time."""
    old = _offset(name, before)
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        before, after = (middle, after) if _offset(name, middle) == old else (before, middle)
    return int(after.timestamp())


def _offset(name: str, moment: datetime) -> int:
    offset = moment.astimezone(zone(name)).utcoffset() or timedelta(0)
    return offset // _SECOND

"""PromQL of moments: what a clock on the wall shows, and what is asked for the last point of a graph alone."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from tollbook.gen.durations import Duration
from tollbook.gen.promql import Expr, Selector, Window, binary, call, number

_AT_END = "@ end()"


def wall_clock(base_offset_seconds: int, changes: Iterable[tuple[int, int]], early: Duration | None = None) -> Expr:
    """Seconds since 1970 on a zone's wall clock. PromQL knows no zones, so each change of the offset from UTC
    (unix seconds, new offset in seconds) is written out as a dated step."""
    text, offset = "time()", 0
    if early:
        text += f" - {number(Decimal(early.milliseconds) / 1000)}"
    for instant, new_offset in ((None, base_offset_seconds), *changes):
        shift, offset = new_offset - offset, new_offset
        if shift:
            since = "" if instant is None else f" * (time() > bool {instant})"
            text += f" {'+' if shift > 0 else '-'} {abs(shift)}{since}"
    return Expr(f"vector({text})")


def at_end(operation: str, selector: Selector, window: Window, offset: Window | None = None) -> Expr:
    """As over_time, of the graph's last point, whichever is drawn: Prometheus works it out once."""
    ranged = f"{selector.range(window)} {_AT_END}"
    return call(f"{operation}_over_time", f"{ranged} offset {offset}" if offset else ranged)


def is_end() -> Expr:
    """Something at the graph's last point, nothing at any other."""
    now = call("vector", call("time"))
    end = call("max_over_time", f"{now}[1s:1s] {_AT_END}")
    return binary(now, "==", end)

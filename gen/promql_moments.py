"""PromQL of one moment among many: what is asked for the last point of a graph alone."""

from __future__ import annotations

from tollbook.gen.promql import Expr, Selector, Window, binary, call

_AT_END = "@ end()"


def at_end(operation: str, selector: Selector, window: Window, offset: Window | None = None) -> Expr:
    """As over_time, of the graph's last point, whichever is drawn: Prometheus works it out once."""
    ranged = f"{selector.range(window)} {_AT_END}"
    return call(f"{operation}_over_time", f"{ranged} offset {offset}" if offset else ranged)


def is_end() -> Expr:
    """Something at the graph's last point, nothing at any other."""
    now = call("vector", call("time"))
    end = call("max_over_time", f"{now}[1s:1s] {_AT_END}")
    return binary(now, "==", end)

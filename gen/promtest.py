"""The shapes of a promtool unit-test file: input series and expected samples, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tollbook.gen.durations import Duration
from tollbook.gen.promql import Expr, binary, call, number, quote, scalar
from tollbook.gen.promql_layout import layout

#: promtool compares floats bit by bit, so dollars are compared as whole billionths of a dollar.
PER_DOLLAR = 10**9


@dataclass(frozen=True)
class Case:
    name: str
    step: Duration
    """The time between two input samples."""
    series: tuple[dict[str, str], ...] = ()
    samples: tuple[dict[str, Any], ...] = ()

    def data(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "interval": str(self.step),
            "input_series": list(self.series),
            **({"promql_expr_test": list(self.samples)} if self.samples else {}),
        }


@dataclass(frozen=True)
class CaseFile:
    name: str
    what: str
    """What its header says of it."""
    interval: Duration
    """promtool evaluates all rules when its clock starts and then this often."""
    cases: tuple[Case, ...]


def input_series(metric: str, labels: Mapping[str, str], values: str) -> dict[str, str]:
    return {"series": f"{metric}{label_text(labels)}", "values": values}


def label_text(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{label}={quote(value)}" for label, value in labels.items()) + "}"


def absent(steps: int) -> str:
    """No sample for this many steps. Raises ValueError where that is less than none."""
    if steps < 0:
        raise ValueError(f"{steps} steps")
    return f"_x{steps}" if steps else ""


def constant(value: int, steps: int) -> str:
    """This value at this many instants."""
    return f"{value}+0x{steps - 1}"


def values(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def expect(expr: Expr, at: Duration, samples: Iterable[tuple[Mapping[str, str], Decimal | int]]) -> dict[str, Any]:
    expected = [{"labels": label_text(labels), "value": _plain(value)} for labels, value in samples]
    return {"expr": layout(expr), "eval_time": str(at), "exp_samples": expected}


def billionths(dollars: Expr) -> Expr:
    return call("round", binary(dollars, "*", scalar(PER_DOLLAR)))


def in_billionths(usd: Decimal) -> int:
    """Raises ValueError where that is no whole number: the traffic of a test is chosen so that it is one."""
    scaled = usd * PER_DOLLAR
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{usd} USD is no whole number of billionths")
    return int(scaled)


def _plain(value: Decimal | int) -> int | Decimal:
    return int(value) if value == int(value) else Decimal(number(Decimal(value)))

"""Tests of what budgets look back on: how long each window is, to the entry, and that nothing spent is zero.

The entries are put in as the ledger would have recorded them, and all rules are evaluated once at their end: the length
of a window shows in what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.pacing import LOOK_BACK, windows
from tollbook.gen.promql import one_of, series
from tollbook.gen.promtest import Case, absent, constant, expect, input_series, values
from tollbook.gen.spec import Budget, Period, Spec

#: Windows of hours and days are told by entries so far apart, those of minutes by the last hours' entries of each step.
_EVERY, _LATELY = Duration.parse("20m"), Duration.parse("3h")

#: Of a day that is not today, so that nothing else follows from it.
_DATED = dict.fromkeys((names.DAY, names.WEEK, names.MONTH), "-1")


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    if not spec.budgets:
        return
    step = spec.prometheus.step
    yield _spent(spec, "a month of what budgets count", end, _EVERY, end.milliseconds // _EVERY.milliseconds)
    yield _spent(spec, "hours of what budgets count", end, step, _LATELY.milliseconds // step.milliseconds + 1)
    nothing = [_recorded(record, end, dict.fromkeys(own, 0)) for record, own in _records(spec).items()]
    yield Case("nothing that budgets count", step, samples=tuple(nothing))
    if any(isinstance(budget.period, Period) for budget in spec.budgets):
        yield _known(spec, end)


def _records(spec: Spec) -> dict[str, dict[str, Duration]]:
    """Record -> budget -> how far it looks back."""
    found: dict[str, dict[str, Duration]] = {}
    for budget in spec.budgets:
        for window in windows(budget):
            found.setdefault(names.budget_increase(window), {})[budget.name] = window
        if isinstance(budget.period, Duration):
            found.setdefault(names.BUDGET_SPENT, {})[budget.name] = budget.period
    return found


def _spent(spec: Spec, title: str, end: Duration, every: Duration, entries: int) -> Case:
    """Each cell of the ledger spends an amount of its own at every entry."""
    cells = list(enumerate(traffic.cells(spec, (names.OUTPUT,)), start=1))
    step, before = spec.prometheus.step, absent(end.milliseconds // every.milliseconds + 1 - entries)
    series_in, by_gateway = [], dict[tuple[tuple[str, str], ...], int]()
    for usd, cell in cells:
        labels = {**traffic.without_type(cell), **_DATED}
        series_in.append(input_series(names.cost_of_day(step), labels, values(before, constant(usd, entries))))
        kept = {label: value for label, value in cell.labels if label in spec.prometheus.keep_labels}
        owner = tuple({names.GATEWAY: cell.gateway, **kept}.items())
        by_gateway[owner] = by_gateway.get(owner, 0) + usd
    for owner, usd in by_gateway.items():
        series_in.append(input_series(names.gateway_cost(step), dict(owner), values(before, constant(usd, entries))))

    def counted(budget: Budget) -> int:
        return sum(usd for usd, cell in cells if traffic.is_counted(budget, cell))

    budgets = {budget.name: budget for budget in spec.budgets}
    samples = []
    for record, own in _records(spec).items():
        held = {name: min(-(-window.milliseconds // every.milliseconds), entries) for name, window in own.items()}
        usd_of = {name: counted(budgets[name]) * count for name, count in held.items()}
        samples.append(_recorded(record, end, usd_of))
    return Case(title, every, tuple(series_in), tuple(samples))


def _recorded(record: str, at: Duration, usd: Mapping[str, int]) -> dict[str, Any]:
    own = [({"__name__": record, names.BUDGET: budget}, figure) for budget, figure in usd.items()]
    return expect(series(record, one_of(names.BUDGET, usd)).now(), at, own)


def _known(spec: Spec, end: Duration) -> Case:
    """One gateway's ledger, longer than any window, beside one that has just begun, in its other cluster or of another
    gateway."""
    entries, kept = end.milliseconds // _EVERY.milliseconds, traffic.kept_labels(spec)
    first, *others = [gateway.id for gateway in spec.gateways]
    record = names.gateway_cost(spec.prometheus.step)
    series_in = [input_series(record, {names.GATEWAY: first, **kept}, values(absent(1), constant(0, entries)))]
    series_in += [input_series(record, {names.GATEWAY: of, **kept}, values(absent(entries), "0")) for of in others]
    if kept:
        elsewhere = {label: f"other-{value}" for label, value in kept.items()}
        series_in.append(input_series(record, {names.GATEWAY: first, **elsewhere}, values(absent(entries), "0")))
    seconds, samples = spec.prometheus.step.milliseconds // 1000, []
    for window in dict.fromkeys(LOOK_BACK[b.period] for b in spec.budgets if isinstance(b.period, Period)):
        held = window.milliseconds // _EVERY.milliseconds
        known = {first: held * seconds, **dict.fromkeys(others, seconds)}
        name = {"__name__": names.ledger_seconds(window)}
        own = [({**name, names.GATEWAY: gateway}, of) for gateway, of in known.items()]
        samples.append(expect(series(names.ledger_seconds(window)).now(), end, own))
    return Case("how much of a window is known", _EVERY, tuple(series_in), tuple(samples))

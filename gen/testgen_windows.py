"""Tests of everything that looks back: how long each window is, to the entry.

The entries are put in as the ledger would have recorded them, a whole month of them, and all rules are evaluated once
at its end: the length of a window shows in what it holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tollbook.gen import names, testgen_histories, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Cell
from tollbook.gen.promql import series
from tollbook.gen.promtest import Case, CaseFile, absent, constant, expect, input_series, values
from tollbook.gen.spec import Spec

#: Longer than every window but that of a month to date, which testgen_calendar tries.
_END = Duration.parse("31d")

#: Longer than a pod is remembered: half a minute apart, the samples of a whole month take seconds to read.
_PAST = Duration.parse("2d")

#: promtool reads at most 10,000 samples of one window.
_EVERY = Duration.parse("20m")

_HOUR = Duration.parse("1h")
_RECENT = Duration.parse("5m")
_WINDOWS = (
    (names.COST_HOURLY, _HOUR),
    (names.COST_DAILY, Duration.parse("24h")),
    (names.COST_WEEKLY, Duration.parse("7d")),
    (names.COST_MONTHLY, Duration.parse("30d")),
)
_TOKENS = {names.INPUT: 1, names.OUTPUT: 10, names.CACHE_READ: 100, names.CACHE_WRITE: 1000}

_Labels = tuple[tuple[str, str], ...]


def files(spec: Spec) -> Iterator[CaseFile]:
    cases = (_dollars(spec), _tokens(spec), _idle(spec))
    yield CaseFile(names.rules_test_file("windows"), "How far back the rules look", _END, cases)
    end = Duration(spec.prometheus.gap.milliseconds + _PAST.milliseconds)
    pasts = tuple(testgen_histories.cases(spec, end))
    if pasts:
        yield CaseFile(names.rules_test_file("pasts"), "What the past of a counter means for its bill", end, pasts)


def _held(window: Duration, every: Duration) -> int:
    """How many entries lie in the window that ends with the file: one on its far edge is out."""
    last = _END.milliseconds // every.milliseconds
    return last - max(_END.milliseconds - window.milliseconds, 0) // every.milliseconds


def _dollars(spec: Spec) -> Case:
    """Every cell spends an amount of its own at each entry."""
    cells = traffic.cells(spec, (names.OUTPUT,))
    step, entries = spec.prometheus.step, _END.milliseconds // _EVERY.milliseconds
    day = {names.DAY: "0", names.WEEK: "0", names.MONTH: "1"}
    series_in = []
    for usd, cell in enumerate(cells, start=1):
        series_in.append(input_series(names.cost(step), traffic.labels_of(cell), _all_along(usd, entries)))
        dated = {**traffic.without_type(cell), **day}
        series_in.append(input_series(names.cost_of_day(step), dated, _all_along(usd, entries - 1)))
    by_gateway = _by_gateway(spec, cells)
    for labels, usd in by_gateway.items():
        series_in.append(input_series(names.gateway_cost(step), dict(labels), _all_along(usd, entries - 1)))
    samples = [
        _vector(names.COST_BY_GATEWAY, [(dict(of), usd * _held(_HOUR, _EVERY)) for of, usd in by_gateway.items()]),
        *(_vector(record, _fleet(by_gateway, _held(window, _EVERY))) for record, window in _WINDOWS),
    ]
    return Case("dollars in sliding windows", _EVERY, tuple(series_in), tuple(samples))


def _tokens(spec: Spec) -> Case:
    """Another number of each type, at each step of the last minutes."""
    step, series_in = spec.prometheus.step, []
    spent: dict[str, dict[_Labels, int]] = {names.INPUT: defaultdict(int), names.OUTPUT: defaultdict(int)}
    for number, cell in enumerate(traffic.cells(spec, names.TOKEN_TYPES), start=1):
        tokens = number * _TOKENS[cell.token_type]
        series_in.append(input_series(names.tokens(step), traffic.labels_of(cell), _lately(step, tokens, _RECENT)))
        side = names.OUTPUT if cell.token_type == names.OUTPUT else names.INPUT
        spent[side][_gateway_labels(spec, cell)] += tokens * _held(_RECENT, step)
    samples = [
        _vector(names.INPUT_TOKENS_BY_GATEWAY, [(dict(of), tokens) for of, tokens in spent[names.INPUT].items()]),
        _vector(names.OUTPUT_TOKENS_BY_GATEWAY, [(dict(of), tokens) for of, tokens in spent[names.OUTPUT].items()]),
        _vector(names.INPUT_TOKENS_TOTAL, _fleet(spent[names.INPUT], 1)),
        _vector(names.OUTPUT_TOKENS_TOTAL, _fleet(spent[names.OUTPUT], 1)),
    ]
    return Case("tokens in the last minutes", step, tuple(series_in), tuple(samples))


def _idle(spec: Spec) -> Case:
    """The first gateway is known, and nothing is used: that is zero. Of the others, whose targets are not known,
    nothing is known."""
    first = spec.gateways[0]
    idle = [({**traffic.kept_labels(spec), names.GATEWAY: first.id}, 0)]
    known = traffic.known(spec, first, steps=_END.milliseconds // _EVERY.milliseconds)
    series_in = (traffic.up(spec, first, scraped=_last(_EVERY, 1)), *known)
    records = names.gateway_cost(spec.prometheus.step), names.INPUT_TOKENS_BY_GATEWAY, names.OUTPUT_TOKENS_BY_GATEWAY
    samples = [_vector(record, idle) for record in records]
    if spec.budgets:
        idle_budgets = [
            (traffic.budget_labels(budget, override), 0)
            for budget in spec.budgets
            for override in ([each.value for each in budget.overrides] if budget.per else [""])
        ]
        samples.append(_vector(names.BUDGET_SPENT, idle_budgets))
    return Case("nothing is used", _EVERY, series_in, tuple(samples))


def _all_along(value: int, entries: int) -> str:
    return values(absent(1), constant(value, entries))


def _last(step: Duration, value: int) -> str:
    """One entry at the end."""
    return values(absent(_END.milliseconds // step.milliseconds), str(value))


def _lately(step: Duration, value: int, window: Duration) -> str:
    """Entries at the end for twice as long as the window is."""
    last, entries = (time.milliseconds // step.milliseconds for time in (_END, window + window))
    return values(absent(last - entries), constant(value, entries + 1))


def _gateway_labels(spec: Spec, cell: Cell) -> _Labels:
    kept = {label: value for label, value in cell.labels if label in spec.prometheus.keep_labels}
    return tuple({names.GATEWAY: cell.gateway, **kept}.items())


def _by_gateway(spec: Spec, cells: Sequence[Cell]) -> dict[_Labels, int]:
    found: dict[_Labels, int] = defaultdict(int)
    for usd, cell in enumerate(cells, start=1):
        found[_gateway_labels(spec, cell)] += usd
    return found


def _fleet(by_gateway: Mapping[_Labels, int], entries: int) -> list[tuple[dict[str, str], int]]:
    found: dict[_Labels, int] = defaultdict(int)
    for labels, figure in by_gateway.items():
        found[tuple(label for label in labels if label[0] != names.GATEWAY)] += figure * entries
    return [(dict(labels), figure) for labels, figure in found.items()]


def _vector(record: str, samples: Sequence[tuple[Mapping[str, str], int]]) -> dict[str, Any]:
    return expect(series(record).now(), _END, [({"__name__": record, **labels}, figure) for labels, figure in samples])

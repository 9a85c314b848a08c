"""Tests of what the spec says of budgets: the dollars of each, and those at which each of its alerts is raised."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.promql import number, series, sum_by
from tollbook.gen.promtest import PER_DOLLAR, Case, billionths, expect
from tollbook.gen.spec import Budget, Spec, Threshold

#: Facts are recorded at the first evaluation, and what is made of them at the second, whatever the order of groups.
_AT = 2


def cases(spec: Spec) -> Iterator[Case]:
    if not spec.budgets:
        return
    told = (names.BUDGET, *spec.budgets_per)
    limits = [(labels, amount) for labels, amount, _ in _stated(spec)]
    thresholds = [
        ({**labels, names.THRESHOLD: number(at.percent), names.SEVERITY: at.severity}, amount * at.percent / 100)
        for labels, amount, alerts in _stated(spec)
        for at in alerts
    ]
    samples = (
        _dollars(spec, names.BUDGET_LIMIT, told, limits),
        _dollars(spec, names.BUDGET_THRESHOLD, (*told, names.THRESHOLD, names.SEVERITY), thresholds),
    )
    yield Case("the dollars of budgets, and those at which alerts are raised", spec.prometheus.step, (), samples)


def _stated(spec: Spec) -> Iterator[tuple[dict[str, str], Decimal, tuple[Threshold, ...]]]:
    """Of budgets for each value of a label, those whose value the spec names."""
    for budget in spec.budgets:
        if not budget.per:
            yield {names.BUDGET: budget.name}, budget.amount, budget.thresholds
        for override in budget.overrides:
            yield _of(budget, override.value), override.amount, override.thresholds


def _of(budget: Budget, value: str) -> dict[str, str]:
    return {names.BUDGET: budget.name, budget.per: value}


def _dollars(spec: Spec, record: str, by: tuple[str, ...], expected: list[tuple[dict[str, str], Decimal]]) -> Any:
    usd = [(labels, _in_billionths(amount)) for labels, amount in expected]
    return expect(billionths(sum_by(by, series(record).now())), traffic.instant(spec, _AT), usd)


def _in_billionths(usd: Decimal) -> Decimal:
    return (usd * PER_DOLLAR).quantize(Decimal(1), ROUND_HALF_UP)

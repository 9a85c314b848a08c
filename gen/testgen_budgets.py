"""Tests of every threshold of every budget: silent just below, firing just over, with the exact text and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tollbook.gen import names, traffic
from tollbook.gen.annotations import literal
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.oracle import MILLION, Request
from tollbook.gen.promtest import Case, Firing, absent, constant, expect_alerts, values
from tollbook.gen.spec import Budget, Model, Spec, Threshold
from tollbook.gen.spending import FLOAT_NOISE, HAIR_USD, Spending, ends_in_half_a_cent
from tollbook.gen.traffic import BORN

#: The longest step is three minutes, so that these take less than half an hour.
_MOST_AT_ONCE = 8


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    for budget in spec.budgets:
        model = model_for(spec, budget)
        if model is not None:
            yield from _budget(spec, alerts, budget, model)


def model_for(spec: Spec, budget: Budget) -> Model | None:
    """A model whose spend the budget counts; none where all of them are free."""
    for model in traffic.priced_models(spec):
        wanted = budget.match.get(names.PROVIDER, model.provider), budget.match.get(names.MODEL, model.name)
        if wanted == (model.provider, model.name) and model.prices[0].rates.output:
            return model
    return None


def request_for(spec: Spec, budget: Budget, model: Model) -> Request:
    """One that the budget counts, of no tokens yet."""
    gateway = traffic.gateway_of(spec, budget)
    labels = {**traffic.spend_labels(spec), **{k: v for k, v in budget.match.items() if k in spec.spend_labels}}
    return Request(gateway, model.provider, model.name, model.name, labels=labels)


def usd_per_token(model: Model) -> Decimal:
    return model.prices[0].rates.output / MILLION


def around(boundary: Decimal) -> tuple[int, int]:
    """Tokens just below it and just over: one off, and more where amounts are so large that floats do not tell tokens
    apart."""
    margin = 1 + boundary * FLOAT_NOISE
    below = int((boundary - margin).to_integral_value(ROUND_FLOOR))
    return max(below, 0), int((boundary + margin).to_integral_value(ROUND_CEILING))


def stride(tokens: int, token_usd: Decimal) -> int:
    """The fewest tokens that floats tell apart by more than what counts as unclear."""
    return 1 + int(max(tokens * FLOAT_NOISE, HAIR_USD / token_usd)) * 2


def _budget(spec: Spec, alerts: Sequence[Alert], budget: Budget, model: Model) -> Iterator[Case]:
    """One counter climbs to just below each threshold and then over it, a step an amount."""
    amounts = _amounts(spec, budget, usd_per_token(model))
    at_once = _amounts_at_once(spec)
    parts = [amounts[start : start + at_once] for start in range(0, len(amounts), at_once)]
    for number, part in enumerate(parts, start=1):
        title = f"budget {budget.name}: silent just below each threshold, firing just over it"
        title = title if len(parts) == 1 else f"{title} (part {number})"
        yield _climb(spec, alerts, request_for(spec, budget, model), part, title)


def _climb(spec: Spec, alerts: Sequence[Alert], request: Request, amounts: Sequence[int], title: str) -> Case:
    watched = traffic.up(spec, request.gateway, scraped=constant(1, BORN + len(amounts)))
    seen = values(absent(BORN), *map(str, amounts))
    expected = []
    for step, tokens in enumerate(amounts, start=BORN):
        at = traffic.instant(spec, traffic.counted(spec, step))
        expected.append(expect_alerts(names.ALERT_BUDGET, at, _reached(spec, alerts, replace(request, output=tokens))))
    series_in = (watched, traffic.counter(spec, request, names.OUTPUT, seen))
    return Case(title, spec.prometheus.step, series_in, alerts=tuple(expected))


def _amounts_at_once(spec: Spec) -> int:
    """How many amounts one test may try: the first must still be in every window when the last is counted, and no zone
    has a midnight within the half hour in which promtool's time begins."""
    windows = (budget.period for budget in spec.budgets if isinstance(budget.period, Duration))
    steps = (window.milliseconds // spec.prometheus.step.milliseconds for window in windows)
    return min([_MOST_AT_ONCE, *steps])


def _amounts(spec: Spec, budget: Budget, token_usd: Decimal) -> list[int]:
    """Tokens, rising: for each threshold a number that stays below it and one that is over."""
    amounts = set()
    for threshold in budget.thresholds:
        below, over = around(_boundary(budget, threshold) / token_usd)
        amounts |= {_clear(spec, below, token_usd, -1), _clear(spec, over, token_usd, 1)}
    return sorted(amounts)


def _clear(spec: Spec, tokens: int, token_usd: Decimal, direction: int) -> int:
    """The nearest amount in this direction of which floats tell the same as decimals: it does not lie on any budget's
    threshold, nor on half a cent, which its text would round up or down."""
    far_enough = stride(tokens, token_usd)
    while tokens and _is_unclear(spec, tokens * token_usd):
        tokens = max(tokens + direction * far_enough, 0)
    return tokens


def _is_unclear(spec: Spec, usd: Decimal) -> bool:
    boundaries = (_boundary(budget, threshold) for budget in spec.budgets for threshold in budget.thresholds)
    return ends_in_half_a_cent(usd) or any(abs(usd - limit) <= limit * FLOAT_NOISE for limit in boundaries)


def _boundary(budget: Budget, threshold: Threshold) -> Decimal:
    return budget.usd * threshold.percent / 100


def _reached(spec: Spec, alerts: Sequence[Alert], request: Request) -> list[Firing]:
    """Every alert of every budget that this spend sets off, the budget under test and the others alike."""
    spending, now = Spending.of(spec, [(BORN, request)]), traffic.counted(spec)
    firing: list[Firing] = []
    for budget in spec.budgets:
        spent = spending.to_date(budget, now)
        for threshold in budget.thresholds:
            if spent >= _boundary(budget, threshold):
                rule = budget_rule(alerts, names.ALERT_BUDGET, budget, {names.THRESHOLD: f"{threshold.percent:f}"})
                firing.append((rule, {names.BUDGET: budget.name}, spent, spending.spenders(budget, now)))
    return firing


def budget_rule(alerts: Iterable[Alert], alertname: str, budget: Budget, labels: dict[str, str]) -> Alert:
    wanted = {names.BUDGET: literal(budget.name), **labels}.items()
    return next(rule for rule in alerts if rule.alert == alertname and wanted <= rule.labels.items())

"""Tests of every alert: silent just before, firing at the boundary, with the exact text and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tollbook.gen import names, oracle, traffic
from tollbook.gen.annotations import literal
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.oracle import MILLION, Request
from tollbook.gen.promtest import Case, absent, constant, expect_alerts, values
from tollbook.gen.spec import Budget, Model, Spec, Threshold
from tollbook.gen.traffic import BORN, TOKENS

#: Relative: sums of floats stand for decimals to some fifteen digits.
_FLOAT_NOISE = Decimal("1e-9")
_HAIR_USD = Decimal("1e-6")

#: The longest step is three minutes, so that these take less than half an hour.
_MOST_AT_ONCE = 8


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    yield _unpriced(spec, alerts)
    yield _not_scraped(spec, alerts)
    for budget in spec.budgets:
        model = _model_for(spec, budget)
        if model is not None:
            yield from _budget(spec, alerts, budget, model)


def _unpriced(spec: Spec, alerts: Sequence[Alert]) -> Case:
    gateway, provider = spec.gateways[0], spec.models[0].provider
    unknown = traffic.UNLISTED_MODEL
    request = Request(gateway, provider, unknown, unknown, output=TOKENS, labels=traffic.spend_labels(spec))
    labels = {
        names.GATEWAY: gateway.id,
        names.PROVIDER: provider,
        names.REQUEST_MODEL: unknown,
        names.RESPONSE_MODEL: unknown,
        **traffic.kept_labels(spec),
    }
    (rule,) = _rules(alerts, names.ALERT_UNPRICED)
    return Case(
        "tokens without a price are told by name",
        spec.prometheus.step,
        (traffic.up(spec, gateway), *traffic.counters(spec, [request])),
        alerts=(
            expect_alerts(rule.alert, traffic.instant(spec, BORN), []),
            expect_alerts(rule.alert, traffic.instant(spec, traffic.counted(spec)), [(rule, labels, Decimal(TOKENS))]),
        ),
    )


def _not_scraped(spec: Spec, alerts: Sequence[Alert]) -> Case:
    """Every pod ends, those of every other job a step later, so that no gateway is taken for its neighbour. The alert
    waits; then it tells each gateway by name."""
    rules = _rules(alerts, names.ALERT_GATEWAY_ABSENT)
    jobs = list(dict.fromkeys(gateway.job for gateway in spec.gateways))
    ends = [2 + jobs.index(gateway.job) % 2 for gateway in spec.gateways]
    waits = traffic.steps_in(spec, rules[0].hold)
    expected = [expect_alerts(rules[0].alert, traffic.instant(spec, min(ends) + waits - 1), [])]
    for now in sorted(set(ends)):
        lost = [rule for rule, end in zip(rules, ends, strict=True) if end <= now]
        at = traffic.instant(spec, now + waits)
        expected.append(expect_alerts(rules[0].alert, at, [(rule, {}, Decimal(1)) for rule in lost]))
    pods = zip(spec.gateways, ends, strict=True)
    return Case(
        "gateways that are no longer scraped",
        spec.prometheus.step,
        tuple(traffic.up(spec, gateway, scraped=values(constant(1, end), "stale")) for gateway, end in pods),
        alerts=tuple(expected),
    )


def _model_for(spec: Spec, budget: Budget) -> Model | None:
    """A model whose spend the budget counts; none where all of them are free."""
    for model in traffic.priced_models(spec):
        wanted = budget.match.get(names.PROVIDER, model.provider), budget.match.get(names.MODEL, model.name)
        if wanted == (model.provider, model.name) and model.prices[0].rates.output:
            return model
    return None


def _budget(spec: Spec, alerts: Sequence[Alert], budget: Budget, model: Model) -> Iterator[Case]:
    """One counter climbs to just below each threshold and then over it, a step an amount."""
    amounts = _amounts(spec, budget, model.prices[0].rates.output / MILLION)
    at_once = _amounts_at_once(spec)
    parts = [amounts[start : start + at_once] for start in range(0, len(amounts), at_once)]
    for number, part in enumerate(parts, start=1):
        title = f"budget {budget.name}: silent just below each threshold, firing just over it"
        yield _climb(spec, alerts, budget, model, part, title if len(parts) == 1 else f"{title} (part {number})")


def _climb(
    spec: Spec, alerts: Sequence[Alert], budget: Budget, model: Model, amounts: Sequence[int], title: str
) -> Case:
    gateway = next(gw for gw in spec.gateways if gw.id == budget.match.get(names.GATEWAY, gw.id))
    labels = {**traffic.spend_labels(spec), **{k: v for k, v in budget.match.items() if k in spec.spend_labels}}
    spent = [
        Request(gateway, model.provider, model.name, model.name, output=tokens, labels=labels) for tokens in amounts
    ]
    watched = traffic.up(spec, gateway, scraped=constant(1, BORN + len(amounts)))
    seen = values(absent(BORN), *map(str, amounts))
    expected = []
    for step, request in enumerate(spent, start=BORN):
        at = traffic.instant(spec, traffic.counted(spec, step))
        expected.append(expect_alerts(names.ALERT_BUDGET, at, _reached(spec, alerts, request)))
    series_in = (watched, traffic.counter(spec, spent[0], names.OUTPUT, seen))
    return Case(title, spec.prometheus.step, series_in, alerts=tuple(expected))


def _amounts_at_once(spec: Spec) -> int:
    """How many amounts one test may try: the first must still be in every window when the last is counted, and no zone
    has a midnight within the half hour in which promtool's time begins."""
    windows = (budget.period for budget in spec.budgets if isinstance(budget.period, Duration))
    steps = (window.milliseconds // spec.prometheus.step.milliseconds for window in windows)
    return min([_MOST_AT_ONCE, *steps])


def _amounts(spec: Spec, budget: Budget, usd_per_token: Decimal) -> list[int]:
    """Tokens, rising: for each threshold a number that stays below it and one that is over."""
    amounts = set()
    for threshold in budget.thresholds:
        boundary = _boundary(budget, threshold) / usd_per_token
        # A token off, and more where amounts are so large that floats do not tell tokens apart.
        margin = 1 + boundary * _FLOAT_NOISE
        below = int((boundary - margin).to_integral_value(ROUND_FLOOR))
        over = int((boundary + margin).to_integral_value(ROUND_CEILING))
        amounts |= {_clear(spec, max(below, 0), usd_per_token, -1), _clear(spec, over, usd_per_token, 1)}
    return sorted(amounts)


def _clear(spec: Spec, tokens: int, usd_per_token: Decimal, direction: int) -> int:
    """The nearest amount in this direction of which floats tell the same as decimals: it does not lie on any budget's
    threshold, nor on half a cent, which its text would round up or down."""
    stride = 1 + int(max(tokens * _FLOAT_NOISE, _HAIR_USD / usd_per_token)) * 2
    while tokens and _is_unclear(spec, tokens * usd_per_token):
        tokens = max(tokens + direction * stride, 0)
    return tokens


def _is_unclear(spec: Spec, usd: Decimal) -> bool:
    boundaries = (_boundary(budget, threshold) for budget in spec.budgets for threshold in budget.thresholds)
    from_half_a_cent = abs(usd * 100 % 1 - Decimal("0.5")) / 100
    return from_half_a_cent < _HAIR_USD or any(abs(usd - limit) <= limit * _FLOAT_NOISE for limit in boundaries)


def _boundary(budget: Budget, threshold: Threshold) -> Decimal:
    return budget.usd * threshold.percent / 100


def _reached(spec: Spec, alerts: Sequence[Alert], spent: Request) -> list[tuple[Alert, dict[str, str], Decimal]]:
    """Every alert of every budget that this spend sets off, the budget under test and the others alike."""
    usd = oracle.dollars(spec, [spent])
    firing = []
    for budget in spec.budgets:
        amount = sum((dollars for cell, dollars in usd.items() if traffic.is_counted(budget, cell)), Decimal())
        for threshold in budget.thresholds:
            if amount >= _boundary(budget, threshold):
                rule = _budget_rule(alerts, budget, f"{threshold.percent:f}")
                firing.append((rule, {names.BUDGET: budget.name}, amount))
    return firing


def _budget_rule(alerts: Iterable[Alert], budget: Budget, percent: str) -> Alert:
    wanted = (literal(budget.name), percent)
    rules = _rules(alerts, names.ALERT_BUDGET)
    return next(rule for rule in rules if (rule.labels[names.BUDGET], rule.labels[names.THRESHOLD]) == wanted)


def _rules(alerts: Iterable[Alert], alertname: str) -> list[Alert]:
    return [rule for rule in alerts if rule.alert == alertname]

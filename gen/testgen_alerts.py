"""Tests of every alert: silent just before, firing at the boundary, with the exact text and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tollbook.gen import names, oracle, traffic
from tollbook.gen.model import Alert
from tollbook.gen.oracle import MILLION, Cell, Request
from tollbook.gen.promtest import Case, absent, constant, expect_alerts, values
from tollbook.gen.spec import Budget, Model, Spec
from tollbook.gen.traffic import BORN, TOKENS


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    yield _unpriced(spec, alerts)
    yield _not_scraped(spec, alerts)
    for budget in spec.budgets:
        model = _model_for(spec, budget)
        if model is not None:
            yield _budget(spec, alerts, budget, model)


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
    """Every gateway's only pod ends. The alert waits; then it tells each gateway by name."""
    rules = _rules(alerts, names.ALERT_GATEWAY_ABSENT)
    ends = 2
    waited = traffic.instant(spec, ends + traffic.steps_in(spec, rules[0].hold))
    return Case(
        "gateways that are no longer scraped",
        spec.prometheus.step,
        tuple(traffic.up(spec, gateway, scraped=values(constant(1, ends), "stale")) for gateway in spec.gateways),
        alerts=(
            expect_alerts(rules[0].alert, waited - spec.prometheus.step, []),
            expect_alerts(rules[0].alert, waited, [(rule, {}, Decimal(1)) for rule in rules]),
        ),
    )


def _model_for(spec: Spec, budget: Budget) -> Model | None:
    """A model whose spend the budget counts; none where all of them are free."""
    for model in traffic.priced_models(spec):
        wanted = budget.match.get(names.PROVIDER, model.provider), budget.match.get(names.MODEL, model.name)
        if wanted == (model.provider, model.name) and model.prices[0].rates.output:
            return model
    return None


def _budget(spec: Spec, alerts: Sequence[Alert], budget: Budget, model: Model) -> Case:
    """One counter climbs to just below each threshold and then over it."""
    gateway = next(gw for gw in spec.gateways if gw.id == budget.match.get(names.GATEWAY, gw.id))
    labels = {**traffic.spend_labels(spec), **{k: v for k, v in budget.match.items() if k in spec.spend_labels}}
    amounts = _amounts(budget, model.prices[0].rates.output)
    seen = values(absent(BORN), *map(str, amounts))
    request = Request(gateway, model.provider, model.name, model.name, labels=labels)
    watched = traffic.up(spec, gateway, scraped=constant(1, BORN + len(amounts)))
    expected = []
    for step, tokens in enumerate(amounts, start=BORN):
        spent = Request(gateway, model.provider, model.name, model.name, output=tokens, labels=labels)
        at = traffic.instant(spec, traffic.counted(spec, step))
        expected.append(expect_alerts(names.ALERT_BUDGET, at, _reached(spec, alerts, spent)))
    return Case(
        f"budget {budget.name}: silent just below each threshold, firing just over it",
        spec.prometheus.step,
        (watched, traffic.counter(spec, request, names.OUTPUT, seen)),
        alerts=tuple(expected),
    )


def _amounts(budget: Budget, usd_per_mtok: Decimal) -> list[int]:
    amounts = []
    for threshold in budget.thresholds:
        boundary = budget.usd * threshold.percent / 100 * MILLION / usd_per_mtok
        below = int(boundary.to_integral_value(ROUND_FLOOR)) - 1
        # One token over, because the sum of floats that stands for the boundary may lie a hair below it.
        amounts += [max(below, 0), int(boundary.to_integral_value(ROUND_CEILING)) + 1]
    return amounts


def _reached(spec: Spec, alerts: Sequence[Alert], spent: Request) -> list[tuple[Alert, dict[str, str], Decimal]]:
    """Every alert of every budget that this spend sets off, the budget under test and the others alike."""
    usd = oracle.dollars(spec, [spent])
    firing = []
    for budget in spec.budgets:
        amount = sum((dollars for cell, dollars in usd.items() if _counts(budget, cell)), Decimal())
        for threshold in budget.thresholds:
            if amount >= budget.usd * threshold.percent / 100:
                rule = _budget_rule(alerts, budget, f"{threshold.percent:f}")
                firing.append((rule, {names.BUDGET: budget.name}, amount))
    return firing


def _counts(budget: Budget, cell: Cell) -> bool:
    known = {names.GATEWAY: cell.gateway, names.PROVIDER: cell.provider, names.MODEL: cell.model, **dict(cell.labels)}
    return all(known[label] == value for label, value in budget.match.items())


def _budget_rule(alerts: Iterable[Alert], budget: Budget, percent: str) -> Alert:
    wanted = (budget.name, percent)
    rules = _rules(alerts, names.ALERT_BUDGET)
    return next(rule for rule in rules if (rule.labels[names.BUDGET], rule.labels[names.THRESHOLD]) == wanted)


def _rules(alerts: Iterable[Alert], alertname: str) -> list[Alert]:
    return [rule for rule in alerts if rule.alert == alertname]

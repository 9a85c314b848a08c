"""Tests of the alerts on what is not seen: silent just before, firing at the boundary, with exact texts and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from tollbook.gen import names, traffic
from tollbook.gen.model import Alert
from tollbook.gen.oracle import Request
from tollbook.gen.promtest import Case, constant, expect_alerts, values
from tollbook.gen.spec import Spec
from tollbook.gen.traffic import BORN, TOKENS


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    yield _unpriced(spec, alerts)
    yield _not_scraped(spec, alerts)


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


def _rules(alerts: Iterable[Alert], alertname: str) -> list[Alert]:
    return [rule for rule in alerts if rule.alert == alertname]

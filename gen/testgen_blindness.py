"""Tests of the alerts that say when the figures cannot be trusted: each silent just before, firing with its exact text.

Most alerts wait, and promtool evaluates all rules at every step: so they share one stretch of time, in which every
gateway has everything wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.oracle import Request
from tollbook.gen.promql import eq, series
from tollbook.gen.promtest import Case, absent, constant, expect, expect_alerts, input_series, values
from tollbook.gen.spec import Gateway, Spec
from tollbook.gen.traffic import BORN, TOKENS

#: More tokens than are taken for a mere trial.
_MANY = 100 * TOKENS

#: Requests: more than alerts need to judge by, and as many again at every step.
_ENOUGH = 20

#: The window in which requests without a metered token are counted.
_LATELY = Duration.parse("15m")

#: Alerts on each gateway that are told all at once.
_OF_GATEWAYS = (
    *(names.ALERT_TARGET_DOWN, names.ALERT_SCRAPED_TWICE, names.ALERT_SUMS_MISSING),
    *(names.ALERT_COUNTERS_FROZEN, names.ALERT_NO_USAGE, names.ALERT_CATALOG),
)
_OF_ITSELF = {
    names.ALERT_RULES_FAILING: names.RULE_FAILURES,
    names.ALERT_RULES_MISSED: names.RULE_GROUPS_MISSED,
}

_MISSING = "Missing"
_OTHER_JOB = "tollbook-test-job"
_RULE_GROUP = f"{names.RULES_FILE};{names.GROUP_PREFIX}.totals"


@dataclass(frozen=True)
class _Told:
    """What a rule tells: since which step its expression holds, of which series and with which value."""

    rule: Alert
    since: int
    labels: Mapping[str, str]
    value: int

    def fires(self, spec: Spec) -> int:
        return self.since + traffic.steps_in(spec, self.rule.hold)


def cases(spec: Spec, alerts: Sequence[Alert], names_gateways: bool) -> Iterator[Case]:
    yield _unpriced(spec, alerts)
    yield _withheld_price(spec, alerts)
    if names_gateways:
        yield _not_scraped(spec, alerts)
    yield _all_wrong(spec, alerts)


# ---- Prices ----------------------------------------------------------------------------------------------------------


def _unpriced(spec: Spec, alerts: Sequence[Alert]) -> Case:
    """All tokens of a gateway, so that the share is one, too."""
    gateway, provider = spec.gateways[0], spec.models[0].provider
    unknown = traffic.UNLISTED_MODEL
    request = Request(gateway, provider, unknown, unknown, output=_MANY, labels=traffic.spend_labels(spec))
    of_gateway = {names.GATEWAY: gateway.id, **traffic.kept_labels(spec)}
    of_model = {**of_gateway, names.PROVIDER: provider, names.REQUEST_MODEL: unknown, names.RESPONSE_MODEL: unknown}
    (by_name,), (by_share,) = (_rules(alerts, name) for name in (names.ALERT_UNPRICED, names.ALERT_UNPRICED_SHARE))
    return Case(
        "tokens without a price are told by name and by their share",
        spec.prometheus.step,
        (traffic.up(spec, gateway), *traffic.counters(spec, [request])),
        alerts=_expected(
            spec,
            [
                _Told(by_name, traffic.counted(spec), of_model, _MANY),
                _Told(by_share, traffic.counted(spec), of_gateway, 100),
            ],
        ),
    )


def _withheld_price(spec: Spec, alerts: Sequence[Alert]) -> Case:
    """The prices of one model end a few milliseconds after each time that they were recorded, but for the first."""
    (rule,) = _rules(alerts, names.ALERT_PRICES_STALE)
    model = spec.models[0]
    labels = {**traffic.card(spec, model), **traffic.stated_format(model)}
    seen = values(absent(1), *["stale"] * (1 + traffic.steps_in(spec, rule.hold) + 1))
    return Case(
        "prices that are not recorded",
        spec.prometheus.step + Duration(1),
        tuple(input_series(names.PRICE, {**labels, names.TOKEN_TYPE: each}, seen) for each in names.TOKEN_TYPES),
        alerts=_expected(spec, [_Told(rule, 2, {}, len(spec.models) - 1)]),
    )


# ---- Scrapes ---------------------------------------------------------------------------------------------------------


def _not_scraped(spec: Spec, alerts: Sequence[Alert]) -> Case:
    """Every pod fails, or those of every other gateway end a step later, so that no gateway is taken for its neighbour.
    The alert waits; then it tells each gateway by name, and nothing tells its pods besides. What fails uses nothing,
    and that is zero."""
    (rule,) = _rules(alerts, names.ALERT_GATEWAY_ABSENT)
    ends = [2 + number % 2 for number, _ in enumerate(spec.gateways)]
    waits, kept = traffic.steps_in(spec, rule.hold), traffic.kept_labels(spec)
    expected = [expect_alerts(rule.alert, traffic.instant(spec, min(ends) + waits - 1), [])]
    for now in sorted(set(ends)):
        lost = [gateway for gateway, end in zip(spec.gateways, ends, strict=True) if end <= now]
        firing = [(rule, {**kept, names.GATEWAY: of.id, names.JOB: of.job}, Decimal(1)) for of in lost]
        expected.append(expect_alerts(rule.alert, traffic.instant(spec, now + waits), firing))
    failing = constant(0, max(ends) + waits)
    pods = zip(spec.gateways, ends, strict=True)
    down = series("ALERTS", eq("alertname", names.ALERT_TARGET_DOWN)).now()
    return Case(
        "gateways that are no longer scraped",
        spec.prometheus.step,
        (
            *(series for gateway in spec.gateways for series in traffic.known(spec, gateway)),
            *(
                traffic.up(spec, gateway, scraped=values(constant(1, end), failing if end == min(ends) else "stale"))
                for gateway, end in pods
            ),
        ),
        (
            *(expect(down, traffic.instant(spec, step), ()) for step in (min(ends) - 1, min(ends))),
            *_idle(spec, traffic.instant(spec, min(ends))),
        ),
        tuple(expected),
    )


def _idle(spec: Spec, at: Duration) -> Iterator[dict[str, Any]]:
    kept = traffic.kept_labels(spec)
    for record in (
        names.gateway_cost(spec.prometheus.step),
        names.INPUT_TOKENS_BY_GATEWAY,
        names.OUTPUT_TOKENS_BY_GATEWAY,
    ):
        idle = [({"__name__": record, **kept, names.GATEWAY: gateway.id}, 0) for gateway in spec.gateways]
        yield expect(series(record).now(), at, idle)


# ---- Everything at once ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wrong:
    """One gateway with almost everything wrong: one of its pods cannot be reached, one is scraped twice and by others
    too. Its look-ups find no price, and its requests, which begin later because none may be seen for their sums to be
    missing, report nothing. That it is of another version takes an hour to be told, and is told elsewhere."""

    spec: Spec
    gateway: Gateway
    requests_begin: int
    end: int

    def series(self) -> Iterator[dict[str, str]]:
        for pod, scraped in (("pod", 1), ("other", 1), ("unreachable", 0)):
            yield input_series(names.UP, self._target(pod), constant(scraped, self.end + 1))
            yield from traffic.known(self.spec, self.gateway, pod)
        own = {names.TAG: f"v{self.gateway.version[0]}.{self.gateway.version[1]}.0"}
        for pod, labels in (
            ("pod", own),
            ("pod", {**own, "endpoint": "again"}),
            ("pod", {**own, names.JOB: _OTHER_JOB}),
            ("other", own),
        ):
            shown = values(absent(BORN), constant(1, self.end))
            yield input_series(names.BUILD_INFO, {**self._target(pod), **labels}, shown)
        for status in (_MISSING, names.NO_CATALOG):
            labels = {**self._request, names.STATUS: status}
            yield input_series(names.CATALOG_LOOKUPS, labels, values(absent(BORN), "0", constant(_ENOUGH, self.end)))
        growing = values(absent(self.requests_begin), f"0+{_ENOUGH}x{self.end}")
        yield input_series(names.LLM_REQUESTS, self._request, growing)

    def told(self, rule: Alert) -> _Told:
        begin = self.requests_begin + 1
        since, labels, value = {
            names.ALERT_TARGET_DOWN: (0, self._labels(self._target("unreachable"), names.POD, names.INSTANCE), 0),
            names.ALERT_SCRAPED_TWICE: (BORN, {names.JOB: _OTHER_JOB} if _is_info(rule) else {}, 1),
            names.ALERT_SUMS_MISSING: (BORN + 1, {}, 2 * _ENOUGH),
            names.ALERT_COUNTERS_FROZEN: (
                traffic.counted(self.spec, begin),
                {},
                _ENOUGH * traffic.steps_in(self.spec, _LATELY),
            ),
            names.ALERT_NO_USAGE: (
                begin,
                self._labels(self._request, names.PROVIDER, names.REQUEST_MODEL),
                _ENOUGH * (1 + traffic.steps_in(self.spec, rule.hold)),
            ),
            names.ALERT_CATALOG: (BORN + 1, {} if _is_info(rule) else self._unlisted, _ENOUGH),
        }[rule.alert]
        own = {names.GATEWAY: self.gateway.id, **traffic.kept_labels(self.spec)}
        return _Told(rule, since, {**own, **labels}, value)

    @property
    def _request(self) -> dict[str, str]:
        model = self.spec.models[0]
        return {
            **self._target("pod"),
            **traffic.spend_labels(self.spec),
            names.GATEWAY: self.gateway.id,
            names.PROVIDER: model.provider,
            names.REQUEST_MODEL: model.name,
            names.RESPONSE_MODEL: names.UNKNOWN,
        }

    @property
    def _unlisted(self) -> dict[str, str]:
        model = self._labels(self._request, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
        return {**model, names.STATUS: _MISSING}

    def _target(self, pod: str) -> dict[str, str]:
        where = {names.NAMESPACE: self.gateway.namespace, names.POD: f"{self.gateway.name}-{pod}"}
        return {**traffic.target(self.gateway, pod), **where, **traffic.kept_labels(self.spec)}

    def _labels(self, series: Mapping[str, str], *labels: str) -> dict[str, str]:
        return {label: series[label] for label in labels}


def _is_info(rule: Alert) -> bool:
    return rule.labels[names.SEVERITY] == "info"


def _all_wrong(spec: Spec, alerts: Sequence[Alert]) -> Case:
    waits = {rule.alert: traffic.steps_in(spec, rule.hold) for rule in alerts}
    begin = BORN + 1 + waits.get(names.ALERT_SUMS_MISSING, 0) + 1
    end = traffic.counted(spec, begin + 1) + waits[names.ALERT_COUNTERS_FROZEN]
    wrong = [_Wrong(spec, gateway, begin, end) for gateway in spec.gateways]
    told = [each.told(rule) for each in wrong for name in _OF_GATEWAYS for rule in _rules(alerts, name)]
    of_itself = {names.RULE_GROUP: _RULE_GROUP, **traffic.kept_labels(spec)}
    rising = values("0", absent(BORN), constant(3, end))
    told += [_Told(rule, BORN + 1, of_itself, 3) for name in _OF_ITSELF for rule in _rules(alerts, name)]
    return Case(
        "everything that makes figures untrue",
        spec.prometheus.step,
        (
            *(series for each in wrong for series in each.series()),
            *(input_series(metric, of_itself, rising) for metric in _OF_ITSELF.values()),
        ),
        alerts=_expected(spec, told),
    )


# ---- What is expected ------------------------------------------------------------------------------------------------


def _expected(spec: Spec, told: Sequence[_Told]) -> tuple[dict[str, Any], ...]:
    """Of every alert, at each step at which one of its rules begins to fire and at the one before: all that fire."""
    expected = []
    for name in dict.fromkeys(each.rule.alert for each in told):
        same = [each for each in told if each.rule.alert == name]
        for step in sorted({each.fires(spec) - before for each in same for before in (0, 1)}):
            firing = [(each.rule, each.labels, Decimal(each.value)) for each in same if each.fires(spec) <= step]
            expected.append(expect_alerts(name, traffic.instant(spec, step), firing))
    return tuple(expected)


def _rules(alerts: Iterable[Alert], alertname: str) -> list[Alert]:
    return [rule for rule in alerts if rule.alert == alertname]

"""Tests of the alerts on how much counters lately rose: by the text and at the threshold, to the one request.

What is too little at one moment is just enough at the next, and the alert has waited at the third. Every other gateway
is told first what the others are told second, so that none is taken for its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import looks_up_prices
from tollbook.gen.model import Alert
from tollbook.gen.promql import eq
from tollbook.gen.promtest import Case, expect, expect_alerts, input_series
from tollbook.gen.spec import Gateway, Spec
from tollbook.gen.testgen_growth import EACH, Counter, Past, instants, line, moment, once, pasts, simply, told

_HOUR, _LATELY = Duration.parse("1h"), Duration.parse("15m")

#: As many as the alerts want: look-ups and requests in a quarter of an hour, and of a model in an hour.
_ENOUGH, _ENOUGH_OF_MODEL = 5, 20

#: Of so many requests more than a tenth must be without usage.
_MANY, _METERED = 40, 36

_MISSING, _UNPRICED = "Missing", "Unpriced"
_OTHER_JOB = "tollbook-test-job"


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    gateways = traffic.one_of_each_version(spec)
    looking_up = [gateway for gateway in gateways if looks_up_prices(gateway)]
    yield _without_usage(spec, alerts, gateways)
    if looking_up:
        yield _sums_missing(spec, alerts, looking_up)
        yield _not_listed(spec, alerts, looking_up)
        yield _no_catalog(spec, alerts, looking_up)
    yield _failing(spec, alerts)


# ---- Requests without usage ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Used:
    """A model: what its counters of requests and of reported tokens went through, and how many requests are told."""

    model: str
    requests: tuple[Past, ...]
    output: tuple[Past, ...] = ()
    prompt: tuple[Past, ...] = ()
    told: int = 0


def _models() -> tuple[_Used, ...]:
    many, few, enough = simply(_MANY), _METERED - 1 - EACH, _METERED - EACH
    return (
        _Used("too-few", pasts(each=1, rest=_ENOUGH_OF_MODEL - 1 - EACH)),
        _Used("enough", pasts(each=1, rest=_ENOUGH_OF_MODEL - EACH), told=_ENOUGH_OF_MODEL),
        _Used("metered", many, output=pasts(each=1, rest=enough)),
        _Used("less-metered", many, output=pasts(each=1, rest=few), told=_MANY - _METERED + 1),
        _Used("embedded", many, prompt=pasts(each=1, rest=enough)),
        _Used("less-embedded", many, prompt=pasts(each=1, rest=few), told=_MANY - _METERED + 1),
        _Used("answered-in-part", many, output=simply(10), prompt=many, told=_MANY - 10),
    )


def _without_usage(spec: Spec, alerts: Sequence[Alert], gateways: Sequence[Gateway]) -> Case:
    (rule,) = _rules(alerts, names.ALERT_NO_USAGE)
    series_in: list[dict[str, str]] = []
    firing = []
    for gateway in gateways:
        for used in _models():
            labels = {names.PROVIDER: spec.models[0].provider, names.REQUEST_MODEL: used.model}
            series_in += _used(spec, gateway, labels, used)
            if used.told:
                firing.append((rule, {**_of(gateway), **labels, **traffic.kept_labels(spec)}, Decimal(used.told)))
        series_in += _namesakes(spec, gateway)
    return Case(
        "which requests count as lately served, and as metered",
        instants(_HOUR),
        tuple(series_in),
        alerts=(expect_alerts(names.ALERT_NO_USAGE, moment(2), firing),),
    )


def _namesakes(spec: Spec, gateway: Gateway) -> Iterator[dict[str, str]]:
    """Of models of one name only the others report output; all is metered of each."""
    labels = {names.PROVIDER: spec.models[0].provider, names.REQUEST_MODEL: "namesake"}
    others = [{names.PROVIDER: "tollbook-test-provider"}, {names.JOB: _OTHER_JOB}]
    if spec.prometheus.keep_labels:
        others.append({spec.prometheus.keep_labels[0]: "elsewhere"})
    many = simply(_MANY)
    yield from _used(spec, gateway, labels, _Used("namesake", many, prompt=many))
    for number, other in enumerate(others):
        yield from _used(spec, gateway, {**labels, **other}, _Used(f"namesake-{number}", many, output=many))


def _used(spec: Spec, gateway: Gateway, labels: Mapping[str, str], used: _Used) -> Iterator[dict[str, str]]:
    for kind, metric, of_kind, lives in (
        ("requests", names.LLM_REQUESTS, {}, used.requests),
        ("output", names.TOKEN_USAGE_COUNT, {names.TOKEN_TYPE: names.OUTPUT}, used.output),
        ("prompt", names.TOKEN_USAGE_COUNT, {names.TOKEN_TYPE: names.INPUT}, used.prompt),
    ):
        counter = Counter(spec, gateway, metric, _HOUR, {**labels, **of_kind})
        yield from counter.series(f"{used.model}-{kind}", lives, 1, 2)


# ---- Requests of a gateway -------------------------------------------------------------------------------------------


def _sums_missing(spec: Spec, alerts: Sequence[Alert], gateways: Sequence[Gateway]) -> Case:
    """At the third moment sums and requests were seen, but longer ago, or by another job; later the ones are in sight,
    then the others."""
    series_in: list[dict[str, str]] = []
    for number, gateway in enumerate(gateways):
        none, one = (2, 1) if number % 2 else (1, 2)
        lookups = Counter(spec, gateway, names.CATALOG_LOOKUPS, _LATELY, {names.STATUS: _MISSING})
        series_in += lookups.series("none", pasts(each=0, rest=0), none)
        series_in += lookups.series("one", pasts(each=0, rest=1), one)
        series_in += lookups.series("some", pasts(each=1, rest=0), 3, 4, 5)
        labels = {**traffic.target(gateway, "pod"), names.GATEWAY: gateway.id, **traffic.kept_labels(spec)}
        for metric, at in ((names.TOKEN_USAGE_SUM, 4), (names.LLM_REQUESTS, 5)):
            series_in += [
                input_series(metric, {**labels, names.PROVIDER: "past"}, once(_LATELY, 1, 16, 3)),
                input_series(metric, {**labels, names.PROVIDER: "late"}, once(_LATELY, 1, 8, at)),
                input_series(metric, {**labels, names.JOB: _OTHER_JOB}, once(_LATELY, 1, 0, 3)),
            ]
    alert = names.ALERT_SUMS_MISSING
    expected = [_told(alert, at, of) for at, of in (*_in_turn(gateways), (3, gateways), (4, ()), (5, ()))]
    return Case(
        "prices are looked up, and requests are counted or are not",
        instants(_LATELY),
        tuple(series_in),
        tuple(expected),
        (_firing_since_the_second(spec, alerts, alert, gateways, EACH),),
    )


# ---- Look-ups --------------------------------------------------------------------------------------------------------


def _not_listed(spec: Spec, alerts: Sequence[Alert], gateways: Sequence[Gateway]) -> Case:
    series_in: list[dict[str, str]] = []
    firing = []
    rule = next(rule for rule in _rules(alerts, names.ALERT_CATALOG) if not _of_pods(rule))
    too_few, enough = (pasts(each=1, rest=_ENOUGH - less - EACH) for less in (1, 0))
    for gateway in gateways:
        for status, lives in (
            (_MISSING, too_few),
            (_MISSING, enough),
            (_UNPRICED, enough),
            (names.EXACT, enough),
            (names.NO_CATALOG, enough),
        ):
            model = f"{status}-{lives is enough}"
            labels = {
                names.PROVIDER: spec.models[0].provider,
                names.REQUEST_MODEL: "asked-for",
                names.RESPONSE_MODEL: model,
                names.STATUS: status,
            }
            series_in += Counter(spec, gateway, names.CATALOG_LOOKUPS, _HOUR, labels).series(model, lives, 1)
            if lives is enough and status in (_MISSING, _UNPRICED):
                firing.append((rule, {**_of(gateway), **labels, **traffic.kept_labels(spec)}, Decimal(_ENOUGH)))
    return Case(
        "models that a catalog does not list",
        instants(_HOUR),
        tuple(series_in),
        alerts=(expect_alerts(names.ALERT_CATALOG, moment(1), firing),),
    )


def _no_catalog(spec: Spec, alerts: Sequence[Alert], gateways: Sequence[Gateway]) -> Case:
    """Too few look-ups without a catalog at one moment, too few with one at the next, then enough of both."""
    series_in: list[dict[str, str]] = []
    too_few, enough = (pasts(each=1, rest=_ENOUGH - less - EACH) for less in (1, 0))
    for number, gateway in enumerate(gateways):
        first, second = (2, 1) if number % 2 else (1, 2)
        for status, few in ((names.NO_CATALOG, first), (names.EXACT, second)):
            lookups = Counter(spec, gateway, names.CATALOG_LOOKUPS, _HOUR, {names.STATUS: status})
            series_in += lookups.series(f"{status}-few", too_few, few)
            series_in += lookups.series(f"{status}-enough", enough, *(at for at in (1, 2, 3, 4) if at != few))
    rule = next(rule for rule in _rules(alerts, names.ALERT_CATALOG) if _of_pods(rule))
    firing = [(rule, {**_of(gateway), **traffic.kept_labels(spec)}, Decimal(_ENOUGH)) for gateway in gateways]
    info = eq(names.STATUS, names.NO_CATALOG)
    expected = [
        expect(told(names.ALERT_CATALOG, [names.GATEWAY], info), moment(at), [(_of(gateway), 1) for gateway in of])
        for at, of in ((1, ()), (2, ()), (3, gateways))
    ]
    return Case(
        "some pods without a catalog",
        instants(_HOUR),
        tuple(series_in),
        tuple(expected),
        (expect_alerts(names.ALERT_CATALOG, moment(4), firing),),
    )


def _of_pods(rule: Alert) -> bool:
    return names.STATUS in rule.labels


# ---- Rules and prices ------------------------------------------------------------------------------------------------


def _failing(spec: Spec, alerts: Sequence[Alert]) -> Case:
    """Of two replicas the worse one is told; and as long as promtool has recorded nothing, no price is recorded."""
    own, other = (f"{names.RULES_FILE};{names.GROUP_PREFIX}.{group}" for group in ("totals", "usage"))
    groups = (
        (own, "a", ("0", "_", "5", "6", "8")),
        (own, "b", ("_", "_", "5", "5", "7")),
        (other, "a", ("_", "_", "5", "5", "6")),
        (f"{names.RULES_FILE};{names.GROUP_PREFIX}.budgets", "a", ("5", "5", "5", "5", "5")),
        (f"{names.RULES_FILE};others.{names.GROUP_PREFIX}", "a", ("0", "0", "0", "0", "9")),
    )
    series_in, expected = [], []
    for alert, metric in (
        (names.ALERT_RULES_FAILING, names.RULE_FAILURES),
        (names.ALERT_RULES_MISSED, names.RULE_GROUPS_MISSED),
    ):
        for group, replica, seen in groups:
            labels = {names.RULE_GROUP: group, names.INSTANCE: replica, **traffic.kept_labels(spec)}
            series_in.append(input_series(metric, labels, line(_LATELY, seen, 1)))
        (rule,) = [rule for rule in alerts if rule.alert == alert]
        risen = ((own, 3), (other, 1))
        firing = [(rule, {names.RULE_GROUP: of, **traffic.kept_labels(spec)}, Decimal(by)) for of, by in risen]
        expected.append(expect_alerts(alert, moment(1), firing))
    (rule,) = [rule for rule in alerts if rule.alert == names.ALERT_PRICES_STALE]
    expected.append(expect_alerts(rule.alert, moment(1), [(rule, {}, Decimal(0))]))
    return Case("rules that fail, and prices of long ago", instants(_LATELY), tuple(series_in), alerts=tuple(expected))


# ---- What is expected ------------------------------------------------------------------------------------------------


def _in_turn(gateways: Sequence[Gateway]) -> tuple[tuple[int, Sequence[Gateway]], ...]:
    """Who is told at the first moment, and who at the second."""
    return ((1, gateways[1::2]), (2, gateways[::2]))


def _told(alert: str, at: int, gateways: Sequence[Gateway]) -> dict[str, Any]:
    return expect(told(alert, [names.GATEWAY]), moment(at), [(_of(gateway), 1) for gateway in gateways])


def _firing_since_the_second(
    spec: Spec, alerts: Sequence[Alert], alert: str, gateways: Sequence[Gateway], value: int
) -> dict[str, Any]:
    """At the third moment: the others still wait."""
    (rule,) = _rules(alerts, alert)
    kept = traffic.kept_labels(spec)
    told_first = [(rule, {**_of(gateway), **kept}, Decimal(value)) for gateway in gateways[::2]]
    return expect_alerts(alert, moment(3), told_first)


def _of(gateway: Gateway) -> dict[str, str]:
    return {names.GATEWAY: gateway.id}


def _rules(alerts: Sequence[Alert], alertname: str) -> list[Alert]:
    return [rule for rule in alerts if rule.alert == alertname]

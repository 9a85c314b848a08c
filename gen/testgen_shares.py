"""Tests of the alerts on shares: of tokens without a price, and of dollars without a name. What is recorded of gateways
that are not in the spec is put in, one for each way to be at a threshold or a hair beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.promql import eq
from tollbook.gen.promtest import Case, absent, expect, input_series, values
from tollbook.gen.spec import Spec
from tollbook.gen.testgen_growth import PERIOD, instants, moment, told

_HOUR = Duration.parse("1h")
_TOLD, _SILENT = True, False

#: When something was used, in instants before the alert: now, early in its hour, and just before that begins.
_NOW, _EARLY, _BEFORE = 0, 11, 12


def cases(spec: Spec) -> Iterator[Case]:
    yield _unpriced(spec)
    if spec.attribution:
        yield _nameless(spec)


# ---- Tokens without a price ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Used:
    """Of a gateway: when how many tokens were used, each of a model of its own."""

    gateway: str
    is_told: bool
    unpriced: tuple[tuple[int, int], ...]
    used: tuple[tuple[int, int], ...]


#: Told are more than 5 percent of the tokens of the hour, if they are 10,000 at the least.
_USES = (
    _Used("at-the-share", _SILENT, ((_NOW, 10_000),), ((_NOW, 200_000),)),
    _Used("over-the-share", _TOLD, ((_NOW, 11_000),), ((_NOW, 200_000),)),
    _Used("just-enough", _TOLD, ((_NOW, 10_000),), ((_NOW, 10_000),)),
    _Used("too-few", _SILENT, ((_NOW, 9_999),), ((_NOW, 9_999),)),
    _Used("few-of-many", _SILENT, ((_NOW, 10_000),), ((_NOW, 1_000_000),)),
    _Used("two-unpriced", _TOLD, ((_NOW, 6_000), (_NOW, 6_000)), ((_NOW, 200_000),)),
    _Used("two-used", _SILENT, ((_NOW, 12_000),), ((_NOW, 150_000), (_NOW, 150_000))),
    _Used("unpriced-before", _SILENT, ((_BEFORE, 12_000), (_NOW, 10_000)), ((_NOW, 300_000),)),
    _Used("few-unpriced-before", _SILENT, ((_BEFORE, 6_000), (_NOW, 6_000)), ((_NOW, 100_000),)),
    _Used("used-before", _TOLD, ((_NOW, 12_000),), ((_BEFORE, 200_000), (_NOW, 200_000))),
)
#: The same of one model, step by step.
_STEPS = (
    _Used("unpriced-early-and-late", _TOLD, ((_EARLY, 6_000), (_NOW, 6_000)), ((_NOW, 200_000),)),
    _Used("used-early-and-late", _SILENT, ((_NOW, 12_000),), ((_EARLY, 150_000), (_NOW, 150_000))),
)


def _unpriced(spec: Spec) -> Case:
    unpriced, tokens = names.unpriced_tokens(spec.prometheus.step), names.tokens(spec.prometheus.step)
    series_in: list[dict[str, str]] = []
    for uses, is_one_model in ((_USES, False), (_STEPS, True)):
        for use in uses:
            labels = {names.GATEWAY: use.gateway, **traffic.kept_labels(spec)}
            for metric, used in ((unpriced, use.unpriced), (tokens, use.used)):
                series_in += _models(metric, labels, [used] if is_one_model else [(each,) for each in used])
    return Case(
        "shares of tokens without a price",
        instants(_HOUR),
        tuple(series_in),
        (_expected(spec, names.ALERT_UNPRICED_SHARE, "", [use.gateway for use in (*_USES, *_STEPS) if use.is_told]),),
    )


def _models(
    metric: str, labels: Mapping[str, str], models: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[dict[str, str]]:
    for number, used in enumerate(models):
        of_model = {**labels, names.PROVIDER: "any", names.REQUEST_MODEL: f"model-{number}"}
        yield input_series(metric, of_model, _in_time(used))


def _in_time(used: Sequence[tuple[int, int]]) -> str:
    """Each so many instants before the first moment, the earliest first."""
    end, text, shown = PERIOD.milliseconds // instants(_HOUR).milliseconds, "", 0
    for ago, tokens in used:
        text = values(text, absent(end - ago - shown), str(tokens))
        shown = end - ago + 1
    return text


# ---- Dollars without a name ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Spent:
    """Of a gateway in an hour: whose dollars, each of a model of its own; the empty name is a label that is not set."""

    gateway: str
    is_told: bool
    dollars: tuple[tuple[str, str], ...]


_SOMEBODY = "somebody"
#: Told is more than a tenth of the dollars, if it is more than a cent.
_SPENDING = (
    _Spent("at-a-tenth", _SILENT, ((names.UNKNOWN, "1"), (_SOMEBODY, "9"))),
    _Spent("nameless-in-two-ways", _TOLD, ((names.UNKNOWN, "6"), ("", "6"), (_SOMEBODY, "88"))),
    _Spent("two-with-names", _SILENT, ((names.UNKNOWN, "9"), (_SOMEBODY, "45"), (_SOMEBODY, "46"))),
    _Spent("a-cent", _SILENT, ((names.UNKNOWN, "0.01"),)),
    _Spent("over-a-cent-in-two-ways", _TOLD, ((names.UNKNOWN, "0.006"), ("", "0.006"))),
    _Spent("less-than-a-cent", _SILENT, ((names.UNKNOWN, "0.005"), (_SOMEBODY, "0.02"))),
)


def _nameless(spec: Spec) -> Case:
    """For each attribution label gateways of its own, whose dollars bear all other labels."""
    series_in, expected = [], []
    for entry in spec.attribution:
        for spent in _SPENDING:
            for number, (whose, usd) in enumerate(spent.dollars):
                labels = {
                    names.GATEWAY: f"{entry.label}-{spent.gateway}",
                    names.PROVIDER: f"provider-{number}",
                    **traffic.spend_labels(spec),
                    entry.label: whose,
                }
                shown = {label: value for label, value in labels.items() if value}
                series_in.append(input_series(names.COST_1H, shown, values(absent(1), usd)))
        told_of = [f"{entry.label}-{spent.gateway}" for spent in _SPENDING if spent.is_told]
        expected.append(_expected(spec, names.ALERT_UNATTRIBUTED, entry.label, told_of))
    return Case("shares of dollars without a name", PERIOD, tuple(series_in), tuple(expected))


def _expected(spec: Spec, alert: str, attribution: str, gateways: Sequence[str]) -> dict[str, Any]:
    by = (names.GATEWAY, *traffic.kept_labels(spec))
    alerts = told(alert, by, *((eq(names.ATTRIBUTION, attribution),) if attribution else ()))
    return expect(
        alerts, moment(1), [({names.GATEWAY: gateway, **traffic.kept_labels(spec)}, 1) for gateway in gateways]
    )

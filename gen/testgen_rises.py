"""Tests of which requests count as lately served, and which of them as metered: risen, begun anew, or seen to begin.

Each history ends with the one step that is evaluated. An alert waits longer, but tells at once that it is pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.promql import eq, series, sum_by
from tollbook.gen.promtest import Case, absent, constant, expect, input_series, values
from tollbook.gen.spec import Gateway, Spec

_HOUR = Duration.parse("1h")
_EVERY = Duration.parse("5m")
_TOLD, _SILENT = True, False


@dataclass(frozen=True)
class _Past:
    """Values an hour and a half ago, within the hour, and now; `_` where there is none."""

    name: str
    is_told: bool
    requests: tuple[str, str, str]
    output: tuple[str, str, str] = ("_", "_", "_")
    prompt: tuple[str, str, str] = ("_", "_", "_")
    is_known: bool = True
    """Whether its pod was scraped an hour ago."""


_PASTS = (
    _Past("risen", _TOLD, ("100", "110", "120")),
    _Past("hardly-risen", _SILENT, ("100", "110", "119")),
    _Past("begun-anew", _TOLD, ("100", "10", "20")),
    _Past("seen-to-begin", _TOLD, ("_", "10", "20")),
    _Past("found", _SILENT, ("_", "100", "100"), is_known=False),
    _Past("risen-since-found", _TOLD, ("_", "100", "120"), is_known=False),
    # Of forty requests more than four must be without usage.
    _Past("metered", _SILENT, ("0", "20", "40"), output=("0", "18", "36")),
    _Past("less-metered", _TOLD, ("0", "20", "40"), output=("0", "18", "35")),
    _Past("metered-anew", _SILENT, ("0", "20", "40"), output=("90", "18", "36")),
    _Past("metered-first", _SILENT, ("0", "20", "40"), output=("_", "18", "36")),
    _Past("metered-since-found", _SILENT, ("_", "100", "140"), output=("_", "100", "136"), is_known=False),
    _Past("less-metered-since-found", _TOLD, ("_", "100", "140"), output=("_", "100", "135"), is_known=False),
    _Past("embedded", _SILENT, ("0", "20", "40"), prompt=("0", "18", "36")),
    _Past("embedded-anew", _SILENT, ("0", "20", "40"), prompt=("90", "18", "36")),
    _Past("embedded-first", _SILENT, ("0", "20", "40"), prompt=("_", "18", "36")),
    _Past("less-embedded-since-found", _TOLD, ("_", "100", "140"), prompt=("_", "100", "135"), is_known=False),
    _Past("answered-in-part", _TOLD, ("0", "20", "40"), output=("0", "5", "10"), prompt=("0", "20", "40")),
)


def case(spec: Spec, alerts: Sequence[Alert], end: Duration) -> Case:
    by = (names.GATEWAY, names.REQUEST_MODEL)
    gateways = traffic.one_of_each_version(spec)
    told = [
        ({names.GATEWAY: rule.labels[names.GATEWAY], names.REQUEST_MODEL: past.name}, 1)
        for gateway in gateways
        for rule in alerts
        if rule.alert == names.ALERT_NO_USAGE and rule.labels[names.GATEWAY] == gateway.id
        for past in _PASTS
        if past.is_told
    ]
    pending = series("ALERTS", eq("alertname", names.ALERT_NO_USAGE), eq("alertstate", "pending"))
    series_in = [one for gateway in gateways for past in _PASTS for one in _series(spec, gateway, past, end)]
    return Case(
        "which requests count as lately served, and as metered",
        _EVERY,
        tuple(series_in),
        (expect(sum_by(by, pending.now()), end, told),),
    )


def _series(spec: Spec, gateway: Gateway, past: _Past, end: Duration) -> Iterator[dict[str, str]]:
    target = {**traffic.target(gateway, past.name), **traffic.kept_labels(spec)}
    labels = {
        **target,
        **traffic.spend_labels(spec),
        names.GATEWAY: gateway.id,
        names.PROVIDER: spec.models[0].provider,
        names.REQUEST_MODEL: past.name,
        names.RESPONSE_MODEL: past.name,
    }
    yield input_series(names.UP, target, _line(end, ("1" if past.is_known else "_", "1", "1")))
    yield input_series(names.LLM_REQUESTS, labels, _line(end, past.requests))
    for token_type, seen in ((names.OUTPUT, past.output), (names.INPUT, past.prompt)):
        if set(seen) != {"_"}:
            counted = {**labels, names.TOKEN_TYPE: token_type}
            yield input_series(names.TOKEN_USAGE_COUNT, counted, _line(end, seen))


def _line(end: Duration, seen: tuple[str, str, str]) -> str:
    """Five minutes apart: half an hour until an hour ago, then to five minutes ago, and now."""
    hour, until_now = _HOUR.milliseconds // _EVERY.milliseconds, end.milliseconds // _EVERY.milliseconds
    runs = [(seen[0], hour // 2), (seen[1], hour - 1), (seen[2], 1)]
    text = [absent(count) if value == "_" else constant(int(value), count) for value, count in runs]
    return values(absent(until_now + 1 - sum(count for _, count in runs)), *text)

"""Tests of our dollars against the gateway's own: what is a difference, of which hour, and which ones are told.

All is put in as the rules would have recorded it, and evaluated once. An alert waits longer, but tells at once that it
is pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.promql import eq, one_of, series, sum_by
from tollbook.gen.promtest import Case, absent, constant, expect, input_series, values
from tollbook.gen.spec import Gateway, Spec

_PROVIDER = "tollbook-test"
_HOUR = Duration.parse("1h")
_EVERY = Duration.parse("20m")

_NOW, _BEFORE = 0, 1
_MUCH = Decimal(1_000_000), Decimal()


@dataclass(frozen=True)
class _Told:
    """Dollars of an hour: ours less the gateway's, and the gateway's own by two spenders."""

    model: str
    difference: str
    reported: tuple[Decimal, Decimal]
    is_pending: bool


#: An alert is due from two percent of the gateway's own dollars on, and from a cent.
_TOLD = (
    _Told("two-percent", "2", (Decimal(60), Decimal(40)), is_pending=False),
    _Told("more", "2.5", (Decimal(60), Decimal(40)), is_pending=True),
    _Told("less", "-2.5", (Decimal(60), Decimal(40)), is_pending=True),
    _Told("a-cent", "0.01", (Decimal("0.1"), Decimal("0.1")), is_pending=False),
    _Told("more-than-a-cent", "0.015", (Decimal("0.1"), Decimal("0.1")), is_pending=True),
)


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    reporting = [gateway for gateway in spec.gateways if reports_usd(gateway)]
    if reporting:
        yield _of_a_step(spec, reporting[0], end)
        yield _of_an_hour(spec, reporting[0], end)
        yield _which_are_told(spec, reporting, end)


def _of_a_step(spec: Spec, gateway: Gateway, end: Duration) -> Case:
    """Recorded of every model of which the gateway counted something in this very step."""
    step = spec.prometheus.step
    ours, theirs = names.cost(step), names.reported_usd(step)
    output, long = ({names.TOKEN_TYPE: of} for of in (names.OUTPUT, names.LONG_CONTEXT))
    (first, *more), kept, other = _spenders(spec), traffic.kept_labels(spec), _other_cluster(spec)
    entries = [
        ("both", ours, {**first, **output}, _NOW, 9),
        ("both", ours, {**first, **long}, _NOW, 2),
        *(("both", ours, {**second, **output}, _NOW, 1) for second in more),
        ("both", theirs, first, _NOW, 4),
        *(("both", theirs, second, _NOW, 3) for second in more),
        ("ours", ours, {**first, **output}, _NOW, 7),
        ("theirs", theirs, first, _NOW, 7),
        ("idle", theirs, first, _NOW, 0),
        ("ours-of-before", ours, {**first, **output}, _BEFORE, 7),
        ("ours-of-before", theirs, first, _NOW, 5),
        ("theirs-of-before", ours, {**first, **output}, _NOW, 7),
        ("theirs-of-before", theirs, first, _BEFORE, 5),
    ]
    expected = [
        (kept, "both", 12 - 7 if more else 11 - 4),
        (kept, "theirs", -7),
        (kept, "idle", 0),
        (kept, "ours-of-before", -5),
    ]
    if other:  # another cluster's dollars are its own
        entries.append(("both", theirs, {**first, **other}, _NOW, 9))
        expected.append((other, "both", -9))
    series_in = [
        input_series(
            record, {**_cell(gateway, model), **labels}, traffic.ending(spec, end - step if ago else end, f"{usd}")
        )
        for model, record, labels, ago, usd in entries
    ]
    samples = [({**_cell(gateway, model), **labels}, usd) for labels, model, usd in expected]
    return Case(
        "our dollars less the gateway's own", step, tuple(series_in), (_own(names.minus_reported(step), end, samples),)
    )


def _of_an_hour(spec: Spec, gateway: Gateway, end: Duration) -> Case:
    """Three entries of each lie in the hour, and the fourth on its far edge."""
    step, kept = spec.prometheus.step, traffic.kept_labels(spec)
    labels = {**_cell(gateway, "hour"), **traffic.spend_labels(spec)}
    series_in = (
        input_series(names.reported_usd(step), labels, _lately(end, 7)),
        # The last of these is recorded by the rules.
        input_series(names.minus_reported(step), {**_cell(gateway, "hour"), **kept}, _lately(end, -7, without_last=1)),
    )
    samples = [
        _own(names.REPORTED_1H, end, [(labels, 3 * 7)]),
        _own(names.RECONCILIATION, end, [({**_cell(gateway, "hour"), **kept}, -3 * 7)]),
    ]
    return Case("an hour of the gateway's own dollars", _EVERY, series_in, tuple(samples))


def _own(record: str, at: Duration, samples: Sequence[tuple[Mapping[str, str], int]]) -> dict[str, Any]:
    named = [({"__name__": record, **labels}, figure) for labels, figure in samples]
    return expect(series(record, eq(names.PROVIDER, _PROVIDER)).now(), at, named)


def _which_are_told(spec: Spec, reporting: Sequence[Gateway], end: Duration) -> Case:
    """Each beside the same model elsewhere, where the gateway counts so much that nothing is told."""
    step = spec.prometheus.step
    kept, other = traffic.kept_labels(spec), _other_cluster(spec)
    elsewhere = [(reporting[0], {**kept, names.PROVIDER: f"{_PROVIDER}-other"})]
    elsewhere += [(reporting[0], other)] if other else []
    elsewhere += [(gateway, kept) for gateway in reporting[1:2]]
    series_in, pending = [], []
    for told in _TOLD:
        own = {**_cell(reporting[0], told.model), **kept}
        much = [({**_cell(gateway, told.model), **labels}, _MUCH) for gateway, labels in elsewhere]
        for labels, reported in ((own, told.reported), *much):
            series_in.append(input_series(names.RECONCILIATION, labels, traffic.ending(spec, end, told.difference)))
            spenders = _spenders(spec)
            parts = reported if len(spenders) > 1 else (sum(reported),)
            for spender, usd in zip(spenders, parts, strict=True):
                series_in.append(
                    input_series(names.REPORTED_1H, {**spender, **labels}, traffic.ending(spec, end, f"{usd}"))
                )
        if told.is_pending:
            pending.append((own, 1))
    alerts = series(
        "ALERTS",
        eq("alertname", names.ALERT_RECONCILIATION),
        eq("alertstate", "pending"),
        one_of(names.MODEL, [told.model for told in _TOLD]),
    )
    by = (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.prometheus.keep_labels)
    case = expect(sum_by(by, alerts.now()), end, pending)
    return Case("which differences from the gateway's own dollars are told", step, tuple(series_in), (case,))


def _spenders(spec: Spec) -> list[dict[str, str]]:
    """Two, where a label tells them apart."""
    labels = traffic.spend_labels(spec)
    return [labels, *({**labels, entry.label: "another"} for entry in spec.attribution[:1])]


def _other_cluster(spec: Spec) -> dict[str, str]:
    return {label: f"other-{value}" for label, value in traffic.kept_labels(spec).items()}


def _cell(gateway: Gateway, model: str) -> dict[str, str]:
    return {names.GATEWAY: gateway.id, names.PROVIDER: _PROVIDER, names.MODEL: model}


def _lately(end: Duration, usd: int, without_last: int = 0) -> str:
    """Ten entries at the end."""
    return values(absent(end.milliseconds // _EVERY.milliseconds - 9), constant(usd, 10 - without_last))

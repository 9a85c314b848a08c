"""Tests of the hours of the ledger: what the open one held goes on, is over, or was held too long ago.

What was recorded before is put in, and all rules are evaluated once, at a full hour. The models bear names of the
tests' own, so that nothing but the ledger of which they are is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.promql import series, sum_by
from tollbook.gen.promtest import Case, expect, input_series
from tollbook.gen.spec import Gateway, Spec

_OWN = "tollbook-test"
_HOUR = Duration.parse("1h")

#: For so long an outage takes nothing of the open hour with it.
_REMEMBERED = Duration.parse("6h")


@dataclass(frozen=True)
class _Use:
    """Of one model: what the open hour held, and what is added now; None: it is not there."""

    name: str
    held: int | None
    added: int | None
    before: int | None = None
    """What was added a step ago, which is part of what is held."""


_USES = (
    _Use(f"{_OWN}-again", 5, 1),
    _Use(f"{_OWN}-no-more", 7, None, before=7),
    _Use(f"{_OWN}-new", None, 11),
    _Use(f"{_OWN}-idle", 0, None),
    _Use(f"{_OWN}-idle-until-now", 0, 13),
    _Use(f"{_OWN}-taken-off", 3, -3),
)


@dataclass(frozen=True)
class _Past:
    """When it was last recorded which hour it is, and what it held; and when that hour began."""

    told: Duration
    held: Duration
    begun: Duration


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    step, last = spec.prometheus.step, end - _HOUR
    lately, long, too_long = end - step, end - _REMEMBERED + step, end - _REMEMBERED - step
    yield _case(spec, "an hour that goes on", end, _Past(lately, lately, end))
    yield _case(spec, "an hour that is over", end, _Past(lately, lately, last))
    yield _case(spec, "an hour that is over since long", end, _Past(long, long, last))
    yield _case(spec, "what an hour held too long ago", end, _Past(lately, too_long, last), forgotten=True)
    yield _case(spec, "an hour that was told too long ago", end, _Past(too_long, lately, last), forgotten=True)


def _case(spec: Spec, title: str, end: Duration, past: _Past, forgotten: bool = False) -> Case:
    told = traffic.ending(spec, past.told, "1", f"{end.seconds * 2}", f"{past.begun.seconds}")
    series_in = [input_series(names.HOUR_BEGIN, {names.GATEWAY: gateway.id}, told) for gateway in spec.gateways]
    goes_on = past.begun == end
    over = {} if goes_on or forgotten else {use.name: use.held for use in _USES if use.held}
    so_far = {
        use.name: (use.added or 0) + ((use.held or 0) if goes_on else 0)
        for use in _USES
        if use.added is not None or (use.held and not forgotten)
    }
    begin = [({names.GATEWAY: gateway.id}, end.seconds) for gateway in spec.gateways]
    samples = [expect(sum_by([names.GATEWAY], series(names.HOUR_BEGIN).just_recorded()), end, begin)]
    for ledger, gateways in ledgers(spec):
        for gateway in gateways:
            series_in += _put_in(spec, gateway, ledger, past, end)
        samples.append(_expected(names.of_hour(ledger), end, gateways, over))
        samples.append(_expected(names.hour_to_date(ledger), end, gateways, so_far))
    return Case(title, spec.prometheus.step, tuple(series_in), tuple(samples))


def ledgers(spec: Spec) -> Iterator[tuple[str, Sequence[Gateway]]]:
    """Each with the gateways that have it."""
    step = spec.prometheus.step
    for ledger in (names.tokens(step), names.cost(step), names.requests(step)):
        yield ledger, spec.gateways
    reporting = [gateway for gateway in spec.gateways if reports_usd(gateway)]
    if reporting:
        yield names.reported_usd(step), reporting


def _put_in(spec: Spec, gateway: Gateway, ledger: str, past: _Past, end: Duration) -> Iterator[dict[str, str]]:
    """What the hour held before its last value was less, and more."""
    for use in _USES:
        labels = {names.GATEWAY: gateway.id, names.PROVIDER: _OWN, names.MODEL: use.name, **traffic.spend_labels(spec)}
        if use.held is not None:
            yield input_series(
                names.hour_to_date(ledger), labels, traffic.ending(spec, past.held, "-1", "99", f"{use.held}")
            )
        if use.added is not None:
            yield input_series(ledger, labels, traffic.ending(spec, end, str(use.added)))
        if use.before is not None:
            yield input_series(ledger, labels, traffic.ending(spec, end - spec.prometheus.step, str(use.before)))


def _expected(record: str, end: Duration, gateways: Sequence[Gateway], figures: dict[str, int]) -> dict[str, Any]:
    recorded = sum_by((names.GATEWAY, names.MODEL), series(record).just_recorded())
    samples = [
        ({names.GATEWAY: gateway.id, names.MODEL: model}, figure)
        for gateway in gateways
        for model, figure in figures.items()
    ]
    return expect(recorded, end, samples)

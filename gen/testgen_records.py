"""Tests of rules that read what other rules recorded: what counts is what was recorded now, and a price for a while.

Back from an outage, Prometheus finds the records of before. So some are put in here as it would have left them, and all
rules are evaluated once. Providers, names and token types of the tests' own stand beside those of the spec.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

from tollbook.gen import names, oracle, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import TOKEN_SEMANTICS, reports_usd
from tollbook.gen.oracle import MILLION
from tollbook.gen.promql import Expr, series, sum_by
from tollbook.gen.promtest import Case, billionths, expect, in_billionths, input_series
from tollbook.gen.spec import Spec
from tollbook.gen.traffic import TOKENS

_OWN = "tollbook-test"
#: A provider whose model the spec of a step ago still knew.
_FORMER = f"{_OWN}-former"
#: A day of another week and month than that on which the tests end.
_YESTERDAY = {names.DAY: "-2", names.WEEK: "-1", names.MONTH: "11"}

#: Providers whose cached tokens are taken off `input`, each for a reason of its own.
_CACHING = ("openai", "gcp.vertex_ai")

#: A name with a price of before, like those under test.
_ASKED = f"{_OWN}-asked"
_FIRST_USD, _LAST_USD = Decimal(7), Decimal(8)


@dataclass(frozen=True)
class _Use:
    provider: str
    name: str
    token_type: str
    priced: Duration | None
    """How long ago its price was last recorded."""
    is_priced: bool

    @property
    def shown(self) -> tuple[tuple[str, str, str], ...]:
        """Request and response model, and the model that is billed: the response's, else the request's."""
        model = f"{_OWN}-model" if self.is_priced else self.name
        return (
            (f"{_OWN}-unlisted", self.name, model),
            (self.name, names.UNKNOWN, model),
            (_ASKED, self.name, model if self.is_priced else f"{_ASKED}-model"),
            (self.name, f"{_OWN}-answered", model if self.is_priced else f"{_OWN}-answered"),
        )


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    yield _prices(spec, end)
    yield from _reported_usd(spec, end)
    yield _token_types(spec, end)
    yield _restart(spec, end)
    yield _restart_at_midnight(spec, end)


def _uses(spec: Spec) -> Iterator[_Use]:
    """Each of those with a price differs from what the spec prices in one label only; so does each without."""
    model, step = spec.models[0], spec.prometheus.step
    late = spec.prometheus.gap + step + step
    for own, priced in ((_OWN, _recent(spec)), (f"{_OWN}-none", None)):
        yield _Use(own, model.name, names.OUTPUT, priced, priced is not None)
        yield _Use(model.provider, own, names.OUTPUT, priced, priced is not None)
    yield _Use(_OWN, f"{_OWN}-late", names.OUTPUT, late, is_priced=False)
    yield _Use(_FORMER, _OWN, names.OUTPUT, None, is_priced=False)


def _prices(spec: Spec, end: Duration) -> Case:
    """A name is found by the response, or by the request where the response's has no price."""
    step, gateway = spec.prometheus.step, spec.gateways[0].id
    uses = list(_uses(spec))
    series_in = [*_old_prices(spec, end, uses), _former_name(spec, end, gateway)]
    by_model: dict[tuple[str, ...], int] = defaultdict(int)
    requests: dict[tuple[str, ...], int] = defaultdict(int)
    unpriced: dict[tuple[str, ...], int] = {}
    spenders = list(_spenders(spec))
    numbers, few = count(1), count()
    for use in uses:
        for request, response, model in use.shown:
            tokens = TOKENS * next(numbers) if _is_priced(model) else next(few)
            called = {names.REQUEST_MODEL: request, names.RESPONSE_MODEL: response}
            for who in spenders:
                labels, seen = (
                    {names.GATEWAY: gateway, **_named(use, called), **who},
                    traffic.ending(spec, end, str(tokens)),
                )
                series_in.append(input_series(names.billable_tokens(step), labels, seen))
                del labels[names.TOKEN_TYPE]
                series_in.append(input_series(names.metered_requests(step), labels, seen))
            by_model[use.provider, model, use.token_type] += tokens * len(spenders)
            requests[use.provider, model] += tokens * len(spenders)
            if tokens and not _is_priced(model):
                unpriced[use.provider, request, response, use.token_type] = tokens * len(spenders)
    usd = {key: in_billionths(tokens * _LAST_USD / MILLION) for key, tokens in by_model.items() if _is_priced(key[1])}
    by_model_labels = (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)
    by_names_labels = (names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.TOKEN_TYPE)
    samples = (
        _vector(by_model_labels, _now(names.tokens(step)), end, by_model),
        _vector((names.PROVIDER, names.MODEL), _now(names.requests(step)), end, requests),
        _vector(by_names_labels, _now(names.unpriced_tokens(step)), end, unpriced),
        _vector(by_model_labels, _now(names.cost(step)), end, usd, billionths),
    )
    return Case("a price holds on while Prometheus is away", step, tuple(series_in), samples)


def _is_priced(model: str) -> bool:
    return model in (f"{_OWN}-model", f"{_ASKED}-model")


def _reported_usd(spec: Spec, end: Duration) -> Iterator[Case]:
    """The gateway's own dollars are named alike."""
    step, reporting = spec.prometheus.step, [gw for gw in spec.gateways if reports_usd(gw)]
    if not reporting:
        return
    gateway = {names.GATEWAY: reporting[0].id}
    uses = list(_uses(spec))
    series_in = [*_old_prices(spec, end, uses), _former_name(spec, end, reporting[0].id)]
    called = [(use.provider, *shown) for use in uses for shown in use.shown]
    billed: dict[tuple[tuple[str, str], ...], int] = defaultdict(int)
    for usd, (provider, request, response, model) in enumerate(called, start=1):
        own = {names.PROVIDER: provider, names.REQUEST_MODEL: request, names.RESPONSE_MODEL: response}
        for number, who in enumerate(_spenders(spec), start=1):
            seen = traffic.ending(spec, end, f"{usd * number}")
            series_in.append(input_series(names.metered_usd(step), {**gateway, **own, **who}, seen))
            labels = {**gateway, names.PROVIDER: provider, names.MODEL: model, **who}
            billed[tuple(labels.items())] += usd * number
    record = names.reported_usd(step)
    samples = [({"__name__": record, **dict(labels)}, usd) for labels, usd in billed.items()]
    yield Case(
        "the gateway's own dollars by model", step, tuple(series_in), (expect(series(record).now(), end, samples),)
    )


def _token_types(spec: Spec, end: Duration) -> Case:
    """Each type of a priced model has its price; one that the spec knows nothing of has none, whatever the model."""
    step, model = spec.prometheus.step, spec.models[0]
    usd_per_mtok = oracle.usd_per_mtok_at(model, date(1970, 1, 1))
    called = {names.REQUEST_MODEL: model.name, names.RESPONSE_MODEL: model.name}
    owner = {names.GATEWAY: spec.gateways[0].id, names.PROVIDER: model.provider, **traffic.spend_labels(spec)}
    unknown = {_OWN: 1, f"{_OWN}-other": 3}
    counts = {**dict.fromkeys(usd_per_mtok, TOKENS), **unknown}
    series_in = tuple(
        input_series(
            names.billable_tokens(step),
            {**owner, **called, names.TOKEN_TYPE: of},
            traffic.ending(spec, end, f"{tokens}"),
        )
        for of, tokens in counts.items()
    )
    usd: dict[tuple[str, ...], int] = {
        (of,): in_billionths(TOKENS * price / MILLION) for of, price in usd_per_mtok.items()
    }
    by: tuple[str, ...] = (names.TOKEN_TYPE,)
    unpriced: dict[tuple[str, ...], int] = {(of,): tokens for of, tokens in unknown.items()}
    samples = (
        _vector(by, _now(names.unpriced_tokens(step)), end, unpriced),
        _vector(by, _now(names.cost(step)), end, usd, billionths),
    )
    return Case("a type of token without a price", step, series_in, samples)


def _spenders(spec: Spec) -> Iterator[dict[str, str]]:
    """Two, where there is a label to tell them apart."""
    labels = traffic.spend_labels(spec)
    yield labels
    if spec.attribution:
        yield {**labels, spec.attribution[0].label: f"{_OWN}-another"}


def _named(use: _Use, called: Mapping[str, str]) -> dict[str, str]:
    return {names.PROVIDER: use.provider, **called, names.TOKEN_TYPE: use.token_type}


def _vector(
    by: tuple[str, ...],
    expr: Expr,
    at: Duration,
    figures: Mapping[tuple[str, ...], int],
    unit: Callable[[Expr], Expr] | None = None,
) -> dict[str, Any]:
    summed = sum_by(by, expr)
    samples = [(dict(zip(by, key, strict=True)), figure) for key, figure in figures.items()]
    return expect(unit(summed) if unit else summed, at, samples)


def _old_prices(spec: Spec, end: Duration, uses: Iterable[_Use]) -> Iterator[dict[str, str]]:
    """Of every type of token, as prices are recorded; but one type's is recorded now, which says nothing of others."""
    sold = {(provider, f"{_ASKED}-model", _ASKED): _recent(spec) for provider in (use.provider for use in uses)}
    sold |= {(use.provider, f"{_OWN}-model", use.name): use.priced for use in uses if use.priced}
    for (provider, model, name), ago in sold.items():
        sold_as = {names.PROVIDER: provider, names.MODEL: model, names.RESPONSE_MODEL: name}
        for token_type in names.TOKEN_TYPES:
            is_present = token_type == names.CACHE_WRITE and ago == _recent(spec)
            seen = traffic.ending(spec, end if is_present else end - ago, f"{_FIRST_USD}", f"{_LAST_USD}")
            yield input_series(names.PRICE, {**sold_as, names.TOKEN_TYPE: token_type}, seen)


def _former_name(spec: Spec, end: Duration, gateway: str) -> dict[str, str]:
    sold_as = {names.PROVIDER: _FORMER, names.MODEL: f"{_OWN}-model", names.RESPONSE_MODEL: _OWN}
    before = traffic.ending(spec, end - spec.prometheus.step, "1")
    return input_series(names.MODEL_NAMES, {names.GATEWAY: gateway, **sold_as}, before)


def _recent(spec: Spec) -> Duration:
    return spec.prometheus.gap - spec.prometheus.step - spec.prometheus.step


def _restart(spec: Spec, end: Duration) -> Case:
    """What was recorded a step ago, each record by itself: nothing follows from it now."""
    step, model = spec.prometheus.step, spec.models[0]
    labels = {names.GATEWAY: spec.gateways[0].id, names.PROVIDER: model.provider, **traffic.spend_labels(spec)}
    called = {names.REQUEST_MODEL: model.name, names.RESPONSE_MODEL: model.name}
    shown = {**labels, **called, names.TOKEN_TYPE: names.OUTPUT}
    unlisted = {**shown, **dict.fromkeys(called, traffic.UNLISTED_MODEL)}
    nameless, asked = ({**of, names.RESPONSE_MODEL: names.UNKNOWN} for of in (unlisted, shown))
    cached = [
        {**shown, names.PROVIDER: provider, names.TOKEN_TYPE: names.CACHE_READ, names.SEMANTICS: meaning.name}
        for provider in _CACHING
        for meaning in TOKEN_SEMANTICS
    ]
    spent = {**labels, names.MODEL: model.name}
    before = traffic.ending(spec, end - step, "5")
    put_in: Iterable[tuple[str, Mapping[str, str]]] = (
        *((names.metered_tokens(step), labels) for labels in (shown, *cached)),
        *((names.billable_tokens(step), labels) for labels in (shown, unlisted, nameless, asked)),
        (names.billable_tokens(step), {**shown, names.TOKEN_TYPE: _OWN}),
        *((names.metered_usd(step), labels) for labels in (shown, unlisted, nameless, asked)),
        *((names.metered_requests(step), labels) for labels in (shown, unlisted, nameless, asked)),
        (names.tokens(step), {**spent, names.TOKEN_TYPE: names.OUTPUT}),
        (names.cost(step), {**spent, names.TOKEN_TYPE: names.OUTPUT}),
        (names.DAY_TOTAL, {**spent, **_YESTERDAY}),
    )
    records = (
        *(names.billable_tokens(step), names.tokens(step), names.unpriced_tokens(step), names.cost(step)),
        names.reported_usd(step),
        *(names.gateway_cost(step), names.cost_of_day(step), names.requests(step)),
        *(names.DAY_TO_DATE, names.WEEK_TO_DATE, names.MONTH_TO_DATE),
    )
    samples = tuple(expect(_now(record), end, []) for record in records)
    return Case("nothing of before a restart is counted again", step, _series(put_in, before), samples)


def _restart_at_midnight(spec: Spec, end: Duration) -> Case:
    """The calendar, the total and the last dollars of yesterday are still found, and a dollar is spent today."""
    step, model = spec.prometheus.step, spec.models[0]
    owner = {names.GATEWAY: spec.gateways[0].id, names.PROVIDER: model.provider, names.MODEL: model.name}
    spent = {**owner, **traffic.spend_labels(spec)}
    before, now = traffic.ending(spec, end - step, "5"), traffic.ending(spec, end, "1")
    series_in = (
        input_series(
            names.CALENDAR, {names.GATEWAY: spec.gateways[0].id, **_YESTERDAY}, traffic.ending(spec, end - step, "1")
        ),
        input_series(names.DAY_TOTAL, {**spent, **_YESTERDAY}, before),
        input_series(names.cost_of_day(step), {**spent, **_YESTERDAY}, before),
        input_series(names.cost(step), {**spent, names.TOKEN_TYPE: names.OUTPUT}, now),
    )
    to_date = (names.DAY_TO_DATE, names.WEEK_TO_DATE, names.MONTH_TO_DATE)
    totals = _vector((names.GATEWAY,), _now(names.DAY_TOTAL), end, {(spec.gateways[0].id,): 1})
    samples = (expect(series(record).now(), end, [({"__name__": record, **spent}, 1)]) for record in to_date)
    return Case("a restart at midnight", step, series_in, (totals, *samples))


def _series(put_in: Iterable[tuple[str, Mapping[str, str]]], seen: str) -> tuple[dict[str, Any], ...]:
    return tuple(input_series(record, labels, seen) for record, labels in put_in)


def _now(record: str) -> Expr:
    return series(record).just_recorded()

"""What each minute of the fleet is in the ledger, by the oracle alone: no rule is evaluated here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cached_property

from demo.dated import at_prices_of, local_day
from demo.exposition import OK, USD_COUNTER_SINCE
from demo.fleet import MINUTE, Call
from tollbook.gen import names, oracle
from tollbook.gen.oracle import Cell, Request
from tollbook.gen.spec import Spec

#: What is sold, in the labels that tell it apart.
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Bill:
    """Of one minute, by the labels of the records that hold it."""

    tokens: dict[Labels, int] = field(default_factory=dict)
    usd: dict[Labels, Decimal] = field(default_factory=dict)
    """By token type; what long contexts cost more is a type of its own."""
    reported: dict[Labels, Decimal] = field(default_factory=dict)
    low: dict[Labels, Decimal] = field(default_factory=dict)
    high: dict[Labels, Decimal] = field(default_factory=dict)
    unpriced: dict[Labels, int] = field(default_factory=dict)
    requests: dict[Labels, int] = field(default_factory=dict)

    @cached_property
    def sold(self) -> dict[Labels, Decimal]:
        """Dollars of all token types together."""
        return summed(self.usd, drop=names.TOKEN_TYPE)


class Biller:
    """Knows the prices of every day."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._known: dict[tuple[date, str, str, str], Spec] = {}

    def spec_for(self, call: Call) -> Spec:
        """Of the models only those that the requests may mean, so that the oracle need not look through all; and as if
        prices had never been others than those of the day. The second of midnight ends the day before."""
        day = local_day((call.second - 1) // MINUTE * MINUTE, self._spec.prometheus.timezone)
        request = call.request
        key = (day, request.provider, request.request_model, request.response_model)
        if key not in self._known:
            listed = at_prices_of(self._spec, day)
            named = {request.request_model, request.response_model}
            meant = tuple(model for model in listed.models if named.intersection(model.metric_names))
            self._known[key] = replace(listed, models=meant)
        return self._known[key]

    def catalog_usd(self, call: Call) -> Decimal | None:
        """What the gateway's own catalog asks for one of these requests."""
        return oracle.reported(self.spec_for(call), call.request)

    def bill(self, calls: Iterable[Call]) -> Bill:
        """Of calls within one minute."""
        bill = Bill()
        by_cell: dict[Labels, list[Call]] = defaultdict(list)
        for call in calls:
            if call.status == OK:
                spec = self.spec_for(call)
                cell, priced = _sold_as(spec, call.request), oracle.model_of(spec, call.request) is not None
                _count(bill, cell, call, priced)
                if priced:
                    by_cell[cell].append(call)
        for cell, cell_calls in by_cell.items():
            _charge(bill, self.spec_for(cell_calls[0]), cell, cell_calls)
        return bill


def _count(bill: Bill, cell: Labels, call: Call, priced: bool) -> None:
    _add(bill.requests, cell, call.count)
    for token_type, tokens in call.request.tokens.items():
        if tokens:
            _add(bill.tokens, _of_type(cell, token_type), tokens * call.count)
            if not priced:
                _add(bill.unpriced, _unpriced_as(call.request, token_type), tokens * call.count)


def _charge(bill: Bill, spec: Spec, cell: Labels, calls: list[Call]) -> None:
    requests = [_all(call) for call in calls]
    for priced, usd in oracle.dollars(spec, requests).items():
        _add(bill.usd, _labels_of(priced), usd)
    model = oracle.model_of(spec, requests[0])
    if model and model.has_tiers:
        bill.low[cell], bill.high[cell] = oracle.bounds(spec, requests)
    if calls[0].request.gateway.version >= USD_COUNTER_SINCE:
        exact = sum(((oracle.reported(spec, call.request) or Decimal()) * call.count for call in calls), Decimal())
        bill.reported[cell] = exact
        if cell in bill.low and exact > bill.low[cell]:
            bill.usd[_of_type(cell, names.LONG_CONTEXT)] = exact - bill.low[cell]


def _all(call: Call) -> Request:
    """Their tokens together, for what depends on sums alone."""
    one, count = call.request, call.count
    return replace(
        one,
        input=one.input * count,
        output=one.output * count,
        cache_read=one.cache_read * count,
        cache_write=one.cache_write * count,
    )


def _sold_as(spec: Spec, request: Request) -> Labels:
    own = {
        names.GATEWAY: request.gateway.id,
        names.PROVIDER: request.provider,
        names.MODEL: oracle.shown_model(spec, request),
    }
    return tuple(sorted({**own, **request.labels}.items()))


def _labels_of(cell: Cell) -> Labels:
    own = {names.GATEWAY: cell.gateway, names.PROVIDER: cell.provider, names.MODEL: cell.model}
    return tuple(sorted({**own, names.TOKEN_TYPE: cell.token_type, **dict(cell.labels)}.items()))


def _of_type(sold_as: Labels, token_type: str) -> Labels:
    return tuple(sorted((*sold_as, (names.TOKEN_TYPE, token_type))))


def _unpriced_as(request: Request, token_type: str) -> Labels:
    own = {
        names.GATEWAY: request.gateway.id,
        names.PROVIDER: request.provider,
        names.REQUEST_MODEL: request.request_model,
        names.RESPONSE_MODEL: request.response_model,
        names.TOKEN_TYPE: token_type,
    }
    return tuple(sorted(own.items()))


def summed(figures: dict[Labels, Decimal], drop: str) -> dict[Labels, Decimal]:
    sums: dict[Labels, Decimal] = defaultdict(Decimal)
    for labels, figure in figures.items():
        sums[tuple(pair for pair in labels if pair[0] != drop)] += figure
    return dict(sums)


def _add(sums: dict[Labels, int] | dict[Labels, Decimal], key: Labels, figure: int | Decimal) -> None:
    sums[key] = sums.get(key, 0) + figure  # type: ignore[assignment]

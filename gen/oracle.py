"""What requests cost, worked out in plain Decimal arithmetic from the spec alone.

It knows nothing of the rules and shares no code with them, so that the generated tests compare two independent answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.spec import Gateway, Model, Price, Spec
from tollbook.gen.timezones import zone

MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Request:
    """Tokens of one or more requests, each in one type: `input` is what no cache was read for or written to."""

    gateway: Gateway
    provider: str
    request_model: str
    response_model: str
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def tokens(self) -> dict[str, int]:
        return {
            names.INPUT: self.input,
            names.OUTPUT: self.output,
            names.CACHE_READ: self.cache_read,
            names.CACHE_WRITE: self.cache_write,
        }


@dataclass(frozen=True)
class Cell:
    """One figure of the ledger."""

    gateway: str
    provider: str
    model: str
    token_type: str
    labels: tuple[tuple[str, str], ...] = ()


def exported(request: Request) -> dict[str, int]:
    """What the gateway adds to its counters for these requests, as its version means the types."""
    if request.gateway.version < (1, 0):
        prompt = request.input
        if not _speaks_anthropic(request):  # the other formats count what was cached as input like any other
            prompt += request.cache_read + request.cache_write
        return {names.INPUT: prompt, names.OUTPUT: request.output}
    tokens = request.tokens
    if request.gateway.version >= (1, 5) or not _speaks_anthropic(request):
        tokens[names.INPUT] += request.cache_read + request.cache_write
    return tokens


def _speaks_anthropic(request: Request) -> bool:
    if request.provider in ("gcp.vertex_ai", "copilot"):
        return request.request_model.rsplit("/", 1)[-1].startswith("claude")
    return request.provider in ("anthropic", "aws.bedrock")


def model_of(spec: Spec, request: Request) -> Model | None:
    """By the response model, else by the request model; exactly, never by likeness."""
    listed = {(m.provider, name): m for m in spec.models for name in m.metric_names}
    by_response = listed.get((request.provider, request.response_model))
    return by_response or listed.get((request.provider, request.request_model))


def shown_model(spec: Spec, request: Request) -> str:
    model = model_of(spec, request)
    if model is not None:
        return model.name
    return request.request_model if request.response_model == names.UNKNOWN else request.response_model


def dollars(spec: Spec, requests: Iterable[Request]) -> dict[Cell, Decimal]:
    """At the first price of each model, which is the one that holds when promtool's clock begins in 1970."""
    spent: dict[Cell, Decimal] = defaultdict(Decimal)
    for request in requests:
        model = model_of(spec, request)
        if model is None:
            continue
        rates = model.prices[0].rates
        by_type = {
            names.INPUT: rates.input,
            names.OUTPUT: rates.output,
            names.CACHE_READ: rates.cache_read,
            names.CACHE_WRITE: rates.cache_write,
        }
        labels = tuple(sorted(request.labels.items()))
        for token_type, count in request.tokens.items():
            if not count:
                continue
            cell = Cell(request.gateway.id, request.provider, model.name, token_type, labels)
            spent[cell] += Decimal(count) * by_type[token_type] / MILLION
    return dict(spent)


# ---- Dates ---------------------------------------------------------------------------------------------------


def price_at(model: Model, day: date) -> Price:
    """The last price whose date has come; the first one holds before its date, too."""
    begun = [price for price in model.prices[1:] if price.since and price.since <= day]
    return begun[-1] if begun else model.prices[0]


def usd_per_mtok_at(model: Model, day: date) -> dict[str, Decimal]:
    """By token type."""
    rates = price_at(model, day).rates
    return {
        names.INPUT: rates.input,
        names.OUTPUT: rates.output,
        names.CACHE_READ: rates.cache_read,
        names.CACHE_WRITE: rates.cache_write,
    }


def day_until(unix_seconds: int, timezone: str) -> date:
    """The local day to which what was used until this second belongs: at midnight sharp the one that ends."""
    last_second = datetime.fromtimestamp(unix_seconds, UTC) - timedelta(seconds=1)
    return last_second.astimezone(zone(timezone)).date()

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
from tollbook.gen.spec import Gateway, Model, Price, Rates, Spec
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


def exported(request: Request, stated_format: str = "") -> dict[str, int]:
    """What the gateway adds to its counters for these requests, as its version means the types. `stated_format` is what
    the spec says of the model, if anything."""
    if request.gateway.version < (1, 0):
        prompt = request.input
        if not _speaks_anthropic(
            request, stated_format
        ):  # the other formats count what was cached as input like any other
            prompt += request.cache_read + request.cache_write
        return {names.INPUT: prompt, names.OUTPUT: request.output}
    tokens = request.tokens
    version, legacy = request.gateway.version, request.gateway.legacy_token_semantics
    adds_up = version >= ((1, 6) if legacy else (1, 5))
    if adds_up or not _speaks_anthropic(request, stated_format):
        tokens[names.INPUT] += request.cache_read + request.cache_write
    return tokens


def exported_provider(request: Request) -> str:
    """What the gateway calls the provider: Azure had another name before 1.2."""
    return "azure.openai" if request.provider == "azure" and request.gateway.version < (1, 2) else request.provider


def _speaks_anthropic(request: Request, stated_format: str) -> bool:
    if stated_format:
        return stated_format == "anthropic"
    if request.provider in ("gcp.vertex_ai", "copilot", "azure"):
        models = (request.request_model, request.response_model)  # Azure's request model may be that of a deployment
        return any(model.rsplit("/", 1)[-1].startswith("claude") for model in models)
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
        labels = tuple(sorted(request.labels.items()))
        for token_type, usd in _by_type(request, model.prices[0].rates).items():
            spent[Cell(request.gateway.id, request.provider, model.name, token_type, labels)] += usd
    return dict(spent)


def _by_type(request: Request, rates: Rates) -> dict[str, Decimal]:
    usd_per_mtok = _usd_per_mtok(rates)
    return {kind: Decimal(count) * usd_per_mtok[kind] / MILLION for kind, count in request.tokens.items() if count}


def _usd_per_mtok(rates: Rates) -> dict[str, Decimal]:
    return {
        names.INPUT: rates.input,
        names.OUTPUT: rates.output,
        names.CACHE_READ: rates.cache_read,
        names.CACHE_WRITE: rates.cache_write,
    }


# ---- Long contexts -------------------------------------------------------------------------------------------


def reported(spec: Spec, request: Request) -> Decimal | None:
    """What the gateway itself bills for this one request when its catalog holds the spec's first prices: a context
    longer than a tier's threshold is priced as a whole by the highest such tier. None: it has no price."""
    model = model_of(spec, request)
    if model is None:
        return None
    price = model.prices[0]
    context = request.input + request.cache_read + request.cache_write
    reached = [tier.rates for tier in price.tiers if context > tier.context_over]
    return sum(_by_type(request, reached[-1] if reached else price.rates).values(), Decimal())


def bounds(spec: Spec, requests: Iterable[Request]) -> tuple[Decimal, Decimal]:
    """The least and the most that requests of one model can have cost, if all that is known is the sum of each type:
    every token at the base rate, and, unless no context can have been long, every token at the dearest."""
    requests = list(requests)
    model = model_of(spec, requests[0])
    if model is None:
        raise ValueError("requests without a price cost nothing that is known")
    price = model.prices[0]
    low = high = sum((usd for one in requests for usd in _by_type(one, price.rates).values()), Decimal())
    prompt = sum(one.input + one.cache_read + one.cache_write for one in requests)
    if any(prompt > tier.context_over for tier in price.tiers):
        high = sum((usd for one in requests for usd in _by_type(one, _dearest(price)).values()), Decimal())
    return low, high


def _dearest(price: Price) -> Rates:
    sold_at = (price.rates, *(tier.rates for tier in price.tiers))
    kinds = ("input", "output", "cache_read", "cache_write")
    return Rates(*(max(getattr(rates, kind) for rates in sold_at) for kind in kinds))


# ---- Dates ---------------------------------------------------------------------------------------------------


def price_at(model: Model, day: date) -> Price:
    """The last price whose date has come; the first one holds before its date, too."""
    begun = [price for price in model.prices[1:] if price.since and price.since <= day]
    return begun[-1] if begun else model.prices[0]


def usd_per_mtok_at(model: Model, day: date) -> dict[str, Decimal]:
    """By token type."""
    return _usd_per_mtok(price_at(model, day).rates)


def dearest_usd_per_mtok_at(model: Model, day: date) -> dict[str, Decimal]:
    """By token type, at the dearest of the tiers."""
    return _usd_per_mtok(_dearest(price_at(model, day)))


def long_context_at(model: Model, day: date) -> int | None:
    """The context above which a tier counts; None: there is no tier that day."""
    return min((tier.context_over for tier in price_at(model, day).tiers), default=None)


def day_until(unix_seconds: int, timezone: str) -> date:
    """The local day to which what was used until this second belongs: at midnight sharp the one that ends."""
    last_second = datetime.fromtimestamp(unix_seconds, UTC) - timedelta(seconds=1)
    return last_second.astimezone(zone(timezone)).date()

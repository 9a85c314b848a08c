"""What the simulated gateways serve: models with prices, and seeded requests of very uneven size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from tollbook.gen import names

HOUR_SECONDS = 3600

#: One request in this many carries a document: a hundred times the tokens of an ordinary one, as far as they fit.
DOCUMENT_ONE_IN = 150
CONTEXT_WINDOW = 200_000


#: USD per 1M tokens, in the order of `names.TOKEN_TYPES`: input, output, cache read, cache write.
Rates = tuple[Decimal, Decimal, Decimal, Decimal]


@dataclass(frozen=True)
class Usage:
    """Tokens of one request, each counted in exactly one type."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0

    @property
    def tokens(self) -> dict[str, int]:
        return dict(zip(names.TOKEN_TYPES, (self.input, self.output, self.cache_read, self.cache_write), strict=True))


@dataclass(frozen=True)
class Model:
    provider: str
    name: str
    request_name: str
    response_name: str
    rates: Rates
    requests_per_hour: int
    """Of one gateway."""
    typical_input: int
    typical_output: int
    caches: bool = False

    @property
    def route(self) -> str:
        return self.provider.replace(".", "-")


def usd(*rates: str) -> Rates:
    """Two or all four: cached tokens cost what other input costs where nothing else is told."""
    read, write = rates[2:] or (rates[0], rates[0])
    return Decimal(rates[0]), Decimal(rates[1]), Decimal(read), Decimal(write)


#: Used once an hour at each gateway.
RARE = Model("openai", "o3", "o3", "o3-2025-04-16", usd("2", "8", "0.5", "2"), 1, 9000, 4000)

MODELS = (
    Model(
        "anthropic", "claude-3-5-haiku", "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022",
        usd("0.80", "4.00", "0.08", "1.00"), 240, 1200, 350, caches=True,
    ),
    Model(
        "openai", "gpt-4o", "gpt-4o", "gpt-4o-2024-08-06",
        usd("2.50", "10", "1.25", "2.50"), 90, 1500, 400, caches=True,
    ),
    # Bedrock names no response model while it streams.
    Model("aws.bedrock", "nova-pro", "nova-pro", names.UNKNOWN, usd("0.80", "3.20", "0.20", "0.80"), 45, 2500, 500),
    Model("gcp.gemini", "gemini-2.5-pro", "gemini-2.5-pro", "gemini-2.5-pro", usd("1.25", "10"), 12, 6000, 900),
    RARE,
)  # fmt: skip


@dataclass(frozen=True)
class Burst:
    """A time in which a gateway serves a multiple of its usual traffic."""

    start: int
    end: int
    factor: float


@dataclass(frozen=True)
class Request:
    second: int
    """When it is counted: a stream is, at its end."""
    model: Model
    usage: Usage


def requests(random: Random, seconds: int, bursts: Sequence[Burst], cached: bool) -> list[Request]:
    """One gateway's requests, in order. Not `cached`: this gateway tells cached tokens from others nowhere."""
    found = [request for model in MODELS for request in _requests_for(random, model, seconds, bursts, cached)]
    return sorted(found, key=lambda request: (request.second, request.model.name))


def _requests_for(
    random: Random, model: Model, seconds: int, bursts: Sequence[Burst], cached: bool
) -> Iterator[Request]:
    if model is RARE:
        for hour in range(seconds // HOUR_SECONDS):
            second = hour * HOUR_SECONDS + random.randrange(HOUR_SECONDS)
            yield Request(second, model, _usage(random, model, cached))
        return
    clock = 0.0
    while True:
        clock += _pause(random, model, bursts, int(clock))
        if clock >= seconds:
            return
        for _ in range(_batch(random)):
            yield Request(int(clock), model, _usage(random, model, cached))


def _pause(random: Random, model: Model, bursts: Sequence[Burst], second: int) -> float:
    factor = max((burst.factor for burst in bursts if burst.start <= second < burst.end), default=1.0)
    return random.expovariate(model.requests_per_hour * factor / HOUR_SECONDS)


def _batch(random: Random) -> int:
    """An agent asks many times at once, now and then."""
    return random.choice((5, 10, 20)) if random.random() < 0.02 else 1


def _usage(random: Random, model: Model, cached: bool) -> Usage:
    factor = 100 if random.randrange(DOCUMENT_ONE_IN) == 0 else 1
    prompt = min(1 + int(model.typical_input * factor * random.lognormvariate(0, 1)), CONTEXT_WINDOW)
    output = 1 + int(model.typical_output * random.lognormvariate(0, 1))
    if not (cached and model.caches):
        return Usage(prompt, output)
    read = int(prompt * random.random()) if random.random() < 0.6 else 0
    write = int((prompt - read) * random.random()) if random.random() < 0.3 else 0
    return Usage(prompt - read - write, output, read, write)

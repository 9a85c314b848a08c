"""What agentgateway answers on /metrics: the text of its encoder, in which a series appears with its first request.

It knows nothing of the rules: only `oracle.exported`, which tells by how much a version raises its counters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from tollbook.gen import oracle
from tollbook.gen.oracle import Request

#: Upper bounds: tokens in steps of four up to 64 Mi, seconds in steps of two up to 81.92.
TOKEN_BOUNDS = tuple(float(4**power) for power in range(14))
SECOND_BOUNDS = tuple(2**power / 100 for power in range(14))
FIRST_TOKEN_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_TOKEN_BOUNDS = (0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

#: Prometheus prefers this, and every release answers with it. The same text as text/plain would be refused: only
#: OpenMetrics knows the type `info`.
OPENMETRICS = "application/openmetrics-text;version=1.0.0;charset=utf-8"
PLAIN_TEXT = "text/plain;charset=utf-8"

USD_COUNTER_SINCE = (1, 4)
LOOKUPS_SINCE = (1, 3)

OK = 200

#: Name, labels in the notation of the text format, value.
Sample = tuple[str, str, str]


def content_type(accept: str) -> str:
    return OPENMETRICS if "application/openmetrics-text" in accept.lower() else PLAIN_TEXT


@dataclass(frozen=True)
class Timing:
    """How long a request took; the rest is known of streams only."""

    seconds: float = 1.5
    first_token: float | None = None
    per_output_token: float | None = None


AS_USUAL = Timing()


class Histogram:
    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._within = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        self._within[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def samples(self, name: str, labels: str, buckets: bool) -> Iterator[Sample]:
        counts = list(accumulate(self._within))
        yield f"{name}_sum", labels, repr(self._sum)
        yield f"{name}_count", labels, str(counts[-1])
        if buckets:
            for bound, within in zip((*self._bounds, "+Inf"), counts, strict=True):
                yield f"{name}_bucket", f'le="{bound}",{labels}', str(within)


@dataclass(frozen=True)
class Family:
    name: str
    kind: str
    help_text: str
    unit: str = ""

    def head(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help_text}."
        yield f"# TYPE {self.name} {self.kind}"
        if self.unit:
            yield f"# UNIT {self.name} {self.unit}"


BUILD = Family("agentgateway_build", "info", "Version of the data plane")
TOKENS = Family("agentgateway_gen_ai_client_token_usage", "histogram", "Tokens of each request")
USD = Family("agentgateway_gen_ai_client_cost_usd", "counter", "Dollars of all requests", "usd")
DURATION = Family("agentgateway_gen_ai_server_request_duration", "histogram", "Duration of each request")
PER_TOKEN = Family("agentgateway_gen_ai_server_time_per_output_token", "histogram", "Time for each token of a stream")
FIRST_TOKEN = Family("agentgateway_gen_ai_server_time_to_first_token", "histogram", "Time until a stream begins")
LOOKUPS = Family("agentgateway_cost_catalog_lookups", "counter", "Lookups in the catalog")
REQUESTS = Family("agentgateway_requests", "counter", "HTTP requests")


class Process:
    """One run of the data plane: its counters begin with it and are gone with it."""

    def __init__(self, version: tuple[int, int], has_catalog: bool = False) -> None:
        self.version = version
        self._has_catalog = has_catalog
        self._tokens: dict[str, Histogram] = defaultdict(lambda: Histogram(TOKEN_BOUNDS))
        self._seconds: dict[str, Histogram] = defaultdict(lambda: Histogram(SECOND_BOUNDS))
        self._first_token: dict[str, Histogram] = defaultdict(lambda: Histogram(FIRST_TOKEN_BOUNDS))
        self._per_token: dict[str, Histogram] = defaultdict(lambda: Histogram(PER_TOKEN_BOUNDS))
        self._usd: dict[str, Decimal] = defaultdict(Decimal)
        self._lookups: dict[str, int] = defaultdict(int)
        self._requests: dict[str, int] = defaultdict(int)

    def serve(self, request: Request, count: int = 1, timing: Timing = AS_USUAL, usd: Decimal | None = None) -> None:
        """So many requests, all alike, for which the gateway's own catalog asks so much each; None: they are not in it.
        A provider that reports its cache does so in every answer: a count of zero makes a series of zero."""
        common = _labels(_request_labels(request))
        for token_type, tokens in oracle.exported(request).items():
            self._tokens[f'gen_ai_token_type="{token_type}",{common}'].observe(tokens, count)
        self._time(common, timing, count)
        self._bill(common, usd, count)
        self._requests[_http_labels(request, OK)] += count

    def refuse(self, request: Request, status: int, count: int = 1) -> None:
        """Requests that never became one of a model: the gateway counts them, and nothing else."""
        self._requests[_http_labels(request, status)] += count

    def _time(self, common: str, timing: Timing, count: int) -> None:
        self._seconds[common].observe(timing.seconds, count)
        if timing.first_token is not None:
            self._first_token[common].observe(timing.first_token, count)
        if timing.per_output_token is not None:
            self._per_token[common].observe(timing.per_output_token, count)

    def _bill(self, common: str, usd: Decimal | None, count: int) -> None:
        if self._has_catalog and usd is not None:
            self._usd[common] += usd * count
        status = "NoCatalog" if not self._has_catalog else "Missing" if usd is None else "Exact"
        self._lookups[f'status="{status}",{common}'] += count

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for family, samples in self.families():
            yield from family.head()
            yield from (f"{name}{{{labels}}} {value}" for name, labels, value in samples)
        yield "# EOF"

    def families(self, token_buckets: bool = True) -> Iterator[tuple[Family, Iterable[Sample]]]:
        """Each with its series. A family is declared also while it has none, as the dollars without a catalog."""
        yield BUILD, [("agentgateway_build_info", f'tag="{self.version[0]}.{self.version[1]}.0"', "1")]
        yield TOKENS, _histograms(TOKENS, self._tokens, token_buckets)
        if self.version >= USD_COUNTER_SINCE:
            yield USD, _counters(USD, {labels: float(usd) for labels, usd in self._usd.items()})
        yield DURATION, _histograms(DURATION, self._seconds)
        yield PER_TOKEN, _histograms(PER_TOKEN, self._per_token)
        yield FIRST_TOKEN, _histograms(FIRST_TOKEN, self._first_token)
        if self.version >= LOOKUPS_SINCE:
            yield LOOKUPS, _counters(LOOKUPS, self._lookups)
        yield REQUESTS, _counters(REQUESTS, self._requests)


def _counters(family: Family, counts: Mapping[str, float]) -> Iterator[Sample]:
    for labels, count in counts.items():
        yield f"{family.name}_total", labels, repr(count)


def _histograms(family: Family, series: Mapping[str, Histogram], buckets: bool = True) -> Iterator[Sample]:
    for labels, histogram in series.items():
        yield from histogram.samples(family.name, labels, buckets)


def _route_labels(request: Request) -> dict[str, str]:
    namespace, name = request.gateway.namespace, request.gateway.name
    return {
        "bind": f"8080/{namespace}/{name}",
        "gateway": f"{namespace}/{name}",
        "listener": "http",
        "route": f"{namespace}/{request.provider}",
        "route_rule": "unknown",
        **request.labels,
    }


def _request_labels(request: Request) -> dict[str, str]:
    return {
        "gen_ai_operation_name": "chat",
        "gen_ai_system": request.provider,
        "gen_ai_request_model": request.request_model,
        "gen_ai_response_model": request.response_model,
        **_route_labels(request),
    }


def _http_labels(request: Request, status: int) -> str:
    namespace = request.gateway.namespace
    own = {
        "backend": f"{namespace}/{request.provider}",
        "protocol": "llm",
        "method": "POST",
        "status": str(status),
        "reason": "Upstream" if status == OK else "RateLimit" if status == 429 else "UpstreamFailure",
    }
    return _labels({**own, **_route_labels(request)})


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())

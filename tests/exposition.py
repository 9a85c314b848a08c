"""What agentgateway answers on /metrics: the text of its encoder, in which a series appears with its first request.

It knows nothing of the rules: only `oracle.exported`, which tells by how much a version raises its counters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tollbook.gen import oracle
from tollbook.gen.oracle import Request

#: Upper bounds: tokens in steps of four up to 64 Mi, seconds in steps of two up to 81.92.
TOKEN_BUCKETS = tuple(f"{4**power}.0" for power in range(14))
SECOND_BUCKETS = tuple(f"{2**power / 100:.2f}" for power in range(14))

#: Prometheus prefers this, and every release answers with it. The same text as text/plain would be refused: only
#: OpenMetrics knows the type `info`.
OPENMETRICS = "application/openmetrics-text;version=1.0.0;charset=utf-8"
PLAIN_TEXT = "text/plain;charset=utf-8"

USD_COUNTER_SINCE = (1, 4)
LOOKUPS_SINCE = (1, 3)


def content_type(accept: str) -> str:
    return OPENMETRICS if "application/openmetrics-text" in accept.lower() else PLAIN_TEXT


@dataclass
class Histogram:
    bounds: Sequence[str]
    observed: list[float] = field(default_factory=list)

    def lines(self, name: str, labels: str) -> Iterator[str]:
        yield f"{name}_sum{{{labels}}} {float(sum(self.observed))!r}"
        yield f"{name}_count{{{labels}}} {len(self.observed)}"
        for bound in self.bounds:
            within = sum(value <= float(bound) for value in self.observed)
            yield f'{name}_bucket{{le="{bound}",{labels}}} {within}'
        yield f'{name}_bucket{{le="+Inf",{labels}}} {len(self.observed)}'


class Process:
    """One run of the data plane: its counters begin with it and are gone with it."""

    def __init__(self, version: tuple[int, int]) -> None:
        self.version = version
        self._tokens: dict[str, Histogram] = defaultdict(lambda: Histogram(TOKEN_BUCKETS))
        self._seconds: dict[str, Histogram] = defaultdict(lambda: Histogram(SECOND_BUCKETS))
        self._lookups: dict[str, int] = defaultdict(int)

    def serve(self, request: Request) -> None:
        """A provider that reports its cache does so in every answer: a count of zero makes a series of zero."""
        common = _labels(_request_labels(request))
        for token_type, count in oracle.exported(request).items():
            self._tokens[f'gen_ai_token_type="{token_type}",{common}'].observed.append(count)
        self._seconds[common].observed.append(1.5)
        self._lookups[f'status="NoCatalog",{common}'] += 1

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _head("agentgateway_build", "info", "Version of the data plane")
        yield f'agentgateway_build_info{{tag="{self.version[0]}.{self.version[1]}.0"}} 1'
        yield from _histogram("gen_ai_client_token_usage", "Tokens of each request", self._tokens)
        if self.version >= USD_COUNTER_SINCE:  # no catalog, so no dollars: the family has no series
            yield from _head("agentgateway_gen_ai_client_cost_usd", "counter", "Dollars of all requests", "usd")
        yield from _histogram("gen_ai_server_request_duration", "Duration of each request", self._seconds)
        if self.version >= LOOKUPS_SINCE:
            yield from _head("agentgateway_cost_catalog_lookups", "counter", "Lookups in the catalog")
            for labels, count in self._lookups.items():
                yield f"agentgateway_cost_catalog_lookups_total{{{labels}}} {count}"
        yield "# EOF"


def _head(name: str, kind: str, help_text: str, unit: str = "") -> Iterator[str]:
    yield f"# HELP {name} {help_text}."
    yield f"# TYPE {name} {kind}"
    if unit:
        yield f"# UNIT {name} {unit}"


def _histogram(name: str, help_text: str, series: Mapping[str, Histogram]) -> Iterator[str]:
    yield from _head(f"agentgateway_{name}", "histogram", help_text)
    for labels, histogram in series.items():
        yield from histogram.lines(f"agentgateway_{name}", labels)


def _request_labels(request: Request) -> dict[str, str]:
    namespace, name = request.gateway.namespace, request.gateway.name
    return {
        "gen_ai_operation_name": "chat",
        "gen_ai_system": request.provider,
        "gen_ai_request_model": request.request_model,
        "gen_ai_response_model": request.response_model,
        "bind": f"8080/{namespace}/{name}",
        "gateway": f"{namespace}/{name}",
        "listener": "http",
        "route": f"{namespace}/{request.provider}",
        "route_rule": "unknown",
        **request.labels,
    }


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())

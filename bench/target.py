"""One pod and who scrapes it: its counters, its samples with their staleness markers, and which tokens a scrape saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from bench.fleets import DURATION, GATEWAYS, NAMESPACE, Fleet
from bench.pods import Pod, Watch
from bench.traffic import MODELS, RARE, Model, Request, Usage
from tollbook.gen import names

SCRAPE_INTERVAL = 30

#: The grid on which promtool sees samples, in seconds.
SLOT = 5

#: Scrapes and rules go on for this long after the last request, so that everything visible is counted.
END = DURATION + 300

#: A sample that says: this series has ended.
STALE = None

#: By slot.
Samples = dict[int, int | None]


class Counted(NamedTuple):
    """Names one counter of a pod."""

    model: Model
    token_type: str


@dataclass(frozen=True)
class Series:
    metric: str
    labels: Mapping[str, str]
    samples: Samples


def input_includes_cache(version: tuple[int, int], provider: str) -> bool:
    return version >= (1, 5) or provider in ("openai", "gcp.gemini")


def exported(usage: Usage, model: Model, version: tuple[int, int]) -> Iterator[tuple[str, int]]:
    """What one request adds to the counters of a data plane of this version."""
    cached = usage.cache_read + usage.cache_write
    yield names.INPUT, usage.input + (cached if input_includes_cache(version, model.provider) else 0)
    yield names.OUTPUT, usage.output
    if model.caches and version >= (1, 0):
        yield names.CACHE_READ, usage.cache_read
        yield names.CACHE_WRITE, usage.cache_write


class Target:
    """Runs once through the pod's day."""

    def __init__(self, pod: Pod, fleet: Fleet, random: Random) -> None:
        self.pod, self.fleet, self.random = pod, fleet, random
        self.version = GATEWAYS[pod.gateway]
        self.used: Counter[Counted] = Counter()
        self.observable: Counter[Counted] = Counter()
        self._process: int | None = None
        self._counters: Counter[Counted] = Counter()
        self._seen: Counter[Counted] = Counter()
        """What the last scrape of this process saw, and what the first did, where counters are older than that."""
        self._seen_first: Counter[Counted] = Counter()
        self._answered_before = False
        # By the label that tells watches apart in Prometheus.
        self._up: dict[str, Samples] = defaultdict(dict)
        self._samples: dict[tuple[str, Counted], Samples] = defaultdict(dict)
        self._shown: frozenset[Counted] = frozenset()
        """What Prometheus remembers of the last scrape, to mark what is missing in the next."""

    def run(self, served: Sequence[Request]) -> None:
        waiting = list(reversed(served))
        for watch in self.pod.watches:
            for second in self._scrapes(watch):
                while waiting and waiting[-1].second < second:
                    self._serve(waiting.pop())
                self._scrape(watch, second)
            self._end(watch)
        while waiting:
            self._serve(waiting.pop())
        self._close_process()

    def series(self) -> Iterator[Series]:
        for node, samples in self._up.items():
            yield Series(names.UP, self._target_labels(node), samples)
        for (node, counted), samples in self._samples.items():
            yield Series(names.TOKEN_USAGE_SUM, self._target_labels(node) | self._metric_labels(counted), samples)

    # ---- Requests ------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        self._enter(self.pod.process_at(request.second))
        for token_type, tokens in exported(request.usage, request.model, self.version):
            self._counters[Counted(request.model, token_type)] += tokens
            if request.second >= self.pod.discovered or not self._older_than_monitoring:
                self.used[Counted(request.model, token_type)] += tokens

    @property
    def _older_than_monitoring(self) -> bool:
        return self._process is not None and self.pod.processes[self._process].age_hours > 0

    def _enter(self, process: int | None) -> None:
        if process is not None and process != self._process:
            self._close_process()
            self._process = process
            self._counters = Counter(self._inherited(process))

    def _inherited(self, process: int) -> dict[Counted, int]:
        requests = {model: self.pod.processes[process].age_hours * model.requests_per_hour for model in MODELS}
        return {
            Counted(model, token_type): count * model.typical_input
            for model, count in requests.items()
            for token_type, _ in exported(Usage(1, 1), model, self.version)
            if count and model is not RARE
        }

    def _close_process(self) -> None:
        """What scrapes saw of its counters is final."""
        for counted, value in self._seen.items():
            self.observable[counted] += value - self._seen_first[counted]
        self._seen, self._seen_first = Counter(), Counter()

    # ---- Scrapes -----------------------------------------------------------------------------------------------

    def _scrapes(self, watch: Watch) -> Iterator[int]:
        first = watch.span.start - watch.span.start % SCRAPE_INTERVAL + watch.phase
        for second in range(first, min(watch.span.end, END), SCRAPE_INTERVAL):
            late = self.random.choice((-SLOT, 0, 0, SLOT)) if self.fleet.jitter else 0
            if second + late in watch.span:
                yield second + late

    def _down(self, second: int) -> bool:
        return any(second in span for span in self.fleet.outages)

    def _scrape(self, watch: Watch, second: int) -> None:
        if self._down(second):
            self._shown = frozenset()
            return
        process = self.pod.process_at(second)
        answered = process is not None and self.pod.reachable(second)
        if answered:
            self._enter(process)
            self._see()
        shown = dict(self._counters) if answered else {}
        for counted, value in shown.items():
            self._samples[watch.node, counted][second // SLOT] = value
        self._mark_ended(watch, self._shown - shown.keys(), second // SLOT)
        self._shown = frozenset(shown)
        self._up[watch.node][second // SLOT] = int(answered)

    def _see(self) -> None:
        self._seen = Counter(self._counters)
        if self._older_than_monitoring and not self._answered_before:
            self._seen_first = Counter(self._counters)
        self._answered_before = True

    def _end(self, watch: Watch) -> None:
        """Prometheus marks all series as ended when it drops a target, if it runs then."""
        if watch.span.end < END and self._up[watch.node] and not self._down(watch.span.end):
            slot = max(watch.span.end // SLOT, max(self._up[watch.node]) + 1)
            self._up[watch.node][slot] = STALE
            self._mark_ended(watch, self._shown, slot)
        self._shown = frozenset()

    def _mark_ended(self, watch: Watch, ended: frozenset[Counted], slot: int) -> None:
        for counted in ended:
            self._samples[watch.node, counted][slot] = STALE

    # ---- Labels ------------------------------------------------------------------------------------------------

    def _target_labels(self, node: str) -> dict[str, str]:
        labels = {
            names.JOB: f"monitoring/{NAMESPACE}-{self.pod.gateway}",
            names.INSTANCE: self.pod.instance,
            names.NAMESPACE: NAMESPACE,
            "pod": self.pod.name,
            "container": "agentgateway",
            "endpoint": "metrics",
            names.GATEWAY_NAME_TARGET_LABEL: self.pod.gateway,
        }
        return {**labels, "node": node} if node else labels

    def _metric_labels(self, counted: Counted) -> dict[str, str]:
        model = counted.model
        return {
            names.GATEWAY: f"{NAMESPACE}/{self.pod.gateway}",
            "bind": f"80/{NAMESPACE}/{self.pod.gateway}",
            "listener": "http",
            "route": f"{NAMESPACE}/{model.route}",
            "route_rule": names.UNKNOWN,
            "gen_ai_operation_name": "chat",
            names.PROVIDER: model.provider,
            names.REQUEST_MODEL: model.request_name,
            names.RESPONSE_MODEL: model.response_name,
            names.TOKEN_TYPE: counted.token_type,
        }

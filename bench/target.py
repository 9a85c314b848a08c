"""One pod and who scrapes it: its counters, its samples with their staleness markers, and what of it a scrape saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import NamedTuple

from bench.fleets import DURATION, JOB, NAMESPACE, Fleet
from bench.pods import Pod, Version, Watch
from bench.traffic import MODELS, RARE, Model, Request, Usage
from tollbook.gen import names

SCRAPE_INTERVAL = 30

#: What Prometheus makes of a metric's own `gateway` where the target bears one too.
EXPORTED_GATEWAY = "exported_gateway"

#: The grid on which promtool sees samples, in seconds.
SLOT = 5

#: Scrapes and rules go on for this long after the last request, so that everything visible is counted.
END = DURATION + 300

#: A sample that says: this series has ended.
STALE = None

#: By slot.
Samples = dict[int, int | Decimal | None]

#: Dollars are counted in whole trillionths, so that they are exact.
TRILLION = 10**12
MILLION = 10**6

#: Since this version the gateway counts dollars itself, at the prices of its own catalog: here, those of the spec.
TELLS_DOLLARS = (1, 4)


OPENAI = "openai"


class Counted(NamedTuple):
    """Names one counter of a pod."""

    model: Model
    token_type: str


class Meter:
    """Counts one thing over the processes of a pod, and keeps apart what scrapes saw of it."""

    def __init__(self) -> None:
        self.used: Counter[Counted] = Counter()
        self.observable: Counter[Counted] = Counter()
        self.counters: Counter[Counted] = Counter()
        """Of the process that runs."""
        self._seen: Counter[Counted] = Counter()
        """What the last scrape of this process saw, and what the first did, where counters are older than that."""
        self._seen_first: Counter[Counted] = Counter()

    def begin(self, inherited: Mapping[Counted, int]) -> None:
        self.end()
        self.counters = Counter(inherited)

    def end(self) -> None:
        """What scrapes saw of the process is final."""
        for counted, value in self._seen.items():
            self.observable[counted] += value - self._seen_first[counted]
        self._seen, self._seen_first = Counter(), Counter()

    def add(self, counted: Counted, amount: int, known: bool) -> None:
        """`known`: it is not from the time before monitoring."""
        self.counters[counted] += amount
        if known:
            self.used[counted] += amount

    def see(self, as_first: bool) -> None:
        self._seen = Counter(self.counters)
        if as_first:
            self._seen_first = Counter(self.counters)


class Shown(NamedTuple):
    """Names one series among those that a pod shows in a scrape."""

    metric: str
    model: Model | None = None
    token_type: str = ""


@dataclass(frozen=True)
class Series:
    metric: str
    labels: Mapping[str, str]
    samples: Samples


def input_includes_cache(version: Version, provider: str) -> bool:
    return version >= (1, 5) or provider in (OPENAI, "gcp.gemini")


def exported(usage: Usage, model: Model, version: Version, converted: bool = False) -> Iterator[tuple[str, int]]:
    """What one request adds to the counters of a data plane of this version."""
    cached = usage.cache_read + usage.cache_write
    includes_cache = input_includes_cache(version, model.provider) and not converted
    yield names.INPUT, usage.input + (cached if includes_cache else 0)
    yield names.OUTPUT, usage.output
    if model.caches and version >= (1, 0):
        yield names.CACHE_READ, usage.cache_read
        yield names.CACHE_WRITE, usage.cache_write


class Target:
    """Runs once through the pod's day."""

    def __init__(self, pod: Pod, fleet: Fleet, random: Random) -> None:
        self.pod, self.fleet, self.random = pod, fleet, random
        self.metered = Meter()
        """Tokens in the pod's own meaning of the types."""
        self.billable = Meter()
        """Each token in exactly one type."""
        self.trillionths = Meter()
        """Of dollars, at the price of the moment of each request."""
        self._process: int | None = None
        self._answered_before = False
        # By the label that tells watches apart in Prometheus.
        self._up: dict[str, Samples] = defaultdict(dict)
        self._samples: dict[tuple[str, Shown], Samples] = defaultdict(dict)
        self._shown: frozenset[Shown] = frozenset()
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
        for meter in self._meters:
            meter.end()

    @property
    def _meters(self) -> tuple[Meter, ...]:
        return self.metered, self.billable, self.trillionths

    def series(self) -> Iterator[Series]:
        for node, samples in self._up.items():
            yield Series(names.UP, self._target_labels(node), samples)
        for (node, shown), samples in self._samples.items():
            yield Series(shown.metric, self._target_labels(node) | self._metric_labels(shown), samples)

    # ---- Requests ------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        self._enter(self.pod.process_at(request.second))
        model = request.model
        known = request.second >= self.pod.discovered or not self._older_than_monitoring
        for token_type, tokens in exported(request.usage, model, self.pod.version, self._converted(model)):
            self.metered.add(Counted(model, token_type), tokens, known)
        rates = dict(zip(names.TOKEN_TYPES, self.fleet.rates(model, request.second), strict=True))
        for token_type, tokens in request.usage.tokens.items():
            if not tokens:
                continue
            self.billable.add(Counted(model, token_type), tokens, known)
            self.trillionths.add(Counted(model, token_type), int(tokens * rates[token_type] * MILLION), known)

    def _converted(self, model: Model) -> bool:
        share = self.fleet.converted if model.provider == OPENAI else 0
        return share > 0 and self.random.random() < share

    @property
    def _older_than_monitoring(self) -> bool:
        return self._process is not None and self.pod.processes[self._process].age_hours > 0

    def _enter(self, process: int | None) -> None:
        if process is not None and process != self._process:
            self._process = process
            tokens = self._inherited(process)
            self.metered.begin(tokens)
            self.billable.begin({})
            inputs = (counted for counted in tokens if counted.token_type == names.INPUT)
            self.trillionths.begin({each: int(tokens[each] * each.model.rates[0] * MILLION) for each in inputs})

    def _inherited(self, process: int) -> dict[Counted, int]:
        requests = {model: self.pod.processes[process].age_hours * model.requests_per_hour for model in MODELS}
        return {
            Counted(model, token_type): count * model.typical_input
            for model, count in requests.items()
            for token_type, _ in exported(Usage(1, 1), model, self.pod.version)
            if count and model is not RARE
        }

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
        shown = self._exposition() if answered else {}
        for name, value in shown.items():
            self._samples[watch.node, name][second // SLOT] = value
        self._mark_ended(watch, self._shown - shown.keys(), second // SLOT)
        self._shown = frozenset(shown)
        self._up[watch.node][second // SLOT] = int(answered)

    def _exposition(self) -> dict[Shown, int | Decimal]:
        shown: dict[Shown, int | Decimal] = {Shown(names.BUILD_INFO): 1}
        shown |= {Shown(names.TOKEN_USAGE_SUM, *counted): tokens for counted, tokens in self.metered.counters.items()}
        if self.pod.version >= TELLS_DOLLARS:
            trillionths: Counter[Model] = Counter()
            for (model, _), amount in self.trillionths.counters.items():
                trillionths[model] += amount
            shown |= {Shown(names.REPORTED_USD, model): Decimal(usd) / TRILLION for model, usd in trillionths.items()}
        return shown

    def _see(self) -> None:
        for meter in self._meters:
            meter.see(as_first=self._older_than_monitoring and not self._answered_before)
        self._answered_before = True

    def _end(self, watch: Watch) -> None:
        """Prometheus marks all series as ended when it drops a target, if it runs then."""
        if watch.span.end < END and self._up[watch.node] and not self._down(watch.span.end):
            slot = max(watch.span.end // SLOT, max(self._up[watch.node]) + 1)
            self._up[watch.node][slot] = STALE
            self._mark_ended(watch, self._shown, slot)
        self._shown = frozenset()

    def _mark_ended(self, watch: Watch, ended: frozenset[Shown], slot: int) -> None:
        for name in ended:
            self._samples[watch.node, name][slot] = STALE

    # ---- Labels ------------------------------------------------------------------------------------------------

    def _target_labels(self, node: str) -> dict[str, str]:
        labels = {
            names.JOB: JOB,
            names.INSTANCE: self.pod.instance,
            names.NAMESPACE: NAMESPACE,
            "pod": self.pod.name,
            "container": "agentgateway",
            "endpoint": "metrics",
            names.GATEWAY: f"{NAMESPACE}/{self.pod.gateway}",
        }
        return {**labels, "node": node} if node else labels

    def _metric_labels(self, shown: Shown) -> dict[str, str]:
        model = shown.model
        if model is None:
            return {names.TAG: self.pod.tag}
        token_type = {names.TOKEN_TYPE: shown.token_type} if shown.token_type else {}
        return {
            EXPORTED_GATEWAY: f"{NAMESPACE}/{self.pod.gateway}",
            "bind": f"80/{NAMESPACE}/{self.pod.gateway}",
            "listener": "http",
            "route": f"{NAMESPACE}/{model.route}",
            "route_rule": names.UNKNOWN,
            "gen_ai_operation_name": "chat",
            names.PROVIDER: model.provider,
            names.REQUEST_MODEL: model.request_name,
            names.RESPONSE_MODEL: model.response_name,
            **token_type,
        }

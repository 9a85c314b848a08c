"""Pods over a day's work: when each is a target, runs, restarts, cannot be reached and ends. Knows no requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random

#: Before monitoring began, and later than anything that happens.
LONG_AGO, NEVER = -10_000_000, 10_000_000

#: Of the data plane, major and minor.
Version = tuple[int, int]


@dataclass(frozen=True, order=True)
class Span:
    """Seconds, the end not included."""

    start: int
    end: int

    def __contains__(self, second: int) -> bool:
        return self.start <= second < self.end


@dataclass(frozen=True)
class Process:
    """One run of the container: its counters begin at zero with it."""

    alive: Span
    age_hours: int = 0
    """When monitoring begins: so long has it served already."""


@dataclass(frozen=True)
class Watch:
    """A time in which Prometheus has the pod as a target, whether or not its container runs."""

    span: Span
    phase: int
    """Seconds from a round scrape interval to the scrapes."""
    node: str = ""
    """A label that Prometheus puts on the target, where it is not empty."""


@dataclass(frozen=True)
class Pod:
    gateway: str
    version: Version
    """Decides what its counters mean."""
    tag: str
    """What it tells of its version."""
    name: str
    instance: str
    watches: tuple[Watch, ...]
    processes: tuple[Process, ...]
    unreachable: tuple[Span, ...] = ()

    @property
    def discovered(self) -> int:
        return self.watches[0].span.start

    def process_at(self, second: int) -> int | None:
        """The number of the process that runs then."""
        return next((n for n, process in enumerate(self.processes) if second in process.alive), None)

    def reachable(self, second: int) -> bool:
        return not any(second in span for span in self.unreachable)


class Nursery:
    """Gives every pod of a fleet a name and an address of its own."""

    def __init__(self, random: Random, versions: Mapping[str, Version]) -> None:
        self.random = random
        self.versions = versions
        """What a gateway's pods run where nothing else is told."""
        self._born = 0

    def old(self, gateway: str, discovered: int = 0, age_hours: int = 0, version: Version | None = None) -> Pod:
        """A pod older than its monitoring, which begins when it is discovered; hours or days old if not told."""
        process = Process(Span(LONG_AGO, NEVER), age_hours or self.random.randrange(6, 72))
        return self._pod(gateway, version, discovered, process)

    def new(self, gateway: str, created: int, version: Version | None = None) -> Pod:
        """Prometheus finds a pod when it is created, and scrapes it in vain until its container listens."""
        started = created + self.random.randrange(2, 40)
        return self._pod(gateway, version, created + self.random.randrange(10), Process(Span(started, NEVER)))

    def _pod(self, gateway: str, version: Version | None, discovered: int, process: Process) -> Pod:
        self._born += 1
        major, minor = version = version or self.versions[gateway]
        address = f"10.0.{self._born // 250}.{self._born % 250 + 1}:15020"
        watch = Watch(Span(discovered, NEVER), phase(self.random))
        name = f"{gateway}-{self._born:03d}"
        return Pod(gateway, version, f"v{major}.{minor}.1", name, address, (watch,), (process,))


def phase(random: Random) -> int:
    return random.randrange(0, 30, 5)


def ended(random: Random, pod: Pod, second: int) -> Pod:
    """The pod is asked to stop: it finishes what it has begun, exits, and is a target for a moment longer."""
    exits = second + random.randrange(3, 20)
    dropped = exits + random.randrange(40)
    return replace(
        pod,
        processes=tuple(replace(each, alive=_until(each.alive, exits)) for each in pod.processes),
        watches=tuple(replace(each, span=_until(each.span, dropped)) for each in pod.watches),
    )


def restarted(random: Random, pod: Pod, second: int, down: int | None = None) -> Pod:
    """The container dies in place and comes back after `down` seconds, two to twenty of them if not told."""
    *earlier, last = pod.processes
    back = second + (random.randrange(2, 20) if down is None else down)
    return replace(
        pod, processes=(*earlier, replace(last, alive=_until(last.alive, second)), Process(Span(back, NEVER)))
    )


def cut_off(pod: Pod, spans: Iterable[Span]) -> Pod:
    """It is a target, but its scrapes fail."""
    return replace(pod, unreachable=(*pod.unreachable, *spans))


def forgotten(pod: Pod, away: Span) -> Pod:
    """It is no target for a while, because it is not ready, say."""
    *earlier, last = pod.watches
    after = Watch(Span(away.end, NEVER), last.phase, last.node)
    return replace(pod, watches=(*earlier, replace(last, span=_until(last.span, away.start)), after))


def relabelled(random: Random, pod: Pod, second: int) -> Pod:
    """Prometheus is told to put one more label on its targets: to it, every series is another one from then on."""
    *earlier, last = pod.watches
    after = Watch(Span(second, NEVER), phase(random), "worker-1")
    return replace(pod, watches=(*earlier, replace(last, span=_until(last.span, second)), after))


def _until(span: Span, second: int) -> Span:
    return Span(span.start, min(span.end, second))

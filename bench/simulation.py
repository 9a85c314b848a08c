"""A fleet's day: requests go to pods, scrapes see some of what they count. Out come the samples and the truth."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from bench.fleets import DURATION, GATEWAYS, NAMESPACE, Fleet
from bench.pods import Pod
from bench.target import Meter, Series, Target
from bench.traffic import Request, requests


class Cell(NamedTuple):
    """What a bill is split by."""

    gateway: str
    provider: str
    model: str
    token_type: str


@dataclass(frozen=True)
class Truth:
    used: Counter[Cell] = field(default_factory=Counter)
    observable: Counter[Cell] = field(default_factory=Counter)
    """What any scrape saw, that aside which a counter showed when its monitoring began."""

    def add(self, meter: Meter, gateway: str) -> None:
        for total, part in ((self.used, meter.used), (self.observable, meter.observable)):
            for (model, token_type), amount in part.items():
                total[Cell(f"{NAMESPACE}/{gateway}", model.provider, model.name, token_type)] += amount


@dataclass(frozen=True)
class Day:
    fleet: Fleet
    series: tuple[Series, ...]
    metered: Truth
    """Tokens in the pods' own meaning of the types."""
    billable: Truth
    """Each token in exactly one type."""
    trillionths: Truth
    """Of dollars, at the price of the moment of each request."""


def simulate(fleet: Fleet, seed: int) -> Day:
    random = Random(f"{fleet.name} {seed} traffic")
    metered, billable, trillionths, series = Truth(), Truth(), Truth(), list[Series]()
    for gateway in GATEWAYS:
        pods = [pod for pod in fleet.pods if pod.gateway == gateway]
        tell_cached = all(pod.version >= (1, 0) for pod in pods)
        arrivals = requests(random, DURATION, fleet.bursts[gateway], tell_cached)
        for pod, served in _shared_out(random, pods, arrivals):
            target = Target(pod, fleet, random)
            target.run(served)
            series += target.series()
            metered.add(target.metered, gateway)
            billable.add(target.billable, gateway)
            trillionths.add(target.trillionths, gateway)
    return Day(fleet, tuple(series), metered, billable, trillionths)


def _shared_out(
    random: Random, pods: Sequence[Pod], arrivals: Sequence[Request]
) -> Iterator[tuple[Pod, list[Request]]]:
    """Every request goes to a pod that runs at that second; where none runs, it fails and costs nothing."""
    served: dict[str, list[Request]] = defaultdict(list)
    lives = [process.alive for pod in pods for process in pod.processes]
    changes = sorted({second for alive in lives for second in (alive.start, alive.end)})
    running = [[pod for pod in pods if pod.process_at(second) is not None] for second in changes]
    for request in arrivals:
        if choices := running[bisect_right(changes, request.second) - 1]:
            served[random.choice(choices).name].append(request)
    for pod in pods:
        yield pod, served[pod.name]

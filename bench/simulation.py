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
from bench.target import Counted, Series, Target, input_includes_cache
from bench.traffic import Request, requests
from tollbook.gen import names


class Cell(NamedTuple):
    """What a bill is split by."""

    gateway: str
    provider: str
    model: str
    token_type: str


Tokens = Counter[Cell]


@dataclass(frozen=True)
class Truth:
    used: Tokens = field(default_factory=Counter)
    observable: Tokens = field(default_factory=Counter)
    """What any scrape saw, the tokens aside that a counter showed when its monitoring began."""


@dataclass(frozen=True)
class Day:
    fleet: Fleet
    series: tuple[Series, ...]
    metered: Truth
    """In the gateways' own meaning of the token types."""
    billable: Truth
    """Each token in exactly one type."""


def simulate(fleet: Fleet, seed: int) -> Day:
    random = Random(f"{fleet.name} {seed} traffic")
    metered, series = Truth(), list[Series]()
    for gateway, version in GATEWAYS.items():
        arrivals = requests(random, DURATION, fleet.bursts[gateway], cached=version >= (1, 0))
        pods = [pod for pod in fleet.pods if pod.gateway == gateway]
        for pod, served in _shared_out(random, pods, arrivals):
            target = Target(pod, fleet, random)
            target.run(served)
            series += target.series()
            _add(metered.used, target.used, gateway)
            _add(metered.observable, target.observable, gateway)
    billable = Truth(_each_once(metered.used), _each_once(metered.observable))
    return Day(fleet, tuple(series), metered, billable)


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


def _add(total: Tokens, part: Counter[Counted], gateway: str) -> None:
    for (model, token_type), tokens in part.items():
        total[Cell(f"{NAMESPACE}/{gateway}", model.provider, model.name, token_type)] += tokens


def _each_once(metered: Tokens) -> Tokens:
    """Cached tokens taken off `input` where they are part of it."""
    billable = Counter(metered)
    for cell, tokens in metered.items():
        version = GATEWAYS[cell.gateway.removeprefix(f"{NAMESPACE}/")]
        if cell.token_type in names.CACHE_TYPES and input_includes_cache(version, cell.provider):
            billable[cell._replace(token_type=names.INPUT)] -= tokens
    return billable

"""Who used which model through which pod, minute by minute: made up, and the same whenever and wherever it is asked.

A minute depends on nothing but its number, the seed, and the moment that is called now, around which a few things
happened: an agent ran away, a pod was restarted. So history and simulator tell one story without telling each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

from demo.dated import spec_of
from demo.exposition import AS_USUAL, OK, Timing
from tollbook.gen import names
from tollbook.gen.oracle import Request
from tollbook.gen.spec import Gateway, Spec

MINUTE, HOUR, DAY = 60, 3600, 86_400
WEEK = 7 * DAY
SEED = 2026

#: Pods are rolled out anew at this second of every week, unless told otherwise: Sunday, 03:00 (1970 began on a
#: Thursday).
ROLLOUT = 3 * DAY + 3 * HOUR

#: Seconds before now.
RUNAWAY = range(4 * HOUR, 5 * HOUR)
RESTARTED_BEFORE = 7 * HOUR
RESTARTED_POD = "internal-6c9f-q2w8r"

RATE_LIMITED, FAILED = 429, 503


@dataclass(frozen=True)
class Pod:
    name: str
    gateway: Gateway


@dataclass(frozen=True)
class Call:
    """Some requests, all alike, that ended in the same second."""

    second: int
    pod: Pod
    request: Request
    count: int
    timing: Timing = AS_USUAL
    status: int = OK


@dataclass(frozen=True)
class Workload:
    """What one team asks of one model through one pod. Tokens are those of an average request."""

    pod: int
    team: str
    model: tuple[str, str, str]
    """Provider, request model, response model."""
    per_minute: float
    rhythm: Callable[[int], float]
    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    stream: bool = True
    long_share: float = 0
    """Of how many minutes the requests carry whole documents."""


def office(second: int) -> float:
    """Few at night, fewer on weekends."""
    hour, weekday = second // HOUR % 24, (second // DAY + 3) % 7
    busy = 1.0 if 8 <= hour < 18 else 0.35 if 6 <= hour < 22 else 0.08
    return busy * (0.25 if weekday >= 5 else 1)


def shop(second: int) -> float:
    """Customers come in the evening, and on weekends."""
    hour, weekday = second // HOUR % 24, (second // DAY + 3) % 7
    return (1.0 if 16 <= hour < 22 else 0.6 if 8 <= hour < 24 else 0.2) * (1.3 if weekday >= 5 else 1)


def nightly(second: int) -> float:
    return 1.0 if 1 <= second // HOUR % 24 < 4 else 0.04


SONNET = ("anthropic", "claude-sonnet-5-5", "claude-sonnet-5-5-20260928")
HAIKU = ("anthropic", "claude-haiku-5-5", "claude-haiku-5-5")
GPT = ("openai", "gpt-4o", "gpt-4o-2024-08-06")
MINI = ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
#: In nobody's list of prices.
PREVIEW = ("openai", "gpt-next-preview", "gpt-next-preview-0901")
GEMINI = ("gcp.gemini", "gemini-2.5-pro", "gemini-2.5-pro")
#: A stream that tells no model.
LLAMA = ("ollama", "llama3.3", names.UNKNOWN)

#: Gateway, pod.
PODS = (
    ("public", "public-7d4b-x2x1z"),
    ("public", "public-7d4b-k9m4t"),
    ("internal", RESTARTED_POD),
    ("batch", "batch-5f77-h3n6v"),
)

WORKLOADS = (
    Workload(0, "checkout", HAIKU, 4, shop, 900, 260, 2800, 150),
    Workload(1, "checkout", PREVIEW, 0.3, shop, 500, 300),
    Workload(1, "support", SONNET, 2, office, 1200, 500, 6000, 400),
    Workload(0, "support", MINI, 3, office, 1800, 240, 900, stream=False),
    Workload(1, names.UNKNOWN, MINI, 1, shop, 700, 200),
    Workload(2, "search", GPT, 1, office, 2200, 420, 1200),
    Workload(2, "search", MINI, 5, shop, 1100, 90, 400, stream=False),
    Workload(2, "research", GEMINI, 0.25, office, 28_000, 1800, 6000, long_share=0.12),
    Workload(2, "research", LLAMA, 1, office, 1500, 700),
    Workload(3, "search", GPT, 3, nightly, 3000, 250, stream=False),
    Workload(3, "research", GEMINI, 0.5, nightly, 36_000, 900, long_share=0.08),
    Workload(3, "support", HAIKU, 1.5, nightly, 5000, 300, 1200, 300, stream=False),
)
AGENT = Workload(2, "search", SONNET, 14, lambda _: 1.0, 4000, 900, 26_000, 2500)

#: The context that a document makes, in tokens of `input`.
DOCUMENT = 240_000


@dataclass(frozen=True)
class Fleet:
    spec: Spec
    now: int
    rollout: int = ROLLOUT

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        gateways = {gateway.name: gateway for gateway in self.spec.gateways}
        return tuple(Pod(name, gateways[gateway]) for gateway, name in PODS)

    def calls(self, minute: int) -> Iterator[Call]:
        """Those that ended after the minute began, up to the moment when it ends."""
        random = Random(SEED * 2**32 + minute)
        for workload in WORKLOADS:
            yield from self._calls(random, workload, minute)
        if self.now - (minute + 1) * MINUTE in RUNAWAY:
            yield from self._calls(random, AGENT, minute)

    def _calls(self, random: Random, workload: Workload, minute: int) -> Iterator[Call]:
        rate = workload.per_minute * workload.rhythm(minute * MINUTE)
        count = int(rate * random.uniform(0.5, 1.5) + random.random())
        if not count:
            return
        pod = self.pods[workload.pod]
        second = minute * MINUTE + 1 + random.randrange(MINUTE)
        request = self._request(random, workload, pod)
        yield Call(second, pod, request, count, _timing(random, workload, request))
        trouble = random.random()
        if trouble < 0.02:
            yield Call(second, pod, request, 1, status=RATE_LIMITED if trouble < 0.014 else FAILED)

    def _request(self, random: Random, workload: Workload, pod: Pod) -> Request:
        size = random.uniform(0.4, 1.6)
        document = DOCUMENT if random.random() < workload.long_share else 0
        provider, asked_for, answered = workload.model
        return Request(
            pod.gateway,
            provider,
            asked_for,
            answered,
            input=document + int(workload.input * size),
            output=int(workload.output * random.uniform(0.4, 1.6)),
            cache_read=int(workload.cache_read * size),
            cache_write=int(workload.cache_write * size),
            labels={"team": workload.team},
        )

    def calls_between(self, after: int, until: int) -> Iterator[Call]:
        """Those that ended later than one second and not later than the other, in the order in which they ended."""
        for minute in range(after // MINUTE, -(-until // MINUTE)):
            calls = sorted(self.calls(minute), key=lambda call: call.second)
            yield from (call for call in calls if after < call.second <= until)

    def rolled_out(self, second: int) -> int:
        """When it was for the last time."""
        return second - (second - self.rollout) % WEEK

    def restarts(self, pod: Pod, after: int, until: int) -> list[int]:
        """When the pod's process began anew, its counters at zero."""
        first = self.rolled_out(after)
        moments = [*range(first, until + 1, WEEK)]
        if pod.name == RESTARTED_POD:
            moments.append(self.now - RESTARTED_BEFORE)
        return sorted(moment for moment in moments if after < moment <= until)


def fleet_of(now: int) -> Fleet:
    return Fleet(spec_of(now), now)


def _timing(random: Random, workload: Workload, request: Request) -> Timing:
    per_token = random.lognormvariate(0, 0.3) * (0.008 if workload.model in (MINI, HAIKU) else 0.02)
    first = random.lognormvariate(0, 0.5) * (0.4 + request.input / 60_000)
    seconds = first + per_token * request.output
    return Timing(seconds, first, per_token) if workload.stream else Timing(seconds)

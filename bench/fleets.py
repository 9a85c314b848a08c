"""The fleets: named stories of three gateways over eight hours. The same name and seed always tell the same story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from bench.pods import Nursery, Pod, Span, Version, cut_off, ended, forgotten, relabelled, restarted
from bench.traffic import HOUR_SECONDS, Burst, Model, Rates, usd

NAMESPACE = "kgateway-system"

#: Of the spec, whose job all gateways share.
SPEC_NAMESPACE, SPEC_NAME = "monitoring", "agentgateway-cost"
JOB = f"{SPEC_NAMESPACE}/{SPEC_NAME}"

#: Name and data-plane version: one for each meaning that `input` has had.
GATEWAYS: dict[str, Version] = {"agentgateway1": (1, 5), "agentgateway2": (1, 4), "agentgateway3": (0, 11)}

#: Where the bench is at home: promtool's clock begins at 1970-01-01T00:00Z, and midnight is four hours later here.
TIMEZONE, MIDNIGHT = "Etc/GMT+4", 4 * HOUR_SECONDS

MINUTE = 60
DURATION = 8 * HOUR_SECONDS
REPLICAS = 3


@dataclass
class Fleet:
    """Only stories change it."""

    name: str
    pods: list[Pod] = field(default_factory=list)
    bursts: dict[str, list[Burst]] = field(default_factory=lambda: {gateway: [] for gateway in GATEWAYS})
    outages: tuple[Span, ...] = ()
    """Prometheus is down: it neither scrapes nor evaluates, and marks no series as ended."""
    paused: tuple[Span, ...] = ()
    """Rules are not evaluated, although scrapes go on."""
    jitter: bool = False
    """Scrapes come up to five seconds early or late."""
    spec_versions: Mapping[str, Version] = field(default_factory=lambda: GATEWAYS)
    """What the spec says that the gateways run."""
    new_rates: Mapping[str, Rates] = field(default_factory=dict)
    """By model: what it costs from a moment on, which to the spec is local midnight."""
    new_rates_from: int = MIDNIGHT
    converted: float = 0.0
    """Share of the requests to OpenAI that are asked in another format, and counted without their cached tokens as
    `input`."""

    def rates(self, model: Model, second: int) -> Rates:
        return self.new_rates.get(model.name, model.rates) if second >= self.new_rates_from else model.rates


Story = Callable[[Random, Nursery, Fleet], None]


def steady(_: Random, nursery: Nursery, fleet: Fleet) -> None:
    """nothing happens but traffic"""
    fleet.pods += _old_pods(nursery)


def rolling(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """each gateway is deployed anew six times, pod by pod"""
    for gateway in GATEWAYS:
        running = [nursery.old(gateway) for _ in range(REPLICAS)]
        for deploy in range(6):
            second = (20 + deploy * 75) * MINUTE + random.randrange(30 * MINUTE)
            for place, old in enumerate(running):
                new = nursery.new(gateway, second)
                second = new.processes[0].alive.start + random.randrange(5, 30)
                fleet.pods.append(ended(random, old, second))
                running[place] = new
        fleet.pods += running


def bursts(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """an autoscaler answers bursts of traffic with pods that live for minutes"""
    for gateway in GATEWAYS:
        fleet.pods += [nursery.old(gateway) for _ in range(2)]
        for start in _now_and_then(random, 40 * MINUTE):
            length = random.randrange(3 * MINUTE, 12 * MINUTE)
            fleet.bursts[gateway].append(Burst(start, start + length, 5.0))
            for _ in range(4):
                pod = nursery.new(gateway, start + random.randrange(20, 90))
                fleet.pods.append(ended(random, pod, start + length + random.randrange(2 * MINUTE)))


def restarts(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """containers die and come back in place, some again and again with ever longer pauses"""
    for stable in _old_pods(nursery):
        pod = stable
        for second in _now_and_then(random, 60 * MINUTE):
            pod = restarted(random, pod, second)
            if random.random() < 0.25:
                pod = _crash_looped(random, pod, second)
        fleet.pods.append(pod)


def unreachable(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """targets cannot be scraped, or are no targets, for half a minute up to forty; some restart meanwhile"""
    for stable in _old_pods(nursery):
        away = [Span(second, second + _time_away(random)) for second in _now_and_then(random, 70 * MINUTE)]
        pod = forgotten(stable, away.pop(random.randrange(len(away))))
        if random.random() < 0.4:
            pod = restarted(random, pod, away[1].start + 20)
        fleet.pods.append(cut_off(pod, away))


def outage(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """Prometheus is down for eleven minutes; meanwhile pods restart, end and begin"""
    start = 3 * HOUR_SECONDS + random.randrange(MINUTE)
    fleet.outages = (Span(start, start + 11 * MINUTE),)
    for gateway in GATEWAYS:
        first, second, third = (nursery.old(gateway) for _ in range(REPLICAS))
        fleet.pods += [
            restarted(random, first, start + 4 * MINUTE),
            ended(random, second, start + random.randrange(2, 9) * MINUTE),
            nursery.new(gateway, start + random.randrange(1, 8) * MINUTE),
            third,
        ]


def veterans(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """counters stand at hundreds of millions when monitoring begins; a gateway is added after two hours, a label of
    all targets after six; scrapes are not punctual"""
    fleet.jitter = True
    late = list(GATEWAYS)[-1]
    for gateway in GATEWAYS:
        since = 2 * HOUR_SECONDS if gateway == late else 0
        first, *others = (nursery.old(gateway, since, age_hours=2500) for _ in range(REPLICAS))
        pods = [restarted(random, first, 5 * HOUR_SECONDS), *others]
        fleet.pods += [relabelled(random, pod, 6 * HOUR_SECONDS + 20) for pod in pods]


def turmoil(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """bursts, restarts, deployments, unreachable targets and an outage on one day"""
    bursts(random, nursery, fleet)
    restarts(random, nursery, fleet)
    rolling(random, nursery, fleet)
    fleet.outages = (Span(4 * HOUR_SECONDS + 7, 4 * HOUR_SECONDS + 7 + 11 * MINUTE),)
    for place, pod in enumerate(fleet.pods):
        second = random.randrange(20 * MINUTE, 7 * HOUR_SECONDS)
        if random.random() < 0.2:
            fleet.pods[place] = cut_off(pod, [Span(second, second + _time_away(random))])


def repriced(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """at midnight, two models become dearer and one becomes cheaper, while each gateway is deployed anew"""
    fleet.new_rates = {
        "claude-3-5-haiku": usd("1.00", "5.00", "0.10", "1.25"),
        "gpt-4o": usd("5", "15", "2.50", "5"),
        "nova-pro": usd("0.40", "1.60", "0.10", "0.40"),
    }
    for gateway in GATEWAYS:
        second = MIDNIGHT - 2 * MINUTE + random.randrange(MINUTE)
        for _ in range(REPLICAS):
            new = nursery.new(gateway, second)
            second = new.processes[0].alive.start + random.randrange(5, 30)
            fleet.pods += [ended(random, nursery.old(gateway), second), new]


def upgraded(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """pods of 1.4 give way to pods of 1.5, one every half hour, while the spec says 1.4 or 1.5 all along; a third
    gateway has run 1.5 since before the spec says so, but for one pod that tells no version"""
    ahead, upgrading, announced = GATEWAYS
    fleet.spec_versions = {ahead: (1, 4), upgrading: (1, 4), announced: (1, 5)}
    untold = replace(nursery.old(ahead, version=(1, 4)), tag="main")
    fleet.pods += [untold, *(nursery.old(ahead, version=(1, 5)) for _ in range(2))]
    for gateway in (upgrading, announced):
        for number in range(REPLICAS):
            second = 3 * HOUR_SECONDS + number * 30 * MINUTE + random.randrange(10 * MINUTE)
            new = nursery.new(gateway, second, version=(1, 5))
            away = Span(second + 15 * MINUTE, second + 15 * MINUTE + _time_away(random))
            old = nursery.old(gateway, version=(1, 4))
            fleet.pods += [ended(random, old, second + random.randrange(30, 60)), cut_off(new, [away])]


def lost(_: Random, nursery: Nursery, fleet: Fleet) -> None:
    """two pods in nine are out of sight for longer than the gap of an hour: one cannot be scraped, one is no target"""
    first, second, *others = _old_pods(nursery)
    away = Span(2 * HOUR_SECONDS, 2 * HOUR_SECONDS + 90 * MINUTE)
    fleet.pods += [cut_off(first, [away]), forgotten(second, away), *others]


def stopped(_: Random, nursery: Nursery, fleet: Fleet) -> None:
    """Prometheus is down for two minutes, four times"""
    fleet.pods += _old_pods(nursery)
    starts = [hour * HOUR_SECONDS + hour * 13 for hour in (2, 3, 5, 6)]
    fleet.outages = tuple(Span(start, start + 2 * MINUTE) for start in starts)


def paused(_: Random, nursery: Nursery, fleet: Fleet) -> None:
    """rules are not evaluated for eleven minutes, although scrapes go on"""
    fleet.pods += _old_pods(nursery)
    start = 4 * HOUR_SECONDS + 7
    fleet.paused = (Span(start, start + 11 * MINUTE),)


def killed(random: Random, nursery: Nursery, fleet: Fleet) -> None:
    """under twelve times the load each container is killed every minute or two for a quarter of an hour, three times:
    its new counters often pass the old ones before they are looked at"""
    starts = [hour * HOUR_SECONDS + random.randrange(MINUTE) for hour in (1, 3, 5)]
    for gateway in GATEWAYS:
        fleet.bursts[gateway] += [Burst(start, start + 16 * MINUTE, 12.0) for start in starts]
    for stable in _old_pods(nursery):
        pod = stable
        for start in starts:
            second = start + random.randrange(MINUTE)
            while second < start + 15 * MINUTE:
                pod = restarted(random, pod, second, down=random.randrange(1, 6))
                second += random.randrange(45, 150)
        fleet.pods.append(pod)


def converted(_: Random, nursery: Nursery, fleet: Fleet) -> None:
    """all that OpenAI serves is asked for in Messages format and not streamed: `input` lacks the cached tokens, which
    the provider's format includes"""
    fleet.pods += _old_pods(nursery)
    fleet.converted = 1.0


def mixed(_: Random, nursery: Nursery, fleet: Fleet) -> None:
    """the same, but every second of these requests is streamed, and counted as the format says"""
    fleet.pods += _old_pods(nursery)
    fleet.converted = 0.5


#: What happens to fleets, and must not cost accuracy.
STORIES: tuple[Story, ...] = (
    *(steady, rolling, bursts, restarts, unreachable, outage, veterans, turmoil),
    *(repriced, upgraded),
)

#: What does cost accuracy.
LIMITS: tuple[Story, ...] = (lost, stopped, paused, killed, converted, mixed)


def fleet_of(story: Story, seed: int) -> Fleet:
    random = Random(f"{story.__name__} {seed}")
    fleet = Fleet(story.__name__)
    story(random, Nursery(random, GATEWAYS), fleet)
    return fleet


def _old_pods(nursery: Nursery) -> Iterator[Pod]:
    for gateway in GATEWAYS:
        for _ in range(REPLICAS):
            yield nursery.old(gateway)


def _now_and_then(random: Random, every: int) -> list[int]:
    """Moments, one in each stretch of `every` seconds; none in the first twenty minutes, none near the end."""
    starts = range(20 * MINUTE, DURATION - every - 20 * MINUTE, every)
    return [start + random.randrange(every // 3) for start in starts]


def _crash_looped(random: Random, pod: Pod, second: int) -> Pod:
    for down in (10, 20, 40, 80):
        second += 120 + down
        pod = restarted(random, pod, second, down)
    return pod


def _time_away(random: Random) -> int:
    return random.choice((30, 60, 90, 4 * MINUTE, 12 * MINUTE, 40 * MINUTE))

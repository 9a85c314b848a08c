"""What a pod and its counters may have been through, and how much of it a step bills: outages, returns, late starts,
new labels. Each ends in the one step that is evaluated, so that hours of it cost no more than minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.promtest import absent, constant, values
from tollbook.gen.spec import Spec

#: Since when a target may be known and still be new, since when its fleet must be, and when a target is forgotten.
_STARTING, _WATCHED, _REMEMBERED = Duration.parse("10m"), Duration.parse("15m"), Duration.parse("1d")

#: What may change on a target while its pod runs on.
_PASSING = ("namespace", "container", "endpoint", "node", "service", names.GATEWAY_NAME_TARGET_LABEL)


@dataclass(frozen=True)
class Life:
    """One series: its values in promtool's notation, and labels besides those of its pod."""

    seen: str
    labels: dict[str, str] = field(default_factory=dict)
    pod: str = "pod"


@dataclass(frozen=True)
class History:
    name: str
    billed: int
    up: tuple[Life, ...]
    counter: tuple[Life, ...]
    tells_version: bool = False
    """Or else what its tokens mean is known while it shows any."""


@dataclass(frozen=True)
class Grid:
    """Samples so far apart; `last` is the last one of the step that is evaluated."""

    spec: Spec
    end: Duration
    every: Duration

    @property
    def last(self) -> int:
        return (self.end - self.spec.prometheus.settle).milliseconds // self.every.milliseconds

    @property
    def in_step(self) -> int:
        """How many samples lie in it."""
        return self.spec.prometheus.step.milliseconds // self.every.milliseconds

    def within(self, duration: Duration) -> int:
        """How many samples lie certainly within this time before the step."""
        return duration.milliseconds // self.every.milliseconds - 4

    def beyond(self, duration: Duration) -> int:
        return duration.milliseconds // self.every.milliseconds + 6

    def line(self, *ending: str | tuple[str, int], since: int = 0) -> str:
        """These samples at the end, each of them once or so many times, and none before; `since`: so many of them come
        when the step is over, and count in the next one."""
        runs = [(part, 1) if isinstance(part, str) else part for part in ending]
        text = [absent(count) if value == "_" else _run(value, count) for value, count in runs if count > 0]
        return values(absent(self.last + 1 + since - sum(count for _, count in runs if count > 0)), *text)


def _run(value: str, count: int) -> str:
    return " ".join([value] * count) if value == "stale" else constant(int(value), count)


def histories(grid: Grid) -> Iterator[History]:
    yield from _within_the_step(grid)
    yield from _outages(grid)
    yield from _returns(grid)
    yield from _fleets(grid)
    yield from _labels(grid)
    yield from _clusters(grid)


def _within_the_step(grid: Grid) -> Iterator[History]:
    always = (Life(grid.line(("1", 40))),)
    old = ("5000", 20)
    yield History("reset", 1200, always, (Life(grid.line(old, "5500", "700")),))
    yield History("ended", 600, always, (Life(grid.line(old, "5600", "stale")),))
    yield History("reset-and-ended", 70, always, (Life(grid.line(old, "70", "stale")),))
    yield History("risen-twice", 300, always, (Life(grid.line(old, "5100", "5300")),))
    yield History("reset-again", 700, always, (Life(grid.line(("9000", 20), "5000", "700", "700")),))
    yield History("born", 450, always, (Life(grid.line("450")),))
    yield History("born-and-risen", 600, always, (Life(grid.line("450", "600")),))
    yield History("ended-before", 0, always, (Life(grid.line(old, "stale", ("_", 2))),), tells_version=True)
    yield History("back-while-watched", 6000, always, (Life(grid.line(old, "stale", ("_", 3), "6000", "6000")),))


def _outages(grid: Grid) -> Iterator[History]:
    gap = grid.spec.prometheus.gap
    short, long = grid.within(gap), grid.beyond(gap)
    for name, down, billed, born in (("back", short, 1000, 450), ("back-late", long, 0, 0)):
        up = (Life(grid.line(("1", 20), ("0", down), "1", "1")),)
        away = "stale", ("_", down - 1)
        yield History(name, billed, up, (Life(grid.line(("600", 19), "5000", *away, "6000", "6000")),))
        restarted = Life(grid.line(("600", 19), "5000", *away, "650", "650"))
        yield History(f"restarted-{name}", billed and 650, up, (restarted,))
        yield History(f"born-{name}", born, up, (Life(grid.line("450", "450")),))
    yield History(
        "back-without-series",
        6000,
        (Life(grid.line(("1", 20), ("0", 6), "1", "1", "1")),),
        (Life(grid.line(("5000", 20), "stale", ("_", 6), "6000", "6000")),),
    )
    up = (Life(grid.line(("1", long), ("0", 6), "1", "1")),)
    yield History("begun-anew", 450, up, (Life(grid.line(("5000", 20), "stale", ("_", long), "450", "450")),))
    up = (Life(grid.line(("1", 20), "0", "1", "1")),)
    yield History("back-at-once", 1000, up, (Life(grid.line(("600", 19), "5000", "stale", "6000", "6000")),))
    yield History("restarted-at-once", 650, up, (Life(grid.line(("600", 19), "5000", "stale", "650", "650")),))
    old, new = grid.line(("5000", 20), "stale", ("_", short + 1)), grid.line("6000", "6000")
    moved = tuple(Life(seen, {"node": node}) for seen, node in ((old, "a"), (new, "b")))
    yield History("back-elsewhere", 0, (Life(grid.line(("1", 20), ("0", short), "1", "1")),), moved)
    hardly_known = grid.line("5000", "stale", "_", "_"), grid.line("6000", "6000")
    moved = tuple(Life(seen, {"node": node}) for seen, node in zip(hardly_known, "ab", strict=True))
    yield History("hardly-known-and-back-elsewhere", 0, up, moved)


def _returns(grid: Grid) -> Iterator[History]:
    """On a fleet that has long been watched."""
    fleet = Life(grid.line(("1", grid.beyond(_WATCHED) * 2)), pod="other")
    counter = (Life(grid.line("700", "700")),)
    for name, failed, billed in (("starting", grid.within(_STARTING), 700), ("stuck", grid.beyond(_STARTING), 0)):
        yield History(name, billed, (fleet, Life(grid.line(("0", failed), "1", "1"))), counter)
    yield History("joined", 700, (fleet, Life(grid.line("1"))), (Life(grid.line("700")),))
    returned = Life(grid.line(("1", 20), "stale", ("_", grid.within(grid.spec.prometheus.gap)), "1", "1"))
    yield History("returned", 700, (fleet, returned), counter)
    day = Duration(_REMEMBERED.milliseconds + _STARTING.milliseconds)
    for name, away, billed in (("known", grid.within(day), 0), ("forgotten", grid.beyond(day), 700)):
        up = Life(grid.line(("1", 10), "stale", ("_", away - 1), "1", "1"))
        yield History(name, billed, (fleet, up), counter)


def _fleets(grid: Grid) -> Iterator[History]:
    """A new pod, beside another one that was first seen, or last, so long ago."""
    pod, counter = Life(grid.line("1", "1")), (Life(grid.line("800", "800")),)
    last = Duration(_WATCHED.milliseconds + grid.spec.prometheus.gap.milliseconds)
    for name, since, billed in (("watched", grid.beyond(_WATCHED), 800), ("installed", grid.within(_WATCHED), 0)):
        yield History(name, billed, (Life(grid.line(("1", since + 2)), pod="other"), pod), counter)
    namesake = Life(grid.line(("1", grid.beyond(_WATCHED) * 2)), {names.GATEWAY: "elsewhere"}, pod="other")
    yield History("namesake", 0, (namesake, pod), counter)
    for name, away, billed in (("all-new", grid.within(last), 800), ("all-new-late", grid.beyond(last), 0)):
        other = Life(grid.line(("1", 10), "stale", ("_", away + 1)), pod="other")
        yield History(name, billed, (other, pod), counter)


def _labels(grid: Grid) -> Iterator[History]:
    """What changes within the step: a label of the target, and so of all its series; or the pod at an address."""
    before, after = grid.line(("1", 20), "stale", "_"), grid.line("1", "1")
    old, new = grid.line(("5000", 20), "stale", "_"), grid.line("6000", "6000")
    yield from _relabelled(grid)
    pods = tuple({"pod": pod} for pod in ("p", "q"))
    yield History(
        "replaced", 6000, (Life(before, pods[0]), Life(after, pods[1])), (Life(old, pods[0]), Life(new, pods[1]))
    )
    old_ends = grid.line(("5000", 19), "5000", "5200", "stale")
    yield History(
        "replaced-in-time",
        900,
        (Life(grid.line(("1", 20), "1", "stale"), pods[0]), Life(grid.line("1"), pods[1])),
        (Life(old_ends, pods[0]), Life(grid.line("700"), pods[1])),
    )
    always = (Life(grid.line(("1", 40))),)
    hardly_known = (Life(grid.line("5000", "5000", "stale", "_"), {"node": "a"}), Life(new, {"node": "b"}))
    yield History("passing-hardly-known", 0, always, hardly_known)
    for label in _PASSING:
        passing = tuple(Life(seen, {label: value}) for seen, value in ((old, "a"), (new, "b")))
        yield History(f"passing-{label}", 0, always, passing)


def _relabelled(grid: Grid) -> Iterator[History]:
    """The same pod under another label of its target: at once, after a while, and when it was hardly known."""
    away, long = grid.within(grid.spec.prometheus.gap), grid.beyond(grid.spec.prometheus.gap)
    for name, known, gone, seen in (
        ("at-once", 20, (), 1),
        ("in-time", 20, ("_",), 2),
        ("late", 20, (("_", away),), 2),
        ("hardly-known", 2, ("_",), 2),
    ):
        old, new = ({"pod": "p", "zone": zone} for zone in ("a", "b"))
        up = Life(grid.line(("1", known), "stale", *gone), old), Life(grid.line(("1", seen)), new)
        counter = Life(grid.line(("5000", known), "stale", *gone), old), Life(grid.line(("6000", seen)), new)
        yield History(f"relabelled-{name}", 0, up, counter)
    up, counter = (
        (
            Life(grid.line((first, 20), "stale", ("_", long), last, last), {"pod": "p", "zone": "a"}),
            Life(grid.line((between, away), "stale", "_"), {"pod": "p", "zone": "b"}),
        )
        for first, between, last in (("1", "1", "1"), ("4000", "5000", "6000"))
    )
    yield History("relabelled-back", 0, up, counter)


def _clusters(grid: Grid) -> Iterator[History]:
    """Another cluster has a target of the same name: it is not this one."""
    keep_labels = grid.spec.prometheus.keep_labels
    if not keep_labels:
        return
    other = {keep_labels[0]: f"other-{keep_labels[0]}"}
    long_ago = grid.line(("1", grid.beyond(_WATCHED) * 2))
    twin, fleet = Life(long_ago, other), Life(long_ago, pod="other")
    joined = Life(grid.line("1", "1"))
    yield History("twin-known", 0, (twin, joined), (Life(grid.line("800", "800")),))
    yield History("twin-joined", 800, (twin, fleet, joined), (Life(grid.line("800", "800")),))
    down = Life(grid.line(("1", 20), ("0", 4), "1", "1"))
    back = Life(grid.line(("5000", 20), "stale", ("_", 3), "6000", "6000"))
    yield History("twin-down", 1000, (twin, down), (back,))
    moved = {"node": "a"}, {"node": "b"}
    old, new = grid.line(("5000", 20), "stale", ("_", 5)), grid.line("6000", "6000")
    yield History("twin-elsewhere", 0, (twin, down), (Life(old, moved[0]), Life(new, moved[1])))
    zones = ({**other, "zone": zone} for zone in ("a", "b"))
    seen = grid.line(("1", 20), "stale"), grid.line("1")
    relabelled = tuple(Life(up, zone) for up, zone in zip(seen, zones, strict=True))
    born = (Life(grid.line("450", "450")),)
    yield History("twin-relabelled", 450, (*relabelled, Life(grid.line(("1", 40)))), born)
    restarted = Life(grid.line(("600", 19), "5000", "stale", ("_", 3), "650", "700"))
    yield History("twin-restarted", 700, (twin, down), (restarted,))


def edges(grid: Grid) -> Iterator[History]:
    """Scrapes while a step settles, which is when it has ended for what they see; and a pod that came and went."""
    always = (Life(grid.line(("1", 60), since=2)),)
    old = ("5000", 20)
    yield History("risen-late", 300, always, (Life(grid.line(old, "5300", "9000", "9000", since=2)),))
    yield History("reset-late", 700, always, (Life(grid.line(old, "700", "9000", "9000", since=2)),))
    yield History("reset-at-last", 1300, always, (Life(grid.line(old, "5000", "5600", "700")),))
    yield History("born-late", 0, always, (Life(grid.line("450", "450", since=2)),))
    fleet = Life(grid.line(("1", grid.beyond(_WATCHED) * 2)), pod="other")
    gone = "stale", ("_", grid.in_step - 2)
    yield History("came-and-went", 800, (fleet, Life(grid.line("1", *gone))), (Life(grid.line("800", *gone)),))
    up, counter = (
        (
            Life(grid.line((first, 20), *gone, "_"), {"pod": "p", "zone": "a"}),
            Life(grid.line(last, *gone), {"pod": "p", "zone": "b"}),
        )
        for first, last in (("1", "1"), ("5000", "6000"))
    )
    yield History("relabelled-and-gone", 0, up, counter)

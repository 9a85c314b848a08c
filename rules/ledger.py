"""The ledger: what every counter rose by in each step, exact by telescoping (docs/accuracy.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    both,
    call,
    either,
    either_ignoring,
    none_of,
    one_of,
    over_time,
    scalar,
    series,
    sum_by,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules import booking
from tollbook.rules.facts import instances
from tollbook.rules.selectors import (
    REMEMBERED,
    Stage,
    existing,
    foreign_jobs,
    pod,
    recorded,
    scraped,
    settled,
    step_end,
    target,
)

#: A target is new for this long after its discovery: scrapes fail until its container listens, and the first one that
#: succeeds shows what was used since.
STARTING = Duration.parse("10m")

#: By how much longer a fleet must have been watched than a new target: without it the first scrapes after installation
#: would bill every token since the pods started.
WATCHED_BEFORE = Duration.parse("5m")

#: Target labels that may change while the pod runs on: a series that differs only in these from one that was there
#: before was not born.
PASSING_LABELS = (names.NAMESPACE, "container", "endpoint", "node", "service", names.GATEWAY_NAME_TARGET_LABEL)

NOTE = "What the counters rose by in one step: risen, or reset, or born on a target that was watched before."


def rules(spec: Spec) -> tuple[Recording, ...]:
    by = (*pod(spec), names.FORMAT, names.SEMANTICS, *booking.MODEL_LABELS, names.TOKEN_TYPE)
    counter = scraped(spec, names.TOKEN_USAGE_SUM)
    return (
        Recording(
            names.TARGET_MAY_BEAR,
            _may_bear(spec),
            note="Targets whose new series began at zero: watched before, or a new pod of a gateway that was.",
        ),
        Recording(names.metered_tokens(spec.prometheus.step), metered(spec, counter, by), note=NOTE),
    )


def metered(spec: Spec, counter: Selector, by: Sequence[str]) -> Expr:
    """What a counter rose by, summed by these labels and those under which the owner is booked."""
    increments = booking.own_labels(spec, Increment(spec, counter).expr())
    booked = recorded(spec, series(names.USAGE_BOOKED), of=Stage.BOOKED, at=Stage.METERED)
    labels = (*booking.booked_labels(spec), names.FORMAT, names.SEMANTICS, *booking.MODEL_LABELS)
    placed = binary(increments, "*", booked, on=booking.identity(spec), group_left=labels)
    return sum_by((*booking.placed(spec), *by), placed)


@dataclass(frozen=True)
class Increment:
    """The formula, a part a method. `counter` is any cumulative metric that the counted jobs scrape."""

    spec: Spec
    counter: Selector

    def expr(self) -> Expr:
        risen = call("clamp_min", binary(self._highest(), "-", self._base()), "0")
        restarted = binary(self._current(), "*", binary(self._current(), "< bool", self._base()))
        # A pod that shows NaN or infinity counts nothing: one of these would make every total the same.
        return binary(binary(risen, "+", restarted), "<", Expr("Inf"))

    def _highest(self) -> Expr:
        """Before a reset within the step, the last value of the old process; else the current value."""
        return over_time("max", self.counter, self.spec.prometheus.step, step_end(self.spec, Stage.METERED))

    def _current(self) -> Expr:
        return settled(self.spec, self.counter, Stage.METERED)

    @property
    def _begin(self) -> Duration:
        return self.spec.prometheus.step + step_end(self.spec, Stage.METERED)

    def _base(self) -> Expr:
        """The value at the step's beginning: none for a series that had ended (so it is born when it returns), the
        last known one while its target could not be scraped (so that the gap is billed once, at its end), and zero for
        a series that is born."""
        up = scraped(self.spec, names.UP).now(self._begin)
        last = over_time("last", self.counter, self.spec.prometheus.gap, self._begin)
        carried = unless(last, binary(up, "==", scalar(1)), on=target(self.spec))
        return either_ignoring(PASSING_LABELS, either(self.counter.now(self._begin), carried), self._born())

    def _born(self) -> Expr:
        bears = recorded(self.spec, series(names.TARGET_MAY_BEAR), of=Stage.SEEN, at=Stage.METERED)
        return both(binary(self._current(), "*", scalar(0)), bears, on=target(self.spec))


# ---- Births ----------------------------------------------------------------------------------------------------------


def _may_bear(spec: Spec) -> Expr:
    return unless(either(_seen(spec), *_new(spec)), _relabelled(spec), on=target(spec))


def _seen(spec: Spec) -> Expr:
    """The target was scraped within the gap: a series that it did not show then began at zero."""
    up = scraped(spec, names.UP)
    return binary(over_time("max", up, spec.prometheus.gap, _before(spec)), "==", scalar(1))


def _new(spec: Spec) -> list[Expr]:
    """A pod that lately joined a gateway which was already watched."""
    up = scraped(spec, names.UP)
    known = over_time("present", up, REMEMBERED, _before(spec) + STARTING)
    unknown = unless(existing(spec, up), known, on=target(spec))
    watched_since = _before(spec) + STARTING + WATCHED_BEFORE
    fleet = (*spec.prometheus.keep_labels, names.JOB, names.GATEWAY)
    of_gateway = up.where(none_of(names.GATEWAY, [""]))
    joined = [both(unknown, over_time("present", of_gateway, spec.prometheus.gap, watched_since), on=fleet)]
    if foreign_jobs(spec):
        joined.append(_new_to_a_foreign_job(spec, unknown, watched_since, fleet))
    return joined


def _new_to_a_foreign_job(spec: Spec, unknown: Expr, watched_since: Duration, fleet: tuple[str, ...]) -> Expr:
    """There `up` does not say whose a target is, its counters do. A process that the spec names by its address is a
    gateway by itself and joins none."""
    foreign = one_of(names.JOB, foreign_jobs(spec))
    shown = aggregate(
        "group", existing(spec, scraped(spec, names.TOKEN_USAGE_SUM).where(foreign)), (*target(spec), names.GATEWAY)
    )
    usage = over_time("present", series(names.USAGE_SEEN, foreign), spec.prometheus.gap, watched_since)
    joining = both(unknown, both(shown, usage, on=fleet), on=target(spec))
    named = instances(spec)
    return joining if named is None else unless(joining, named, on=(names.JOB, names.INSTANCE))


def _relabelled(spec: Spec) -> Expr:
    """A target that was there before under other labels: all its series seem to begin, and none does."""
    up = scraped(spec, names.UP)
    known = over_time("present", up, spec.prometheus.gap, _before(spec))
    return both(unless(existing(spec, up), known), known, on=pod(spec))


def _before(spec: Spec) -> Duration:
    return spec.prometheus.step + step_end(spec, Stage.SEEN)

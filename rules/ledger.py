"""The ledger: what every counter of one gateway rose by in each step, exact by telescoping (docs/accuracy.md)."""

from __future__ import annotations

from dataclasses import dataclass

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import semantics_by_tag, stated_semantics
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    both,
    call,
    either,
    either_on,
    labelled,
    matches,
    one_of,
    over_time,
    scalar,
    series,
    unless,
    unless_ignoring,
)
from tollbook.gen.spec import Spec
from tollbook.rules import shown
from tollbook.rules.scrapes import existing, scraped, settled

#: A target is new for this long after its discovery: scrapes fail until its container listens, and the first one that
#: succeeds shows what was used since.
STARTING = Duration.parse("10m")

#: By how much longer a fleet must have been watched than a new target: without it the first scrapes after installation
#: would bill every token since the pods started.
WATCHED_BEFORE = Duration.parse("5m")

#: A target that was known within this time is never new, or its return would bill every token since its pod started.
#: `up` is one series a target: unlike the counters it can be read back that far at every step.
REMEMBERED = Duration.parse("1d")

#: Target labels that may change while the pod runs on: a series that differs only in these from one that was there
#: before was not born.
PASSING_LABELS = (names.NAMESPACE, "container", "endpoint", "node", "service", names.GATEWAY_NAME_TARGET_LABEL)


NOTE = "What each counter rose by in one step: risen, or reset, or newly born on a target that was watched before."


def rules(spec: Spec) -> tuple[Recording, ...]:
    counter = scraped(spec, names.TOKEN_USAGE_SUM)
    by = (*identity(spec), names.TOKEN_TYPE, names.SEMANTICS)
    increments = Increment(spec, counter, scraped(spec, names.UP))
    meaning = series(names.TARGET_SEMANTICS).just_recorded()
    meant = binary(increments.expr(), "*", meaning, on=increments.pod, group_left=[names.SEMANTICS])
    record = names.metered_tokens(spec.prometheus.step)
    labels: dict[str, str] = {}
    return (
        Recording(
            names.TARGET_SEMANTICS,
            _meaning_by_pod(increments),
            labels,
            "What `input` means on each pod: by the version that it shows, else by the one that the spec states.",
        ),
        Recording(record, shown.summed(spec, by, meant, counter), labels, NOTE),
    )


def identity(spec: Spec) -> tuple[str, ...]:
    """What a request is known by, of the labels that every counter of it bears."""
    return (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, *spec.spend_labels)


def _meaning_by_pod(increments: Increment) -> Expr:
    """Each pod that shows a counter has exactly one meaning, so that no increment is dropped or doubled."""
    spec = increments.spec
    build = scraped(spec, names.BUILD_INFO)
    legacy = {gateway.legacy_token_semantics: gateway for gateway in spec.gateways}
    by_tag = [
        (_shown_within(spec, build.where(one_of(names.JOB, [g.job for g in spec.gateways if g.legacy_token_semantics == flag])) if len(legacy) > 1 else build, tag), row)
        for flag, one in legacy.items()
        for tag, row in semantics_by_tag(one)
    ]
    stated = {stated_semantics(gateway).name: stated_semantics(gateway) for gateway in spec.gateways}
    rest = [
        (existing(spec, increments.counter.where(one_of(names.GATEWAY, [g.id for g in spec.gateways if stated_semantics(g) is row])) if len(stated) > 1 else increments.counter), row)
        for row in stated.values()
    ]
    known = (*by_tag, *rest)
    meanings = (labelled(aggregate("group", seen, increments.pod), names.SEMANTICS, row.name) for seen, row in known)
    return either_on(increments.pod, *meanings)


def _shown_within(spec: Spec, build: Selector, tag: str) -> Expr:
    """In a millisecond less than the step: Prometheus 2 would also read what stood at the very end of the one before,
    which may be the version that a container had before it was replaced."""
    step = spec.prometheus.step - Duration(1)
    return over_time("present", build.where(matches(names.TAG, tag)), step, spec.prometheus.settle)


@dataclass(frozen=True)
class Increment:
    """The formula, a part a method. `counter` is any cumulative metric, `up` the targets that it is scraped from."""

    spec: Spec
    counter: Selector
    up: Selector

    @property
    def _delay(self) -> Duration:
        """A step's end lies `settle` back: a sample bears the time its scrape began, but is stored when that ends."""
        return self.spec.prometheus.step + self.spec.prometheus.settle

    @property
    def target(self) -> tuple[str, ...]:
        return (*self.spec.prometheus.keep_labels, names.JOB, names.INSTANCE)

    @property
    def pod(self) -> tuple[str, ...]:
        """A target's own pod: its address may be used again by another one."""
        return (*self.target, "pod")

    @property
    def _fleet(self) -> tuple[str, ...]:
        return (*self.spec.prometheus.keep_labels, names.JOB, names.NAMESPACE, names.GATEWAY_NAME_TARGET_LABEL)

    def expr(self) -> Expr:
        risen = binary(binary(self._current(), "-", self._before()), ">=", scalar(0))
        return either(risen, self._reset(), self._born())

    def _reset(self) -> Expr:
        """The counter began at zero again: all of it, and what the old process had still counted within the step, whose
        last value is the highest there is in it, because the new one's are below `before`."""
        highest = over_time("max", self.counter, self.spec.prometheus.step, self.spec.prometheus.settle)
        until_reset = call("clamp_min", binary(highest, "-", self._before()), "0")
        return binary(self._current(), "+", until_reset)

    def _born(self) -> Expr:
        first_seen = unless_ignoring(PASSING_LABELS, self._current(), self._before())
        watched = both(first_seen, either(self._seen(), self._new()), on=self.target)
        return unless(watched, self._relabelled(), on=self.target)

    def _current(self) -> Expr:
        return settled(self.spec, self.counter)

    def _before(self) -> Expr:
        """The value at the step's beginning: none for a series that had ended (so it counts as born when it returns),
        the last known one while its target could not be scraped (so that the gap is billed once, at its end)."""
        carried = unless(
            over_time("last", self.counter, self.spec.prometheus.gap, self._delay),
            binary(self.up.now(self._delay), "==", scalar(1)),
            on=self.target,
        )
        return either(self.counter.now(self._delay), carried)

    def _seen(self) -> Expr:
        """The target was scraped within the gap and did not show this series: it truly began at zero."""
        return binary(over_time("max", self.up, self.spec.prometheus.gap, self._delay), "==", scalar(1))

    def _relabelled(self) -> Expr:
        """A target that was there before under other labels: all its series seem to begin, and none does."""
        here = over_time("present", self.up, self.spec.prometheus.step, self.spec.prometheus.settle)
        known = over_time("present", self.up, self.spec.prometheus.gap, self._delay)
        return both(unless(here, known), known, on=self.pod)

    def _new(self) -> Expr:
        """A pod that lately joined a fleet which was already watched."""
        here = over_time("present", self.up, self.spec.prometheus.step, self.spec.prometheus.settle)
        known = over_time("present", self.up, REMEMBERED, self._delay + STARTING)
        fleet = over_time("present", self.up, self.spec.prometheus.gap, self._delay + STARTING + WATCHED_BEFORE)
        return both(unless(here, known, on=self.target), fleet, on=self._fleet)

"""Whether gateways can be scraped and counted with the spec's Prometheus settings; yields what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tollbook.gen import timezones
from tollbook.gen.durations import Duration
from tollbook.gen.spec import Engine
from tollbook.gen.wording import did_you_mean, quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Prometheus

# An instant selector looks back five minutes; one step, its settling and a late evaluation must fit.
_LONGEST_STEP_AND_SETTLE = Duration.parse("4m")
#: In steps of ten seconds one new series in eight was found too late; in steps of twenty none was.
_SHORTEST_VICTORIAMETRICS_STEP = Duration.parse("30s")
_SHORTEST_GAP = Duration.parse("10m")
#: A target is remembered for a day: with a longer gap, one that returns would be both known and newly seen.
_LONGEST_GAP = Duration.parse("1d")
# A calendar month is up to 31 days, and an hour more where clocks are set back in it.
_SHORTEST_RETENTION = Duration.parse("32d")
_HOUR = Duration.parse("1h")


def scraping_findings(resolved: Resolved) -> Iterator[Problem]:
    yield from _scrapes(resolved.prometheus, resolved.spec.prometheus)
    yield from _step(resolved.prometheus, resolved.spec.prometheus)
    yield from _retention(resolved.prometheus, resolved.spec.prometheus)
    yield from _timezone(resolved.prometheus, resolved.spec.prometheus)


def _scrapes(section: Section, prometheus: Prometheus) -> Iterator[Problem]:
    interval, timeout, settle = prometheus.scrape_interval, prometheus.scrape_timeout, prometheus.settle
    if timeout > interval:
        yield section.error(
            f"scrape_timeout {timeout} is longer than scrape_interval {interval}, which Prometheus refuses",
            section.place_of_first("scrape_timeout", "scrape_interval"),
            "lower scrape_timeout or raise scrape_interval",
        )
    if settle < timeout:
        yield section.error(
            f"settle {settle} is shorter than scrape_timeout {timeout}: a slow scrape would be missed",
            section.place_of_first("settle", "scrape_timeout"),
            f"raise settle to at least {timeout}",
        )
    if prometheus.gap < _SHORTEST_GAP:
        yield section.error(
            f"gap {prometheus.gap} is shorter than {_SHORTEST_GAP}: "
            "after a brief scrape outage, what was used meanwhile would be lost",
            section.place("gap"),
            f"raise gap to at least {_SHORTEST_GAP}",
        )
    if prometheus.gap > _LONGEST_GAP:
        yield section.error(
            f"gap {prometheus.gap} is longer than {_LONGEST_GAP}: "
            "a target that returns after more than a day would be billed for what it counted before",
            section.place("gap"),
            f"lower gap to at most {_LONGEST_GAP}",
        )


def _step(section: Section, prometheus: Prometheus) -> Iterator[Problem]:
    interval, step, settle = prometheus.scrape_interval, prometheus.step, prometheus.settle
    if step < interval:
        yield section.error(
            f"step {step} is shorter than scrape_interval {interval}: a step may hold no sample",
            section.place_of_first("step", "scrape_interval"),
            f"raise step to at least {interval}",
        )
    if step.milliseconds % 1000 or _HOUR.milliseconds % step.milliseconds:
        yield section.error(
            f"step {step} is not a whole number of seconds that divides an hour",
            section.place("step"),
            "use a step such as 30s, 1m or 2m",
        )
    if prometheus.engine is Engine.VICTORIAMETRICS and step < _SHORTEST_VICTORIAMETRICS_STEP:
        yield section.warning(
            f"step {step} is shorter than {_SHORTEST_VICTORIAMETRICS_STEP}: VictoriaMetrics may not find a series "
            "in time that a rule has just begun to record, and its first tokens would be lost",
            section.place_of_first("step", "engine"),
            f"raise step to at least {_SHORTEST_VICTORIAMETRICS_STEP}",
        )
    if step + settle > _LONGEST_STEP_AND_SETTLE:
        yield section.error(
            f"step {step} and settle {settle} are together longer than {_LONGEST_STEP_AND_SETTLE}: "
            "Prometheus looks back only 5m for the sample before",
            section.place_of_first("step", "settle"),
            "lower step or settle",
        )


def _retention(section: Section, prometheus: Prometheus) -> Iterator[Problem]:
    if prometheus.retention < _SHORTEST_RETENTION:
        yield section.error(
            f"retention {prometheus.retention} is shorter than the longest period that is recorded, "
            "a calendar month of up to 31 days and one hour",
            section.place("retention"),
            f"keep at least {_SHORTEST_RETENTION}: set retention here and, in kube-prometheus-stack, "
            "--set prometheus.prometheusSpec.retention=35d",
        )


def _timezone(section: Section, prometheus: Prometheus) -> Iterator[Problem]:
    if prometheus.timezone not in timezones.names():
        yield section.error(
            f"timezone {quoted(prometheus.timezone)} is not a name in the IANA time zone database",
            section.place("timezone"),
            did_you_mean(prometheus.timezone, sorted(timezones.names())) or "such as UTC or Europe/Berlin",
        )

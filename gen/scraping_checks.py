"""Whether the spec's Prometheus settings and gateways can be scraped and counted as stated; yields what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from tollbook.gen import timezones
from tollbook.gen.durations import Duration
from tollbook.gen.sections import also_at
from tollbook.gen.spec import Histograms, Monitor
from tollbook.gen.wording import did_you_mean, quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Gateway, Prometheus

# An instant selector looks back five minutes; one step, its settling and a late evaluation must fit.
_LONGEST_STEP_AND_SETTLE = Duration.parse("4m")
_SHORTEST_GAP = Duration.parse("10m")
#: A target is remembered for a day: with a longer gap, one that returns would be both known and newly seen.
_LONGEST_GAP = Duration.parse("1d")
# A calendar month is up to 31 days, and an hour more where clocks are set back in it.
_SHORTEST_RETENTION = Duration.parse("32d")
_HOUR = Duration.parse("1h")

_OLDEST_VERSION = (0, 10)
_NEXT_MAJOR = 2
#: Alone it can be told to count `input` as those before it did.
_LEGACY_VERSION = (1, 5)
_LONGEST_SERVICE_NAME = 63


def scraping_findings(resolved: Resolved) -> Iterator[Problem]:
    yield from _scrapes(resolved.prometheus, resolved.spec.prometheus)
    yield from _step(resolved.prometheus, resolved.spec.prometheus)
    yield from _retention(resolved.prometheus, resolved.spec.prometheus)
    yield from _timezone(resolved.prometheus, resolved.spec.prometheus)
    gateways = list(zip(resolved.lists["gateways"], resolved.spec.gateways, strict=True))
    for section, gateway in gateways:
        yield from _version(section, gateway)
        yield from _metering(section, gateway)
        yield from _job(section, gateway)
        yield from _metrics_service(section, gateway, resolved.spec.gateways)
    for first, second in combinations(gateways, 2):
        yield from _collision(first, second)


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


def _version(section: Section, gateway: Gateway) -> Iterator[Problem]:
    version = ".".join(map(str, gateway.version))
    if gateway.version < _OLDEST_VERSION:
        oldest = ".".join(map(str, _OLDEST_VERSION))
        yield section.error(
            f"agentgateway {version} is too old for its metrics to be understood",
            section.place("version"),
            f"{oldest} is the oldest that is supported",
        )
    if gateway.version[0] >= _NEXT_MAJOR:
        yield section.warning(
            f"version {version} is newer than any agentgateway known here, and is read as 1.5",
            section.place("version"),
            "state the version of the proxy's image, not of kgateway",
        )


def _metering(section: Section, gateway: Gateway) -> Iterator[Problem]:
    if gateway.histograms is Histograms.NATIVE:
        yield section.error(
            "with native histograms alone it exports no sums of tokens, so nothing could be counted",
            section.place("histograms"),
            "set config.histograms of the gateway, and histograms here, to classic or both",
        )
    if gateway.legacy_token_semantics and gateway.version != _LEGACY_VERSION:
        version, only = (".".join(map(str, each)) for each in (gateway.version, _LEGACY_VERSION))
        yield section.error(
            f"legacy_token_semantics is a setting of version {only} only, and this gateway is of version {version}",
            section.place("legacy_token_semantics"),
            "remove legacy_token_semantics, or correct version",
        )


def _job(section: Section, gateway: Gateway) -> Iterator[Problem]:
    if gateway.monitor is Monitor.NONE and "job" not in section.data:
        yield section.error(
            "with monitor: none, the key 'job' is required",
            section.place("monitor"),
            "name the scrape job under which Prometheus already has this gateway's series",
        )
    if gateway.monitor is not Monitor.NONE and "job" in section.data:
        yield section.error(
            f"the key 'job' is only for monitor: none, since a {gateway.monitor} decides its job itself",
            section.key_place("job"),
            "remove job, or say monitor: none",
        )


def _metrics_service(section: Section, gateway: Gateway, gateways: tuple[Gateway, ...]) -> Iterator[Problem]:
    """The headless Service of a ServiceMonitor is named after the gateway, under the stricter rules for Services."""
    if gateway.monitor is not Monitor.SERVICE:
        return
    service = f"{gateway.name}-metrics"
    if len(service) > _LONGEST_SERVICE_NAME or not gateway.name[0].isalpha():
        yield section.error(
            f"its metrics Service would be named {quoted(service)}, which is not a Service name: "
            f"at most {_LONGEST_SERVICE_NAME} characters, beginning with a letter",
            section.place("name"),
            "use monitor: PodMonitor",
        )
    if any((other.namespace, other.name) == (gateway.namespace, service) for other in gateways):
        yield section.error(
            f"its metrics Service would be named {quoted(service)}, as the Service of the gateway of that name is",
            section.place("name"),
            "use monitor: PodMonitor",
        )


def _collision(first: tuple[Section, Gateway], second: tuple[Section, Gateway]) -> Iterator[Problem]:
    (first_section, one), (section, other) = first, second
    place, also = section.place("name"), also_at(first_section.place("name"))
    if one.id == other.id:
        yield section.error("listed twice", place, also)
    elif one.slug == other.slug:
        yield section.error(
            f"its objects would be named {quoted(other.slug)}, as those of gateway {quoted(one.id)} are",
            place,
            f"{also}; rename one of the gateways or use another namespace",
        )

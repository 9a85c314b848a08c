"""Whether the gateways of the spec can be found, told apart and counted as stated; yields what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tollbook.gen.sections import also_at, repeats
from tollbook.gen.selection_checks import selection_findings
from tollbook.gen.spec import Histograms, Monitor
from tollbook.gen.wording import quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Place, Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Gateway

_OLDEST_VERSION = (0, 10)
_NEXT_MAJOR = 2
#: Alone it can be told to count `input` as those before it did.
_LEGACY_VERSION = (1, 5)
_LONGEST_SERVICE_NAME = 63

Located = tuple["Section", "Gateway"]


def gateway_findings(resolved: Resolved) -> Iterator[Problem]:
    gateways = list(zip(resolved.lists["gateways"], resolved.spec.gateways, strict=True))
    for section, gateway in gateways:
        yield from _version(section, gateway.version)
        yield from _histograms(section, gateway.histograms)
        yield from _classic_histograms_of_others(section, gateway)
        yield from _legacy_semantics(section, gateway)
        yield from _place(section, gateway)
        yield from _job(section, gateway, resolved)
        yield from _targets(section, gateway)
        yield from _instances(section, gateway)
        yield from _metrics_service(section, gateway, resolved.spec.gateways)
    selections = list(zip(resolved.lists["selections"], resolved.spec.selections, strict=True))
    for section, selection in selections:
        yield from _version(section, selection.version)
        yield from _histograms(section, selection.histograms)
    yield from selection_findings(selections)
    yield from _listed_twice(gateways)
    yield from _shared_jobs(gateways)
    yield from _addresses_twice(gateways)


# ---- What its metrics mean ------------------------------------------------------------------------------


def _version(section: Section, stated: tuple[int, int]) -> Iterator[Problem]:
    version = ".".join(map(str, stated))
    if stated < _OLDEST_VERSION:
        oldest = ".".join(map(str, _OLDEST_VERSION))
        yield section.error(
            f"agentgateway {version} is too old for its metrics to be understood",
            section.place("version"),
            f"{oldest} is the oldest that is supported",
        )
    if stated[0] >= _NEXT_MAJOR:
        yield section.warning(
            f"version {version} is newer than any agentgateway known here, and is read as 1.5",
            section.place("version"),
            "state the version of the proxy's image, not of kgateway",
        )


def _histograms(section: Section, histograms: Histograms) -> Iterator[Problem]:
    if histograms is Histograms.NATIVE:
        yield section.error(
            "with native histograms alone it exports no sums of tokens, so nothing could be counted",
            section.place("histograms"),
            "set config.histograms of the gateway, and histograms here, to classic or both",
        )


def _classic_histograms_of_others(section: Section, gateway: Gateway) -> Iterator[Problem]:
    """A Prometheus that takes native histograms leaves the classic ones out, and with them the sums of tokens."""
    if gateway.histograms is Histograms.BOTH and gateway.monitor is Monitor.NONE:
        yield section.warning(
            "with both kinds of histograms, its sums of tokens are stored only where its job asks for the classic ones",
            section.place("histograms"),
            "set scrapeClassicHistograms: true in the monitor of that job; in a scrape config it is "
            "always_scrape_classic_histograms: true, before Prometheus 3 scrape_classic_histograms: true",
        )


def _legacy_semantics(section: Section, gateway: Gateway) -> Iterator[Problem]:
    if gateway.legacy_token_semantics and gateway.version != _LEGACY_VERSION:
        version, only = (".".join(map(str, each)) for each in (gateway.version, _LEGACY_VERSION))
        yield section.error(
            f"legacy_token_semantics is a setting of version {only} only, and this gateway is of version {version}",
            section.place("legacy_token_semantics"),
            "remove legacy_token_semantics, or correct version",
        )


# ---- Where it is, and who scrapes it --------------------------------------------------------------------


def _place(section: Section, gateway: Gateway) -> Iterator[Problem]:
    if "namespaces" in section.data:
        yield section.error(
            "the key 'namespaces' is only for entries with class or labels",
            section.key_place("namespaces"),
            "write namespace, or select gateways in an entry without a name",
        )
    if gateway.monitor is Monitor.SCRAPE_CONFIG and "namespace" in section.data:
        yield section.error(
            "the targets of a ScrapeConfig are outside of Kubernetes, so they have no namespace",
            section.key_place("namespace"),
            "remove namespace, or use monitor: PodMonitor",
        )
    if gateway.monitor in (Monitor.POD, Monitor.SERVICE) and "namespace" not in section.data:
        yield section.error(
            "the key 'namespace' is missing",
            section.place(),
            "outside of Kubernetes, say monitor: ScrapeConfig or monitor: none",
        )


def _job(section: Section, gateway: Gateway, resolved: Resolved) -> Iterator[Problem]:
    spec = resolved.spec
    if gateway.monitor is not Monitor.NONE:
        if "job" in section.data:
            yield section.error(
                "the key 'job' is only for monitor: none: "
                f"a {gateway.monitor} gives its targets the job {quoted(spec.id)}",
                section.key_place("job"),
                "remove job, or say monitor: none",
            )
    elif "job" not in section.data:
        yield section.error(
            "with monitor: none, the key 'job' is required",
            section.place("monitor"),
            "name the scrape job under which Prometheus already has this gateway's series",
        )
    elif gateway.job == spec.id and (
        spec.selections or any(each.monitor is not Monitor.NONE for each in spec.gateways)
    ):
        yield section.error(
            f"the job {quoted(gateway.job)} is that of this spec's own monitors",
            section.place("job"),
            "name the job of the monitor that scrapes this gateway, or leave monitor and job out",
        )


def _targets(section: Section, gateway: Gateway) -> Iterator[Problem]:
    is_static = gateway.monitor is Monitor.SCRAPE_CONFIG
    if is_static and "targets" not in section.data:
        yield section.error(
            "with monitor: ScrapeConfig, the key 'targets' is required",
            section.place("monitor"),
            "list host:port of each of its processes, such as gw1.example.org:15020",
        )
    if not is_static and "targets" in section.data:
        yield section.error(
            f"the key 'targets' is only for monitor: ScrapeConfig, not {gateway.monitor}",
            section.key_place("targets"),
            "list them as instances, or say monitor: ScrapeConfig"
            if gateway.monitor is Monitor.NONE
            else "remove targets, or say monitor: ScrapeConfig",
        )


def _instances(section: Section, gateway: Gateway) -> Iterator[Problem]:
    if "instances" not in section.data:
        return
    place = section.key_place("instances")
    if gateway.monitor is not Monitor.NONE:
        hint = "list them as targets" if gateway.monitor is Monitor.SCRAPE_CONFIG else "remove instances"
        yield section.error(f"the key 'instances' is only for monitor: none, not {gateway.monitor}", place, hint)
    elif "namespace" in section.data:
        yield section.error(
            "the key 'instances' is only for gateways without a namespace: "
            "with one, the 'gateway' label of the metrics tells which series count",
            place,
            "remove instances, or remove namespace to show these targets under a name of your own",
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


# ---- Side by side ---------------------------------------------------------------------------------------


def _listed_twice(gateways: list[Located]) -> Iterator[Problem]:
    sections = {section.place("name"): section for section, _ in gateways}
    for _, place, first in repeats((gateway.id, section.place("name")) for section, gateway in gateways):
        yield sections[place].error("listed twice", place, also_at(first))


def _shared_jobs(gateways: list[Located]) -> Iterator[Problem]:
    """A gateway without namespace and instances takes all targets of its job: nobody else can be in it."""
    scraped = [(section, gateway) for section, gateway in gateways if gateway.monitor is Monitor.NONE and gateway.job]
    for section, gateway in scraped:
        if gateway.namespace or gateway.instances:
            continue
        others = [other for other in scraped if other[1].job == gateway.job and other[1] is not gateway]
        if others:
            other_section, other = others[0]
            yield section.error(
                f"without instances it takes all targets of job {quoted(gateway.job)}, "
                f"in which gateway {quoted(other.id)} is too",
                section.place("job"),
                f"{also_at(other_section.place('job'))}; list the instances that are this gateway",
            )


def _addresses_twice(gateways: list[Located]) -> Iterator[Problem]:
    """Every token of a target that is two gateways would be billed to both, or to one of them by chance."""
    sections: dict[Place, Section] = {}
    claims: list[tuple[tuple[str, str], Place]] = []
    for section, gateway in gateways:
        key = "targets" if gateway.monitor is Monitor.SCRAPE_CONFIG else "instances"
        for index, address in enumerate(section.stated(key)):
            place = section.place(key, index)
            sections[place] = section
            claims.append(((gateway.job, address), place))
    for (_, address), place, first in repeats(claims):
        yield sections[place].error(f"the target {quoted(address)} is listed twice", place, also_at(first))

"""Gateways that nobody scrapes, pods that cannot be scraped, and pods that are scraped twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import booked, build_info, up
from promtool_cases import Case, failures, rule_file
from spec_builders import JOB, notation, spec_of

from tollbook.rules import facts, targets

ABSENT, DOWN, TWICE = "LLMGatewayNotScraped", "LLMGatewayTargetDown", "LLMGatewayScrapedTwice"
ALERTS = (ABSENT, DOWN, TWICE)

OWN_JOB = "gateways: [{name: gw, namespace: ai, monitor: none, job: proxies}]"


def target_rules(text: str = "") -> str:
    spec = spec_of(text)
    return rule_file(*facts.build(spec), *targets.build(spec))


Expected = tuple[dict[str, str], ...]


def case(name: str, series: dict[str, str], *alerts: tuple[str, str, Expected], spec: str = "") -> Case:
    return Case(name, target_rules(spec), series, alerts=alerts, scraped_every="1m")


def silent(*minutes: int, but: str = "") -> list[tuple[str, str, Expected]]:
    return [(alert, f"{minute}m", ()) for alert in ALERTS if alert != but for minute in minutes]


# ---- Gateways that nobody scrapes ------------------------------------------------------------------------------------


def lost(gateway: str = "ai/gw", job: str = JOB, where: str = "", **labels: str) -> dict[str, str]:
    return {
        **labels,
        "severity": "warning",
        "gateway": gateway,
        "job": job,
        "annotation:summary": "No pod of an AI gateway is scraped, so its spend is not seen.",
        "annotation:description": (
            f"Prometheus has scraped no pod of gateway {gateway}{where} for 10m (job {job}). "
            "Likely causes, in order: it has no pods, or runs under another name than the spec's (LLMGatewayUnlisted "
            "would tell it); its monitor is not applied, or Prometheus does not select it (compare its labels with the "
            "spec's); a network policy blocks the metrics port. Prometheus' page Status > Targets tells them apart. If "
            "the gateway was removed on purpose, take it out of the spec; one that no spec names ends by itself after "
            "1d."
        ),
    }


GONE = lost()

# Minute by minute: what `up` of the pods is, and the first minute at which the alert fires.
LIVES: dict[str, tuple[dict[str, str], int]] = {
    "a gateway that was never seen": ({}, 10),
    "its only pod ends": ({up(): "1x4 stale"}, 15),
    "its only pod cannot be scraped": ({up(): "1x4 0x60"}, 15),
    "the last of its pods ends": ({up("a"): "1x4 stale", up("b"): "1x20 stale"}, 31),
    "another job scrapes its pods": ({up(job="chart"): "1x60"}, 10),
    "only another gateway is scraped": ({up("other-1", gateway="ai/other"): "1x60"}, 10),
    "only a namesake is scraped": ({up(namespace="elsewhere", gateway="elsewhere/gw"): "1x60"}, 10),
    "the outage begins again after a success": ({up(): "0x8 1 0x60"}, 20),
}


@pytest.mark.parametrize("name", LIVES)
def test_a_gateway_that_is_not_scraped_for_ten_minutes_is_told(name: str, promtool: Path) -> None:
    """Once: no alert tells its single pods."""
    series, minute = LIVES[name]
    alerts = ((ABSENT, f"{minute - 1}m", ()), (ABSENT, f"{minute}m", (GONE,)), (ABSENT, f"{minute + 9}m", (GONE,)))
    assert failures(promtool, case(name, series, *alerts, *silent(30, 60, but=ABSENT))) == {}


def test_the_alert_ends_when_the_gateway_is_back(promtool: Path) -> None:
    back = case("back", {up(): "1x4 0x20 1x40"}, (ABSENT, "20m", (GONE,)), (ABSENT, "26m", ()))
    assert failures(promtool, back) == {}


def test_each_gateway_has_an_alert_of_its_own(promtool: Path) -> None:
    spec = """
        gateways:
          - {name: gw, namespace: ai, monitor: ServiceMonitor}
          - {name: other, namespace: ai}
          - {name: third, namespace: ai, monitor: none, job: proxies}
    """
    series = {up(namespace="elsewhere", gateway="elsewhere/gw"): "1x60", up("other-1", gateway="ai/other"): "1x60"}
    expected = (ABSENT, "20m", (lost(), lost("ai/third", "proxies")))
    assert failures(promtool, case("three", series, expected, spec=spec)) == {}


NAMELESS = {"namespace": "", "pod": "", "container": "", "endpoint": "", "gateway_networking_k8s_io_gateway_name": ""}


@pytest.mark.parametrize("labels", [{}, NAMELESS], ids=["as the operator finds it", "static"])
def test_in_a_job_of_the_users_own_the_ledger_knows_whose_a_target_is(labels: dict[str, str], promtool: Path) -> None:
    """The job scrapes whatever there is, and no target bears a gateway's name: usage that one shows does."""
    gone = lost(job="proxies")
    others = {
        up("web", job="proxies", **NAMELESS): "1x60",
        up("cache", job="proxies", **NAMELESS): "0x60",
        up("inner-1", job="proxies", **labels): "1x60",
        build_info("inner-1", job="proxies", **labels): "1x60",
        booked("ai/inner", "inner-1:15020"): "5x60",
    }
    pod = {up(job="proxies", **labels): "1x8 0x60", build_info(job="proxies", **labels): "1x8 stale"}
    here = {**others, **pod, booked(): "5x8 stale"}
    cases = [
        case("here", here, (ABSENT, "18m", ()), (ABSENT, "19m", (gone,)), (DOWN, "40m", ()), spec=OWN_JOB),
        case("never seen", others, (ABSENT, "9m", ()), (ABSENT, "10m", (gone,)), (DOWN, "40m", ()), spec=OWN_JOB),
    ]
    assert failures(promtool, *cases) == {}


def test_a_gateway_of_a_users_own_job_that_served_nothing_yet_may_be_the_one_that_is_missed(promtool: Path) -> None:
    """No usage tells its name; it is told when the target is gone too."""
    idle = {up(job="proxies"): "1x60 0x30", build_info(job="proxies"): "1x60 stale"}
    foreign = {up("web", job="proxies"): "1x90"}
    alerts = ((ABSENT, "30m", ()), (ABSENT, "70m", ()), (ABSENT, "71m", (lost(job="proxies"),)))
    assert failures(promtool, case("idle", {**idle, **foreign}, *alerts, spec=OWN_JOB)) == {}


def test_an_idle_gateway_of_one_cluster_is_not_the_one_that_is_missed_in_another(promtool: Path) -> None:
    """In a job of the user's own: in eu the gateway vanishes, in us a new pod of it has served nothing yet."""
    spec = "prometheus: {keep_labels: [cluster]}\n" + OWN_JOB
    cost = notation("agentgateway:gateway_cost_usd:increase1m", gateway="ai/gw", cluster="{}")
    idle = {up(job="proxies", cluster="us"): "1x60", build_info(job="proxies", cluster="us"): "1x60"}
    series = {**idle, cost.replace("{}", "us"): "0x60", cost.replace("{}", "eu"): "0x20 stale"}
    series |= {up("foreign", job="proxies", cluster="eu", **NAMELESS): "1x60"}
    eu = lost(where=", cluster eu", job="proxies", cluster="eu")
    told = case("clusters", series, (ABSENT, "9m", ()), (ABSENT, "10m", (eu,)), (ABSENT, "50m", (eu,)), spec=spec)
    assert failures(promtool, told) == {}


def test_an_address_that_another_gateway_had_before_is_its_present_one_s(promtool: Path) -> None:
    """In a job of the user's own, within the day for which it is remembered whose a target was."""
    spec = """
        gateways:
          - {name: gw, namespace: ai, monitor: none, job: proxies}
          - {name: old, namespace: ai, monitor: none, job: proxies}
    """
    cases = []
    for before, now in (("ai/gw", "ai/old"), ("ai/old", "ai/gw")):
        series = {
            up(job="proxies", **NAMELESS): "1x90",
            booked(before): "5x30 stale",
            booked(now): "_x31 5x90",
        }
        alerts = ((ABSENT, "30m", (lost(now, "proxies"),)), (ABSENT, "60m", (lost(before, "proxies"),)))
        cases.append(case(f"now {now}", series, *alerts, spec=spec))
    assert failures(promtool, *cases) == {}


# ---- Pods that cannot be scraped -------------------------------------------------------------------------------------


def down(pod: str, **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": "ai/gw",
        "instance": f"{pod}:15020",
        "pod": pod,
        **labels,
        "annotation:summary": "A pod of an AI gateway cannot be scraped, so its spend is not seen.",
        "annotation:description": (
            f"Scrapes of {pod}:15020, one of the pods of gateway ai/gw, have failed for 15m. What it serves is billed "
            "once scrapes succeed again, if that is within 1h, and is lost otherwise. The error stands on Prometheus' "
            "page Status > Targets: check that the pod is ready and that nothing blocks its metrics port."
        ),
    }


def test_a_pod_that_cannot_be_scraped_for_a_quarter_of_an_hour_is_told(promtool: Path) -> None:
    series = {up("a"): "1x60", up("b"): "1x4 0x30 1x30", up("c"): "0x60"}
    some = case(
        "some",
        series,
        (DOWN, "14m", ()),
        (DOWN, "15m", (down("c"),)),
        (DOWN, "19m", (down("c"),)),
        (DOWN, "20m", (down("b"), down("c"))),
        (DOWN, "36m", (down("c"),)),
        *silent(20, 60, but=DOWN),
    )
    assert failures(promtool, some) == {}


def test_each_cluster_of_a_gateway_is_missed_by_itself(promtool: Path) -> None:
    """One fails, one vanishes, one lives; of the one that fails no pod is told besides."""
    series = {up("a", cluster="eu"): "0x30", up("a", cluster="ap"): "1x3 stale", up("a", cluster="us"): "1x30"}
    cost = notation("agentgateway:gateway_cost_usd:increase1m", gateway="ai/gw", cluster="{}")
    watched = {cost.replace("{}", cluster): "0x30" for cluster in ("eu", "ap", "us")}
    eu, ap = (lost(where=f", cluster {cluster}", cluster=cluster) for cluster in ("eu", "ap"))
    asked = (
        (ABSENT, "9m", ()),
        (ABSENT, "10m", (eu,)),
        (ABSENT, "13m", (eu,)),
        (ABSENT, "14m", (ap, eu)),
        *silent(20, but=ABSENT),
    )
    told = case("clusters", series | watched, *asked, spec="prometheus: {keep_labels: [cluster]}")
    assert failures(promtool, told) == {}


@pytest.mark.parametrize(
    ("spec", "job"),
    [
        ("gateways: [{class: agentgateway, namespaces: [ai]}]", JOB),
        ("gateways: [{name: none, namespace: ai}, {class: agentgateway, namespaces: [ai]}]", JOB),
    ],
    ids=["discovered", "beside a listed one"],
)
def test_a_discovered_gateway_is_missed_in_each_cluster_for_a_day(spec: str, job: str, promtool: Path) -> None:
    cost = notation("agentgateway:gateway_cost_usd:increase1m", gateway="ai/new", cluster="{}")
    series = {cost.replace("{}", "eu"): "0x9 stale", cost.replace("{}", "us"): "0x1500"}
    series |= {up("b", gateway="ai/new", cluster="us"): "1x1500", up("a", gateway="ai/new", cluster="eu"): "1x9 stale"}
    gone = lost("ai/new", where=", cluster eu", job=job, cluster="eu")
    never = (lost("ai/none"),) if "none" in spec else ()
    spec = f"prometheus: {{keep_labels: [cluster]}}\n{spec}"
    alerts = (
        (ABSENT, "19m", never),
        (ABSENT, "20m", (*never, gone)),
        (ABSENT, "1448m", (*never, gone)),
        (ABSENT, "1451m", never),
    )
    assert failures(promtool, case("discovered", series, *alerts, spec=spec)) == {}


def test_a_rollout_is_none_of_these(promtool: Path) -> None:
    """Each new pod needs ten minutes until it answers, each old one goes when its successor is there; and the last one
    has the address of the first."""
    series = {
        up("a"): "1x10 stale",
        up("b"): "_x1 0x9 1x9 0x3 stale",
        up("c"): "_x11 0x9 1x9 0x3 stale",
        up("d", instance="a:15020"): "_x21 0x9 1x60",
        build_info("a"): "1x10 stale",
        build_info("b"): "_x11 1x9 stale",
        build_info("c"): "_x21 1x9 stale",
        build_info("d", instance="a:15020"): "_x31 1x60",
    }
    assert failures(promtool, case("rollout", series, *silent(5, 15, 20, 25, 30, 35, 60))) == {}


# ---- Pods that are scraped twice -------------------------------------------------------------------------------------


def doubled(pods: int, **labels: str) -> dict[str, str]:
    return {
        "severity": "critical",
        "gateway": "ai/gw",
        **labels,
        "annotation:summary": "Pods of an AI gateway are counted more than once, so its spend is overstated.",
        "annotation:description": (
            f"{pods} pods of gateway ai/gw are scraped as more than one target each by the jobs that count: every "
            "token of theirs is billed as often. Compare the labels of agentgateway_build_info in these jobs to see "
            "what tells the targets apart, and remove the endpoint or the monitor that is one too many."
        ),
    }


def shared(job: str, count: int) -> dict[str, str]:
    return {
        "severity": "info",
        "gateway": "ai/gw",
        "job": job,
        "annotation:summary": "Another job scrapes an AI gateway too, so dashboards that sum all jobs show double.",
        "annotation:description": (
            f"Job {job} scrapes {count} targets of gateway ai/gw besides the job that counts. The figures here are "
            "right, for they are made of the latter alone; those of whoever sums both are too high. Remove one of the "
            "two monitors (agentgateway's chart brings one of its own), or say monitor: none and this job in the spec."
        ),
    }


# What there is besides pod gw-1 as its PodMonitor finds it; the expected alert, and the spec where it is another one.
TWICE_SEEN: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "a second endpoint of the monitor": ({build_info(endpoint="15020"): "_x3 1x60"}, doubled(1), ""),
    "another port": ({build_info(instance="gw-1:8080", endpoint="http"): "_x3 1x60"}, doubled(1), ""),
    "two pods, each of them": (
        {
            build_info(endpoint="15020"): "_x3 1x60",
            build_info("gw-2"): "1x60",
            build_info("gw-2", endpoint="15020"): "_x3 1x60",
            build_info("gw-3"): "1x60",
        },
        doubled(2),
        "",
    ),
    "a job of the user's own, whose targets bear no names": (
        {
            build_info(job="proxies", **NAMELESS): "1x60",
            build_info(job="proxies", **NAMELESS, scheme="https"): "_x3 1x60",
            booked(): "5x60",
            build_info(): "stale",
        },
        doubled(1),
        OWN_JOB,
    ),
    "the chart's own PodMonitor": ({build_info(job="agw/proxy"): "_x3 1x60"}, shared("agw/proxy", 1), ""),
    "another job that names the same pods otherwise": (
        {build_info(job="pods", **NAMELESS): "_x3 1x60"},
        shared("pods", 1),
        "",
    ),
    "another job through another port": (
        {build_info(job="pods", instance="gw-1:9090", endpoint="", container=""): "_x3 1x60"},
        shared("pods", 1),
        "",
    ),
}


@pytest.mark.parametrize("name", TWICE_SEEN)
def test_a_pod_that_is_scraped_twice_is_told_after_a_quarter_of_an_hour(name: str, promtool: Path) -> None:
    series, expected, spec = TWICE_SEEN[name]
    alerts = ((TWICE, "17m", ()), (TWICE, "18m", (expected,)), (TWICE, "40m", (expected,)))
    assert failures(promtool, case(name, {build_info(): "1x60", **series}, *alerts, spec=spec)) == {}


def test_clusters_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    """The same names and addresses in two clusters are two pods."""
    series = {build_info(cluster="eu"): "1x60", build_info(cluster="us"): "1x60"}
    twice = {**series, build_info(cluster="us", endpoint="15020"): "1x60"}
    other = {**series, build_info(cluster="ap", job="pods"): "1x60"}
    spec = "prometheus: {keep_labels: [cluster]}"
    cases = [
        case("once", series, (TWICE, "20m", ()), spec=spec),
        case("twice", twice, (TWICE, "20m", (doubled(1, cluster="us"),)), spec=spec),
        case("elsewhere", other, (TWICE, "20m", ()), spec=spec),
    ]
    assert failures(promtool, *cases) == {}


def test_what_is_no_second_sight_of_the_gateway_is_not_told(promtool: Path) -> None:
    """A sidecar is a target of the same job, and so is another gateway; a pod is replaced under the same name, and for
    five minutes both are in sight, because Prometheus was restarted and ended no series."""
    series = {
        build_info(): "1x60",
        up(): "1x60",
        up(container="istio-proxy", instance="gw-1:15090"): "1x60",
        build_info("other-1", gateway="ai/other"): "1x60",
        build_info("set-0"): "1x20 _x60",
        build_info("set-0", instance="10.0.0.9:15020"): "_x21 1x60",
    }
    assert failures(promtool, case("normal", series, *silent(10, 20, 24, 30, 40, 60))) == {}

"""Gateways that run another release than the spec says, and builds that are no release, are told: their counters may
mean something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import booked, build_info
from promtool_cases import Case, failures, rule_file
from spec_builders import spec_of

from tollbook.rules import facts, versions

DIFFERS, UNKNOWN = "LLMGatewayVersionDiffers", "LLMGatewayVersionUnknown"

Expected = tuple[dict[str, str], ...]


def version_rules(version: str = "1.5", more: str = "") -> str:
    gateways = f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}, {{name: other, namespace: ai}}]'
    return rules_of(f"{gateways}\n{more}")


def rules_of(text: str) -> str:
    spec = spec_of(text)
    return rule_file(*facts.build(spec), *versions.build(spec))


def case(name: str, rules: str, series: dict[str, str], *alerts: tuple[str, str, Expected]) -> Case:
    """Beside a gateway whose pods run what the spec says of it."""
    healthy = {build_info("other-1", gateway="ai/other"): "1x200"}
    return Case(name, rules, {**healthy, **series}, alerts=alerts, scraped_every="1m")


# ---- Other releases --------------------------------------------------------------------------------------------------


def differs(tag: str, pods: int, stated: str = "1.5", **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": "ai/gw",
        "tag": tag,
        "version": stated,
        **labels,
        "annotation:summary": "An AI gateway runs another release than the spec says.",
        "annotation:description": (
            f"{pods} pods of gateway ai/gw have run agentgateway {tag} for 1h, and the spec says version {stated}. "
            "Their tokens are counted as their own release counts them. Set the gateway's version in the spec to what "
            "its pods run and generate again."
        ),
    }


@pytest.mark.parametrize(
    ("tag", "stated"),
    [
        ("v1.4.1", "1.5"),
        ("1.4.1", "1.5"),
        ("v1.50.0", "1.5"),
        ("v11.5.0", "1.5"),
        ("2.1.5", "1.5"),
        ("0.11.2", "1.5"),
        ("1.1.0", "1.10"),
        ("1.10.0", "1.1"),
    ],
)
def test_another_release_for_an_hour_is_told(tag: str, stated: str, promtool: Path) -> None:
    series = {build_info(pod, tag): "_x2 1x70" for pod in ("a", "b")} | {build_info("c", f"{stated}.7"): "1x70"}
    alerts = ((DIFFERS, "61m", ()), (DIFFERS, "62m", (differs(tag, 2, stated),)), (UNKNOWN, "70m", ()))
    assert failures(promtool, case(tag, version_rules(stated), series, *alerts)) == {}


@pytest.mark.parametrize(
    ("tag", "stated"),
    [("v1.5.0", "1.5"), ("1.5.0", "1.5.2"), ("v1.5.12", "1.5"), ("0.11.2", "0.11"), ("1.15.3", "1.15")],
)
def test_the_stated_version_is_left_alone(tag: str, stated: str, promtool: Path) -> None:
    alerts = tuple((alert, f"{minute}m", ()) for alert in (DIFFERS, UNKNOWN) for minute in (60, 70))
    assert failures(promtool, case(tag, version_rules(stated), {build_info(tag=tag): "1x70"}, *alerts)) == {}


def test_a_rollout_that_ends_within_the_hour_is_normal(promtool: Path) -> None:
    series = {build_info("a", "v1.4.1"): "1x58 stale", build_info("b", "v1.5.0"): "_x10 1x80"}
    alerts = tuple((DIFFERS, f"{minute}m", ()) for minute in (30, 58, 60, 62, 80))
    assert failures(promtool, case("rollout", version_rules(), series, *alerts)) == {}


def test_a_gateway_that_the_spec_does_not_name_has_no_version_to_differ_from(promtool: Path) -> None:
    series = {build_info("new-1", "v1.4.1", gateway="ai/new"): "1x70"}
    assert failures(promtool, case("unlisted", version_rules(), series, (DIFFERS, "70m", ()))) == {}


# ---- Builds that are no release --------------------------------------------------------------------------------------


def unknown(tag: str, pods: int = 1, **labels: str) -> dict[str, str]:
    return {
        "severity": "info",
        "gateway": "ai/gw",
        **({"tag": tag} if tag else {}),
        **labels,
        "annotation:summary": (
            "An AI gateway runs a build that is no release, so the spec decides what its token counts mean."
        ),
        "annotation:description": (
            f"{pods} pods of gateway ai/gw have run build {tag} for 1h. Only releases such as 1.5.0 say a version, so "
            "their tokens are counted as the version in the spec counts them. If that is not the version the build was "
            "made from, cached tokens are billed wrong: run a release, or set the gateway's version in the spec."
        ),
    }


@pytest.mark.parametrize(
    "tag",
    [
        "v1.4.1-206-g8f3a2c1",  # made from a checkout
        "0.0.0-alpha.8f3a2c1",  # a nightly
        "8f3a2c1-dirty",  # by cargo
        "8f3a2c1",
        "v1.5.0-rc.2",
        "1.5.0+dirty",
        "1.5",
        "14",
        "1e4",
        "v1x5.0.1",
        "latest",
        "unknown",
        "",
    ],
)
def test_a_build_that_is_no_release_is_told_after_an_hour(tag: str, promtool: Path) -> None:
    series = {build_info("a", tag): "_x2 1x70", build_info("b", "v1.5.0"): "1x80"}
    alerts = ((UNKNOWN, "61m", ()), (UNKNOWN, "62m", (unknown(tag),)), (UNKNOWN, "74m", (unknown(tag),)))
    assert failures(promtool, case(tag, version_rules(), series, *alerts, (DIFFERS, "70m", ()))) == {}


def test_a_build_that_is_replaced_within_the_hour_is_not_told(promtool: Path) -> None:
    series = {build_info("a", "8f3a2c1"): "1x58 stale", build_info("b", "v1.5.0"): "_x10 1x80"}
    alerts = tuple((UNKNOWN, f"{minute}m", ()) for minute in (30, 58, 60, 62, 80))
    assert failures(promtool, case("replaced", version_rules(), series, *alerts)) == {}


# ---- Whose they are --------------------------------------------------------------------------------------------------


def test_clusters_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    series = {
        build_info(tag="v1.4.1", cluster="eu"): "1x70",
        build_info(tag="v1.5.0", cluster="us"): "1x70",
        build_info("gw-2", "main", cluster="us"): "1x70",
    }
    rules = version_rules(more="prometheus: {keep_labels: [cluster]}")
    alerts = (
        (DIFFERS, "60m", (differs("v1.4.1", 1, cluster="eu"),)),
        (UNKNOWN, "60m", (unknown("main", cluster="us"),)),
    )
    assert failures(promtool, case("clusters", rules, series, *alerts)) == {}


def test_in_somebody_else_s_job_each_gateway_is_judged_by_the_pods_that_show_its_usage(promtool: Path) -> None:
    """What never showed usage is nobody's that is known."""
    spec = """
        gateways:
          - {name: gw, namespace: ai, version: "1.5", monitor: none, job: proxies}
          - {name: old, namespace: ai, version: "1.4", monitor: none, job: proxies}
    """
    series = {
        build_info("gw-1", "v1.5.0", job="proxies"): "1x70",
        booked("ai/gw", "gw-1:15020"): "5x70",
        build_info("old-1", "v1.4.1", job="proxies"): "1x70",
        booked("ai/old", "old-1:15020"): "5x70",
        build_info("idle-1", "v1.3.0", job="proxies"): "1x70",
        build_info("idle-2", "main", job="proxies"): "1x70",
    }
    second = {
        build_info("gw-2", "v1.4.0", job="proxies"): "1x70",
        booked("ai/gw", "gw-2:15020"): "5x70",
        build_info("gw-3", "main", job="proxies"): "1x70",
        booked("ai/gw", "gw-3:15020"): "5x70",
    }
    told = ((DIFFERS, "60m", (differs("v1.4.0", 1),)), (UNKNOWN, "60m", (unknown("main"),)))
    cases = [
        Case("right", rules_of(spec), series, alerts=((DIFFERS, "60m", ()), (UNKNOWN, "60m", ())), scraped_every="1m"),
        Case("one more", rules_of(spec), {**series, **second}, alerts=told, scraped_every="1m"),
    ]
    assert failures(promtool, *cases) == {}

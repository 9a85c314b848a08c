"""A gateway that runs another version than the spec says is told, for its counters mean something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_series import build_info
from promtool_cases import Case, failures, rule_file
from spec_builders import spec_of

from tollbook.rules import versions

DIFFERS = "LLMGatewayVersionDiffers"


def version_rules(version: str = "1.5", more: str = "") -> str:
    return rule_file(*versions.build(spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}]\n{more}')))


def differs(tag: str, pods: int, stated: str = "1.5", **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "gateway": "ai/gw",
        "tag": tag,
        **labels,
        "annotation:summary": "An AI gateway runs another version than the spec says.",
        "annotation:description": (
            f"{pods} pods of gateway ai/gw have run agentgateway {tag} for 1h, but the spec says version {stated}. "
            "These pods are counted as their own version means it, but those that tell no version as the spec says, "
            "and the gateway's own dollars are read only where it says 1.4 or later. Set the gateway's version in the "
            "spec to what its pods run and generate again."
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
        ("v1.4", "1.5"),
        ("1.4.0-rc.1", "1.5"),
        ("0.11.2", "1.5"),
        ("1.1.0", "1.10"),
        ("1.10.0", "1.1"),
        ("v1x5.0.1", ""),  # no number at all, see below
    ],
)
def test_another_version_for_an_hour_is_told(tag: str, stated: str, promtool: Path) -> None:
    expected = (differs(tag, 2, stated),) if stated else ()
    series = {build_info(pod, tag): "_x2 1x70" for pod in ("a", "b")} | {build_info("c", "8f3a2c1"): "1x70"}
    alerts = ((DIFFERS, "61m", ()), (DIFFERS, "62m", expected))
    case = Case(tag, version_rules(stated or "1.5"), series, alerts=alerts, scraped_every="1m")
    assert failures(promtool, case) == {}


@pytest.mark.parametrize(
    ("tag", "stated"),
    [
        ("v1.5.0", "1.5"),
        ("1.5.0", "1.5.2"),
        ("v1.5.12", "1.5"),
        ("1.5", "1.5"),
        ("v1.5.0-rc.2", "1.5"),
        ("1.5.0+dirty", "1.5"),
        ("0.11.2", "0.11"),
        ("8f3a2c1", "1.5"),  # a git revision
        ("14", "1.5"),
        ("1e4", "1.5"),
        ("unknown", "1.5"),
        ("main", "1.5"),
        ("", "1.5"),
    ],
)
def test_the_stated_version_and_what_is_no_version_are_left_alone(tag: str, stated: str, promtool: Path) -> None:
    alerts = ((DIFFERS, "60m", ()), (DIFFERS, "70m", ()))
    case = Case(tag, version_rules(stated), {build_info(tag=tag): "1x70"}, alerts=alerts, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_a_rollout_that_ends_within_the_hour_is_normal(promtool: Path) -> None:
    series = {build_info("a", "v1.4.1"): "1x58 stale", build_info("b", "v1.5.0"): "_x10 1x80"}
    case = Case(
        "rollout",
        version_rules(),
        series,
        alerts=tuple((DIFFERS, f"{minute}m", ()) for minute in (30, 58, 60, 62, 80)),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_clusters_are_told_apart_where_their_label_is_kept(promtool: Path) -> None:
    series = {build_info(tag="v1.4.1", cluster="eu"): "1x70", build_info(tag="v1.5.0", cluster="us"): "1x70"}
    rules = version_rules(more="prometheus: {keep_labels: [cluster]}")
    alerts = ((DIFFERS, "60m", (differs("v1.4.1", 1, cluster="eu"),)),)
    assert failures(promtool, Case("clusters", rules, series, alerts=alerts, scraped_every="1m")) == {}


def test_in_a_shared_job_each_gateway_is_judged_by_its_own_pods(promtool: Path) -> None:
    """Targets that bear no gateway's name are taken for every gateway's."""
    spec = """
        gateways:
          - {name: gw, namespace: ai, version: "1.5", monitor: none, job: proxies}
          - {name: old, namespace: ai, version: "1.4", monitor: none, job: proxies}
    """
    name = "gateway_networking_k8s_io_gateway_name"
    series = {
        build_info("gw-1", "v1.5.0", job="proxies"): "1x70",
        build_info("old-1", "v1.4.1", job="proxies", **{name: "old"}): "1x70",
        build_info("else-1", "v1.3.0", job="proxies", **{name: "else"}): "1x70",
    }
    nameless = {build_info("x", "v1.4.0", job="proxies", namespace="", **{name: ""}): "1x70"}
    rules = rule_file(*versions.build(spec_of(spec)))
    alerts = ((DIFFERS, "60m", (differs("v1.4.0", 1),)),)
    cases = [
        Case("named", rules, series, alerts=((DIFFERS, "60m", ()),), scraped_every="1m"),
        Case("nameless", rules, {**series, **nameless}, alerts=alerts, scraped_every="1m"),
    ]
    assert failures(promtool, *cases) == {}

"""Rules of ours that fail or are left out are told, as Prometheus counts them; those of others are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from promtool_cases import Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.rules import evaluation

FAILING, MISSED = "LLMCostRulesFailing", "LLMCostRulesMissed"
OURS = "/etc/prometheus/rules/prometheus-stack-0/monitoring-agentgateway-cost-totals-5d1c.yaml;tollbook.totals"
THEIRS = "/etc/prometheus/rules/prometheus-stack-0/monitoring-etcd-81f2.yaml;etcd"
NOT_QUITE = "/etc/prometheus/rules/prometheus-stack-0/monitoring-tollbook.yaml;tollbooks"
SELF = "Prometheus counts this itself: the alert needs it to be among its own targets."


def evaluation_rules(text: str = "") -> str:
    return rule_file(*evaluation.build(spec_of(text)))


def failures_of(group: str, **labels: str) -> str:
    return notation("prometheus_rule_evaluation_failures_total", **_itself(group), **labels)


def missed_of(group: str, **labels: str) -> str:
    return notation("prometheus_rule_group_iterations_missed_total", **_itself(group), **labels)


def _itself(group: str) -> dict[str, str]:
    return {"job": "kube-prometheus-stack-prometheus", "pod": "prometheus-stack-0", "rule_group": group}


def failing(times: int, **labels: str) -> dict[str, str]:
    return {
        "severity": "critical",
        "rule_group": OURS,
        **labels,
        "annotation:summary": "Rules that count LLM spend fail, so what they should have recorded is lost.",
        "annotation:description": (
            f"{times} evaluations in rule group {OURS} failed in the last 15m. What a failed rule should have recorded "
            "in its minute is in no total and is not made up for. The error stands on Prometheus' page Status > Rules. "
            f"{SELF}"
        ),
    }


def missed(times: int, step: str = "1m", **labels: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "rule_group": OURS,
        **labels,
        "annotation:summary": "Rules that count LLM spend run too late, so minutes of it are lost.",
        "annotation:description": (
            f"{times} evaluations of rule group {OURS} were left out in the last 15m, because those before took longer "
            f"than the {step} between them. What they should have recorded is in no total and is not made up for. Give "
            f"Prometheus more processor time, or raise prometheus.step in the spec. {SELF}"
        ),
    }


def test_failures_are_told_at_once_and_for_a_quarter_of_an_hour(promtool: Path) -> None:
    series = {
        failures_of(OURS): "7x4 8 10x40",
        missed_of(OURS): "0x30 2x40",
        failures_of(THEIRS): "0+1x60",
        missed_of(THEIRS): "0+1x60",
        failures_of(NOT_QUITE): "0+1x60",
        missed_of(NOT_QUITE): "0+1x60",
    }
    alerts = (
        (FAILING, "4m", ()),
        (FAILING, "5m", (failing(1),)),
        (FAILING, "6m", (failing(3),)),
        (FAILING, "18m", (failing(3),)),
        (FAILING, "22m", ()),
        (MISSED, "30m", ()),
        (MISSED, "31m", (missed(2),)),
        (MISSED, "44m", (missed(2),)),
        (MISSED, "46m", ()),
    )
    assert failures(promtool, Case("rising", evaluation_rules(), series, alerts=alerts, scraped_every="1m")) == {}


def test_a_restart_of_prometheus_is_no_failure_and_hides_none(promtool: Path) -> None:
    series = {failures_of(OURS): "50x10 _x3 0x5 2x40", missed_of(OURS): "9x10 stale _x2 0x40"}
    alerts = tuple((alert, f"{minute}m", ()) for alert in (FAILING, MISSED) for minute in (10, 13, 16, 19))
    told = ((FAILING, "20m", (failing(2),)), (MISSED, "40m", ()))
    case = Case("restart", evaluation_rules(), series, alerts=(*alerts, *told), scraped_every="1m")
    assert failures(promtool, case) == {}


def test_of_two_replicas_the_worse_is_told_and_of_two_clusters_each(promtool: Path) -> None:
    series = {failures_of(OURS, replica="a"): "0 3x20", failures_of(OURS, replica="b"): "0 5x20"}
    clusters = {failures_of(OURS, cluster="eu"): "0 3x20", failures_of(OURS, cluster="us"): "0 5x20"}
    kept = evaluation_rules("prometheus: {keep_labels: [cluster]}")
    of_both = (failing(3, cluster="eu"), failing(5, cluster="us"))
    cases = [
        Case("replicas", evaluation_rules(), series, alerts=((FAILING, "1m", (failing(5),)),), scraped_every="1m"),
        Case("clusters", kept, clusters, alerts=((FAILING, "1m", of_both),), scraped_every="1m"),
    ]
    assert failures(promtool, *cases) == {}


@pytest.mark.parametrize("told", [failing, missed], ids=["failed", "missed"])
def test_a_healthy_cluster_hides_no_other_one(told: Callable[..., dict[str, str]], promtool: Path) -> None:
    """And no other group."""
    of, alert = (failures_of, FAILING) if told is failing else (missed_of, MISSED)
    series = {of(OURS, cluster="eu"): "0x9 2x40", of(OURS, cluster="us"): "0x60"}
    series[of(OURS.replace("totals", "ledger"), cluster="eu")] = "0x60"
    alerts = ((alert, "9m", ()), (alert, "10m", (told(2, cluster="eu"),)), (alert, "26m", ()))
    kept = evaluation_rules("prometheus: {keep_labels: [cluster]}")
    assert failures(promtool, Case("clusters", kept, series, alerts=alerts, scraped_every="1m")) == {}


def test_the_text_names_the_step(promtool: Path) -> None:
    case = Case(
        "step",
        evaluation_rules("prometheus: {step: 2m}"),
        {missed_of(OURS): "0 1x20"},
        alerts=((MISSED, "1m", (missed(1, "2m"),)),),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}

"""The ledger is there once, and whoever reads it is there: the rest is told."""

from __future__ import annotations

from pathlib import Path

from promtool_cases import Case, all_rules, failures, rule_file
from spec_builders import counter, notation, spec_of, up

from tollbook.rules import integrity

MISSING, TWICE = "LLMFiguresMissing", "LLMLedgerRecordedTwice"
GATEWAY_COST = "agentgateway:gateway_cost_usd:increase1m"
COST, DATED = "agentgateway:cost_usd:increase1m", "agentgateway:cost_usd_of_day:increase1m"
BY_GATEWAY, DAY = "agentgateway:cost_usd:by_gateway", "agentgateway:cost_usd:day_to_date"
HOUR_TO_DATE = "agentgateway:cost_usd:hour_to_date"
KEEP = "prometheus: {keep_labels: [cluster]}"


def rules(text: str = "") -> str:
    return rule_file(*integrity.build(spec_of(text)))


def of(record: str, gateway: str = "ai/gw", **labels: str) -> str:
    return notation(record, gateway=gateway, **labels)


# ---- Readers ---------------------------------------------------------------------------------------------------------


def missing(group: str) -> dict[str, str]:
    return {
        "severity": "critical",
        "rule_group": group,
        "annotation:summary": "Dollars are recorded, but figures that are made of them are not.",
        "annotation:description": (
            f"The ledger records dollars, and rule group {group}, which reads them, records nothing. Totals, budgets "
            "and dashboards that rest on it are empty or stand still, and their alerts cannot fire. Nothing is lost: "
            "the figures are whole once the group runs. Likely causes, in order: the object with this group was not "
            "applied, or its labels are not those that the ruler selects; the ruler refused it for a limit on groups "
            "or rules; its rules fail. Look for the group on the ruler's page of rules, and in its log."
        ),
    }


def test_a_group_that_reads_the_ledger_and_records_nothing_is_told_after_ten_minutes(promtool: Path) -> None:
    """One was never there; one ends, and its last record, of 9m30s, is in sight until the 14th minute; one comes late
    enough to be waited for, and stays."""
    ledger = {of(record): "0x200" for record in (GATEWAY_COST, COST, DATED)}
    series = {**ledger, of(DAY): "1x19 _x60 1x60", of(HOUR_TO_DATE): "_x18 1x200"}
    totals, calendar = missing("tollbook.totals"), missing("tollbook.calendar")
    moments = (
        ("9m", ()),
        ("10m", (totals,)),
        ("24m", (totals,)),
        ("25m", (totals, calendar)),
        ("39m", (totals, calendar)),
        ("40m", (totals,)),
    )
    alerts = tuple((MISSING, at, expected) for at, expected in moments)
    assert failures(promtool, Case("missing", rules(), series, alerts=alerts)) == {}


def test_each_group_is_told_by_itself(promtool: Path) -> None:
    """Wherever the ledger is kept: what a cluster has of it is enough."""
    ledger = {of(record, cluster="eu"): "0x60" for record in (GATEWAY_COST, COST, DATED)}
    series = {**ledger, of(BY_GATEWAY, cluster="us"): "1x60", of(DAY, cluster="us"): "1x60"}
    alerts = ((MISSING, "9m", ()), (MISSING, "10m", (missing("tollbook.hours"),)))
    assert failures(promtool, Case("hours", rules(KEEP), series, alerts=alerts)) == {}


def test_nothing_is_missing_without_a_ledger_nor_with_all_rules(promtool: Path) -> None:
    """Idle, used at once, and never used; over the turn of an hour and of a day."""
    whole = all_rules(spec_of())
    cases = (
        Case("no ledger", rules(), {of(BY_GATEWAY): "1x60"}, alerts=((MISSING, "30m", ()),)),
        Case("never used", whole, {up(): "1x300"}, alerts=((MISSING, "30m", ()), (MISSING, "130m", ()))),
        Case(
            "used",
            whole,
            {up(): "1x300", counter(): "_x5 100x295"},
            alerts=tuple((MISSING, f"{at}m", ()) for at in (3, 12, 59, 60, 61, 62, 75, 130)),
        ),
    )
    assert failures(promtool, *cases) == {}


# ---- Copies ----------------------------------------------------------------------------------------------------------


def twice(count: int, *rows: str, gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    where = "".join(f", {name} {value}" for name, value in labels.items())
    return {
        "severity": "critical",
        "gateway": gateway,
        **labels,
        "annotation:summary": "The ledger is recorded more than once, so every sum of it is too high.",
        "annotation:description": (
            f"The dollars of gateway {gateway}{where} are recorded as {count} series, and totals and budgets here add "
            "all of them. Likely causes, in order: two replicas of a Prometheus or ruler write to one store that does "
            "not deduplicate them; two rulers evaluate the same rules; gateways of two clusters bear one name, and the "
            "label that tells them apart is not in prometheus.keep_labels. Turn deduplication on for the label in "
            "which the series differ (Thanos: --query.replica-label; Mimir: accept_ha_samples; VictoriaMetrics: "
            "-dedup.minScrapeInterval, with equal external labels), let one ruler evaluate the rules, or keep the "
            "label. Of the labels that often tell copies apart, these do:" + "".join(f"\n- {row}" for row in rows)
        ),
    }


def test_a_ledger_of_two_replicas_is_told_with_the_label_that_tells_them_apart(promtool: Path) -> None:
    """Each gateway and cluster by itself; one series for each is as it should be."""
    series = {
        of(GATEWAY_COST, cluster="eu", prometheus="monitoring/k8s", prometheus_replica="k8s-0"): "1x60",
        of(GATEWAY_COST, cluster="eu", prometheus="monitoring/k8s", prometheus_replica="k8s-1"): "_x4 1x56",
        of(GATEWAY_COST, cluster="us", prometheus_replica="k8s-0"): "1x60",
        of(GATEWAY_COST, "ai/other", cluster="us", ruler="a"): "_x9 1x56",
        of(GATEWAY_COST, "ai/other", cluster="us", ruler="b"): "_x9 1x56",
        of(GATEWAY_COST, "ai/other", cluster="us"): "_x9 1x56",
    }
    two = twice(
        2,
        "prometheus_replica, of 2 values",
        cluster="eu",
    )
    three = twice(3, "ruler, of 3 values", gateway="ai/other", cluster="us")
    moments = (("13m", ()), ("14m", (two,)), ("18m", (two,)), ("19m", (two, three)))
    alerts = tuple((TWICE, at, expected) for at, expected in moments)
    assert failures(promtool, Case("replicas", rules(KEEP), series, alerts=alerts, scraped_every="1m")) == {}


def test_clusters_that_the_spec_does_not_keep_apart_are_told(promtool: Path) -> None:
    series = {of(GATEWAY_COST, cluster="eu"): "1x60", of(GATEWAY_COST, cluster="us"): "1x60"}
    alerts = ((TWICE, "9m", ()), (TWICE, "10m", (twice(2, "cluster, of 2 values"),)))
    assert failures(promtool, Case("clusters", rules(), series, alerts=alerts, scraped_every="1m")) == {}


def test_a_ruler_that_takes_over_from_another_is_not_told(promtool: Path) -> None:
    """Its predecessor's last records are in sight for five minutes."""
    series = {of(GATEWAY_COST, replica="a"): "1x20 _x60", of(GATEWAY_COST, replica="b"): "_x19 1x60"}
    alerts = tuple((TWICE, f"{minute}m", ()) for minute in range(18, 40))
    assert failures(promtool, Case("takes over", rules(), series, alerts=alerts, scraped_every="1m")) == {}

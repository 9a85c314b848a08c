"""The ledger as it is stored: whether the groups that read it are there, and whether it is recorded once."""

from __future__ import annotations

from collections.abc import Iterator

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, listed, own, row_value, value, where
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import Expr, aggregate, binary, either, labelled, over_time, scalar, series, unless
from tollbook.gen.spec import Spec
from tollbook.rules.selectors import LOOKBACK, by_gateway

#: All groups begin anew after a restart, each at its own moment.
MISSING_FOR = Duration.parse("10m")

#: A ruler that took over from another one leaves the other's last records in sight for five minutes.
TWICE_FOR = Duration.parse("10m")

#: By which rulers and their stores tell copies apart, and labels that tell Prometheus servers apart.
REPLICA_LABELS = (
    *("prometheus_replica", "replica", "ruler_replica", "thanos_ruler_replica", "receive_replica", "ruler"),
    *(names.PROMETHEUS, names.CLUSTER),
)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = (_missing(spec), _recorded_twice(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.integrity", spec.prometheus.step, alerts, home="integrity"),)


# ---- Readers ---------------------------------------------------------------------------------------------------------


def _missing(spec: Spec) -> Alert:
    missing = either(*(labelled(_unread(*each), names.RULE_GROUP, group) for group, each in _readers(spec)))
    return Alert(
        alert=alert_names.FIGURES_MISSING,
        expr=missing,
        hold=MISSING_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "Dollars are recorded, but figures that are made of them are not.",
            "description": (
                f"The ledger records dollars, and rule group {label(names.RULE_GROUP)}, which reads them, records "
                "nothing. Totals, budgets and dashboards that rest on it are empty or stand still, and their alerts "
                "cannot fire. Nothing is lost: the figures are whole once the group runs. "
                "Likely causes, in order: the object with this group was not applied, or its labels are not those "
                "that the ruler selects; the ruler refused it for a limit on groups or rules; its rules fail. Look for "
                "the group on the ruler's page of rules, and in its log."
            ),
        },
    )


def _readers(spec: Spec) -> Iterator[tuple[str, tuple[str, str]]]:
    """Group -> what it reads, and what it always makes of that."""
    step = spec.prometheus.step
    yield f"{names.GROUP_PREFIX}.totals", (names.gateway_cost(step), names.COST_BY_GATEWAY)
    yield f"{names.GROUP_PREFIX}.calendar", (names.cost_of_day(step), names.DAY_TO_DATE)
    yield f"{names.GROUP_PREFIX}.hours", (names.cost(step), names.hour_to_date(names.cost(step)))


def _unread(ledger: str, figure: str) -> Expr:
    kept, made = (aggregate("group", over_time("present", series(each), LOOKBACK)) for each in (ledger, figure))
    return unless(kept, made)


# ---- Copies ----------------------------------------------------------------------------------------------------------


def _recorded_twice(spec: Spec) -> Alert:
    """The ledger has one series for each gateway and label that the spec keeps."""
    ledger, by = series(names.gateway_cost(spec.prometheus.step)), by_gateway(spec)
    place = where(spec.prometheus.keep_labels)
    return Alert(
        alert=alert_names.RECORDED_TWICE,
        expr=binary(aggregate("count", ledger.now(), by), ">", scalar(1)),
        hold=TWICE_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "The ledger is recorded more than once, so every sum of it is too high.",
            "description": (
                f"The dollars of gateway {label(names.GATEWAY)}{place} are recorded as {value(decimals=0)} series, and "
                "totals and budgets here add all of them. Likely causes, in order: two replicas of a Prometheus or "
                "ruler write to one store that does not deduplicate them; two rulers evaluate the same rules; gateways "
                "of two clusters bear one name, and the label that tells them apart is not in prometheus.keep_labels. "
                "Turn deduplication on for the label in which the series differ (Thanos: --query.replica-label; Mimir: "
                "accept_ha_samples; VictoriaMetrics: -dedup.minScrapeInterval, with equal external labels), let one "
                f"ruler evaluate the rules, or keep the label. Of the labels that often tell copies apart, "
                f"these do:{_differences(spec)}"
            ),
        },
    )


def _differences(spec: Spec) -> str:
    """A row for each label in which the series differ."""
    series_of = series(names.gateway_cost(spec.prometheus.step), *(own(each) for each in by_gateway(spec)))
    rows = []
    for each in REPLICA_LABELS:
        if each not in spec.prometheus.keep_labels:
            values = aggregate("count", aggregate("count", series_of.now(), (each,)))
            rows.append(listed(binary(values, ">", scalar(1)), f"\n- {each}, of {row_value(decimals=0)} values"))
    return "".join(rows)

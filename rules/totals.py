"""Figures of the whole fleet, under the names that the article's commands and dashboards read."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import series, sum_by, sum_of_steps
from tollbook.gen.spec import Spec

#: Rolling windows: always this long, whatever the calendar says.
WINDOWS = (
    (names.COST_DAILY, Duration.parse("24h")),
    (names.COST_WEEKLY, Duration.parse("7d")),
    (names.COST_MONTHLY, Duration.parse("30d")),
)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    by = spec.prometheus.keep_labels
    of_gateways = (
        (names.INPUT_TOKENS_TOTAL, names.INPUT_TOKENS_BY_GATEWAY, "Prompt tokens of the last five minutes."),
        (names.OUTPUT_TOKENS_TOTAL, names.OUTPUT_TOKENS_BY_GATEWAY, "Output tokens of the last five minutes."),
        (names.COST_HOURLY, names.COST_BY_GATEWAY, "Dollars of the last hour."),
    )
    spend = series(names.gateway_cost(spec.prometheus.step))
    recent = [Recording(total, sum_by(by, series(part).now()), note=note) for total, part, note in of_gateways]
    rolling = [
        Recording(total, sum_by(by, sum_of_steps(spend, window)), note=f"Dollars of the last {window}.")
        for total, window in WINDOWS
    ]
    return (RuleGroup(f"{names.GROUP_PREFIX}.totals", spec.prometheus.step, (*recent, *rolling), home="totals"),)

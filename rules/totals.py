"""Figures of gateways and of the whole fleet, under the names that the article's commands and dashboards read."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import Expr, aggregate, binary, either, eq, one_of, scalar, series, sum_by, sum_of_steps
from tollbook.gen.spec import Spec
from tollbook.rules.cost import recorded_cost
from tollbook.rules.selectors import by_gateway, just_recorded, targets

HOUR = Duration.parse("1h")
RECENT = Duration.parse("5m")

#: Rolling windows: always this long, whatever the calendar says.
WINDOWS = (
    (names.COST_DAILY, Duration.parse("24h")),
    (names.COST_WEEKLY, Duration.parse("7d")),
    (names.COST_MONTHLY, Duration.parse("30d")),
)


def rules(spec: Spec) -> tuple[Recording, ...]:
    """In the ledger: one series a gateway, so that a window of weeks over the whole fleet reads few."""
    return (
        Recording(
            names.gateway_cost(spec.prometheus.step),
            while_watched(spec, recorded_cost(spec)),
            note="Dollars of one step by gateway; zero while it is watched and idle.",
        ),
    )


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    step = spec.prometheus.step
    tokens, spend = series(names.tokens(step)), series(names.gateway_cost(step))
    prompt = tokens.where(one_of(names.TOKEN_TYPE, names.PROMPT_TYPES))
    output = tokens.where(eq(names.TOKEN_TYPE, names.OUTPUT))
    recent = "of the last five minutes, by gateway."
    hour = Recording(
        names.COST_1H,
        sum_of_steps(series(names.cost(step)), HOUR),
        note="A sliding hour of the ledger: read long windows as [30d:1h].",
    )
    of_gateways = (
        Recording(
            names.INPUT_TOKENS_BY_GATEWAY,
            while_watched(spec, sum_of_steps(prompt, RECENT)),
            note=f"Prompt tokens {recent}",
        ),
        Recording(
            names.OUTPUT_TOKENS_BY_GATEWAY,
            while_watched(spec, sum_of_steps(output, RECENT)),
            note=f"Output tokens {recent}",
        ),
        Recording(names.COST_BY_GATEWAY, sum_of_steps(spend, HOUR), note="Dollars of the last hour, by gateway."),
    )
    of_fleet = (
        Recording(total, sum_by(spec.prometheus.keep_labels, just_recorded(spec, series(part))))
        for total, part in (
            (names.INPUT_TOKENS_TOTAL, names.INPUT_TOKENS_BY_GATEWAY),
            (names.OUTPUT_TOKENS_TOTAL, names.OUTPUT_TOKENS_BY_GATEWAY),
            (names.COST_HOURLY, names.COST_BY_GATEWAY),
        )
    )
    rolling = (
        Recording(
            total,
            sum_by(spec.prometheus.keep_labels, sum_of_steps(spend, window)),
            note=f"Dollars of the last {window}.",
        )
        for total, window in WINDOWS
    )
    return (RuleGroup(f"{names.GROUP_PREFIX}.totals", step, (hour, *of_gateways, *of_fleet, *rolling), home="totals"),)


def while_watched(spec: Spec, expr: Expr) -> Expr:
    """The sum, and zero where nothing was used but a target is known: an idle gateway is not a missing one."""
    by = by_gateway(spec)
    idle = binary(scalar(0), "*", aggregate("max", targets(spec), by))
    return either(sum_by(by, expr), idle)

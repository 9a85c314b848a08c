"""Figures of gateways and of the whole fleet, under the names that the article's commands and dashboards read."""

from __future__ import annotations

from collections.abc import Iterator

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
    rules = (_hour(spec), *_of_gateways(spec), *_of_fleet(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.totals", spec.prometheus.step, rules, home="totals"),)


def _hour(spec: Spec) -> Recording:
    hour = sum_of_steps(series(names.cost(spec.prometheus.step)), HOUR)
    return Recording(names.COST_1H, hour, note="A sliding hour of the ledger: read long windows as [30d:1h].")


def _of_gateways(spec: Spec) -> Iterator[Recording]:
    tokens, spend = series(names.tokens(spec.prometheus.step)), series(names.gateway_cost(spec.prometheus.step))
    prompt = tokens.where(one_of(names.TOKEN_TYPE, names.PROMPT_TYPES))
    output = tokens.where(eq(names.TOKEN_TYPE, names.OUTPUT))
    for record, used, what in (
        (names.INPUT_TOKENS_BY_GATEWAY, prompt, "Prompt"),
        (names.OUTPUT_TOKENS_BY_GATEWAY, output, "Output"),
    ):
        recent = while_watched(spec, sum_of_steps(used, RECENT))
        yield Recording(record, recent, note=f"{what} tokens of the last five minutes, by gateway.")
    yield Recording(names.COST_BY_GATEWAY, sum_of_steps(spend, HOUR), note="Dollars of the last hour, by gateway.")


def _of_fleet(spec: Spec) -> Iterator[Recording]:
    by, spend = spec.prometheus.keep_labels, series(names.gateway_cost(spec.prometheus.step))
    for total, part in (
        (names.INPUT_TOKENS_TOTAL, names.INPUT_TOKENS_BY_GATEWAY),
        (names.OUTPUT_TOKENS_TOTAL, names.OUTPUT_TOKENS_BY_GATEWAY),
        (names.COST_HOURLY, names.COST_BY_GATEWAY),
    ):
        yield Recording(total, sum_by(by, just_recorded(spec, series(part))))
    for total, window in WINDOWS:
        yield Recording(total, sum_by(by, sum_of_steps(spend, window)), note=f"Dollars of the last {window}.")


def while_watched(spec: Spec, expr: Expr) -> Expr:
    """The sum, and zero where nothing was used but a target is known: an idle gateway is not a missing one."""
    by = by_gateway(spec)
    idle = binary(scalar(0), "*", aggregate("max", targets(spec), by))
    return either(sum_by(by, expr), idle)

"""Figures of one gateway, of which the fleet's are made: dollars of a step and an hour, tokens of five minutes."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording
from tollbook.gen.promql import Expr, aggregate, binary, either, eq, one_of, scalar, series, sum_by, sum_of_steps
from tollbook.gen.spec import Spec
from tollbook.rules.scrapes import targets

HOUR = Duration.parse("1h")
RECENT = Duration.parse("5m")


def rules(spec: Spec) -> tuple[Recording, ...]:
    step, labels = spec.prometheus.step, {}
    tokens = series(names.tokens(step))
    cost = series(names.cost(step))
    fleet = series(names.gateway_cost(step))
    prompt = tokens.where(one_of(names.TOKEN_TYPE, names.PROMPT_TYPES))
    output = tokens.where(eq(names.TOKEN_TYPE, names.OUTPUT))
    return (
        Recording(names.COST_1H, sum_of_steps(cost, HOUR), labels, "A sliding hour: read long windows as [30d:1h]."),
        Recording(
            fleet.metric,
            _total_while_watched(spec, cost.just_recorded()),
            labels,
            "One series a gateway, for windows over the whole fleet; zero while it is watched and idle.",
        ),
        Recording(names.COST_BY_GATEWAY, sum_of_steps(fleet, HOUR), labels, "Dollars of the last hour."),
        Recording(
            names.INPUT_TOKENS_BY_GATEWAY,
            _total_while_watched(spec, sum_of_steps(prompt, RECENT)),
            labels,
            "Prompt tokens of the last five minutes, cached ones included.",
        ),
        Recording(
            names.OUTPUT_TOKENS_BY_GATEWAY,
            _total_while_watched(spec, sum_of_steps(output, RECENT)),
            labels,
            "Output tokens of the last five minutes.",
        ),
    )


def _total_while_watched(spec: Spec, expr: Expr) -> Expr:
    """The sum, and zero where nothing was used but a target is known: an idle gateway is not a missing one."""
    by = (names.GATEWAY, *spec.prometheus.keep_labels)
    idle = binary(scalar(0), "*", aggregate("max", targets(spec), by))
    return either(sum_by(by, expr), idle)

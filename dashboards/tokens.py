"""The row of tokens, which are what the gateways count and what the dollars are made of."""

from __future__ import annotations

from typing import Any

from tollbook.dashboards import queries_tokens as queries
from tollbook.dashboards.grid import Line, Row
from tollbook.dashboards.style import COUNT, COUNT_ON_AXIS, SHARE, About, bars, lines, span_lines, stat
from tollbook.dashboards.sums import bar_width_floor
from tollbook.gen import names
from tollbook.gen.spec import Spec

CHECK_RECENT = (
    "zero is right for an idle gateway; no data means that none is scraped: look at *Gateways watched*. The filters on "
    "model, provider and who spent do not narrow this one."
)
CHECK_TOKENS = (
    "compare with the provider's own usage page for the same hours. A stream whose client switched off its usage "
    "report is not counted by the gateway."
)
CHECK_CACHE = (
    "data planes before 1.0 do not tell cached tokens apart. A share that falls after a release often means that "
    "prompts no longer begin with the same text."
)


def row(spec: Spec) -> Row:
    return Row(
        "Tokens",
        [
            Line(5, [recent_input(spec), recent_output(spec), selected_range(spec), cache_share(spec)]),
            Line(8, [per_minute(spec), cache_share_by_model(spec)]),
            Line(9, [by_type(spec), by_model(spec), by_gateway(spec)]),
        ],
    )


def recent_input(spec: Spec) -> Any:
    record = names.INPUT_TOKENS_BY_GATEWAY
    about = About("Tokens sent to models in the last five minutes, cached ones included.", [record], CHECK_RECENT)
    return stat("Input tokens, last 5 minutes", about, queries.recent_tokens(spec, record), COUNT)


def recent_output(spec: Spec) -> Any:
    record = names.OUTPUT_TOKENS_BY_GATEWAY
    about = About("Tokens that models answered with in the last five minutes.", [record], CHECK_RECENT)
    return stat("Output tokens, last 5 minutes", about, queries.recent_tokens(spec, record), COUNT)


def selected_range(spec: Spec) -> Any:
    shows = "Tokens of all types within the time range, each counted once."
    about = About(shows, [names.tokens(spec.prometheus.step)], CHECK_TOKENS)
    return stat("Tokens in the selected time range", about, queries.tokens_in_range(spec), COUNT)


def cache_share(spec: Spec) -> Any:
    shows = "How much of all that was sent to models within the time range they could read from their cache."
    about = About(shows, [names.tokens(spec.prometheus.step)], CHECK_CACHE)
    return stat("Input read from cache", about, queries.cache_share_in_range(spec), SHARE)


def per_minute(spec: Spec) -> Any:
    records = {"input": names.INPUT_TOKENS_BY_GATEWAY, "output": names.OUTPUT_TOKENS_BY_GATEWAY}
    about = About("Tokens a minute, averaged over five.", list(records.values()), CHECK_RECENT)
    exprs = {legend: queries.tokens_per_minute(spec, record) for legend, record in records.items()}
    return lines("Tokens per minute", about, exprs, COUNT_ON_AXIS, bar_width_floor(spec.prometheus.step))


def cache_share_by_model(spec: Spec) -> Any:
    shows = "By model, how much of what was sent to it could be read from its cache; a point is a span of time."
    about = About(shows, [names.tokens(spec.prometheus.step)], CHECK_CACHE)
    exprs = {f"{{{{{names.MODEL}}}}}": queries.cache_share_per_bar_by(spec, names.MODEL)}
    return span_lines("Input read from cache by model", about, exprs, SHARE, bar_width_floor(spec.prometheus.step))


def by_type(spec: Spec) -> Any:
    return _per_bar(spec, "Tokens by type", names.TOKEN_TYPE, "Each token is in one type only.")


def by_model(spec: Spec) -> Any:
    return _per_bar(spec, "Tokens by model", names.MODEL, "Unpriced models appear under the metrics' name for them.")


def by_gateway(spec: Spec) -> Any:
    return _per_bar(spec, "Tokens by gateway", names.GATEWAY, "A gateway without a bar was idle, or not scraped.")


def _per_bar(spec: Spec, title: str, label: str, remark: str) -> Any:
    shows = f"Tokens per span of time; the width of a bar follows the time range. {remark}"
    about = About(shows, [names.tokens(spec.prometheus.step)], CHECK_TOKENS)
    expr = queries.tokens_per_bar_by(spec, label)
    narrowest = bar_width_floor(spec.prometheus.step)
    return bars(title, about, expr, f"{{{{{label}}}}}", COUNT_ON_AXIS, narrowest)

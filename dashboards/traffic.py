"""The row of traffic: what the gateways serve and how fast; requests of the ledger, the rest of their own metrics."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollbook.dashboards import queries_traffic as queries
from tollbook.dashboards.grid import Line, Row
from tollbook.dashboards.style import COUNT_ON_AXIS, LATENCY, PER_SECOND, RECENT, SHARE, About, Unit, bars, recent_lines
from tollbook.dashboards.sums import bar_width_floor
from tollbook.dashboards.wording import panel, runbook
from tollbook.gen import names
from tollbook.gen.promql import Expr
from tollbook.gen.spec import Spec

QUANTILES = (Decimal("0.5"), Decimal("0.95"), Decimal("0.99"))
SLOWEST = Decimal("0.95")

MODEL_LEGEND = f"{{{{{names.REQUEST_MODEL}}}}}"

HOW_FAR = (
    f"Of a relative time range such as the last 90 days it shows the last {RECENT}; drag over a graph, or pick two "
    "dates, to see others."
)
ASKED_FOR = "Models are those that were asked for, under the metrics' names; the filter on model does not narrow them."
CHECK_SLOW = (
    "When one model is slow, look at its provider's status page; when all of one gateway are, look at its pods."
)
CHECK_LATENCY = f"no line means no traffic. {CHECK_SLOW}"
CHECK_STREAMS = f"only streamed answers are measured: no line means that none was. {CHECK_SLOW}"


def row(spec: Spec) -> Row:
    return Row(
        "Traffic",
        [
            Line(8, [requests(spec), answers(spec), failed(spec)]),
            Line(8, [duration(spec), duration_by_model(spec)]),
            Line(8, [first_token(spec), per_output_token(spec)]),
        ],
    )


def requests(spec: Spec) -> Any:
    about = About(
        "LLM requests that a provider answered, well or not, per span of time; the width of a bar follows the time "
        "range. Unpriced models appear under the metrics' name for them.",
        [names.requests(spec.prometheus.step)],
        "requests without spend are requests without usage: see the runbook.",
        [runbook(spec, "usage"), panel("Tokens per minute")],
    )
    expr, narrowest = queries.requests_per_bar_by(spec, names.MODEL), bar_width_floor(spec.prometheus.step)
    return bars("LLM requests", about, expr, f"{{{{{names.MODEL}}}}}", COUNT_ON_AXIS, narrowest)


def answers(spec: Spec) -> Any:
    about = About(
        f"All that the gateways answered, LLM traffic or not, by HTTP status. Only the filter on gateway narrows it. "
        f"{HOW_FAR}",
        [names.REQUESTS],
        "429 is a rate limit, of the gateway or of the provider; 401 and 403 are keys; 5xx are failures behind it.",
    )
    exprs = {f"{{{{{names.STATUS}}}}}": queries.answer_rate_by_status(spec)}
    return _recent(spec, "Answers by status", about, exprs, PER_SECOND)


def failed(spec: Spec) -> Any:
    about = About(
        f"How many of all answers of a gateway were errors (4xx and 5xx). Only the filter on gateway narrows it. "
        f"{HOW_FAR}",
        [names.REQUESTS],
        "look at *Answers by status* for which errors they are, and at the gateway's log.",
        [panel("Answers by status")],
    )
    exprs = {f"{{{{{names.GATEWAY}}}}}": queries.failed_share_by_gateway(spec)}
    return _recent(spec, "Failed answers", about, exprs, SHARE)


def duration(spec: Spec) -> Any:
    about = About(
        f"How long LLM requests took to their end: half of them less than the first line, one in twenty more than the "
        f"second, one in a hundred more than the third. {HOW_FAR}",
        [names.LLM_DURATION_BUCKETS],
        CHECK_LATENCY,
        [panel("Duration by model, p95")],
    )
    exprs = {_percentile(quantile): queries.duration_quantile(spec, quantile) for quantile in QUANTILES}
    return _recent(spec, "Duration of LLM requests", about, exprs, LATENCY)


def duration_by_model(spec: Spec) -> Any:
    shows = "By model, in how long 95 of 100 requests were answered to their end."
    return _by_model(spec, "Duration by model", shows, names.LLM_DURATION_BUCKETS, CHECK_LATENCY)


def first_token(spec: Spec) -> Any:
    shows = "By model, in how long 95 of 100 streamed answers began."
    return _by_model(spec, "Time to first token", shows, names.FIRST_TOKEN_BUCKETS, CHECK_STREAMS)


def per_output_token(spec: Spec) -> Any:
    shows = "By model, how long a token of a streamed answer took at most, in 95 of 100 answers."
    return _by_model(spec, "Time per output token", shows, names.PER_OUTPUT_TOKEN_BUCKETS, CHECK_STREAMS)


def _by_model(spec: Spec, title: str, shows: str, buckets: str, check: str) -> Any:
    about = About(f"{shows} {ASKED_FOR} {HOW_FAR}", [buckets], check)
    exprs = {MODEL_LEGEND: queries.quantile_by_model(spec, buckets, SLOWEST)}
    return _recent(spec, f"{title}, {_percentile(SLOWEST)}", about, exprs, LATENCY)


def _percentile(quantile: Decimal) -> str:
    return f"p{quantile * 100:.0f}"


def _recent(spec: Spec, title: str, about: About, exprs: dict[str, Expr], unit: Unit) -> Any:
    return recent_lines(title, about, exprs, unit, bar_width_floor(spec.prometheus.step))

"""The row of rolling windows of the whole fleet, under the record names that the article's commands read."""

from __future__ import annotations

from typing import Any

from tollbook.dashboards import queries
from tollbook.dashboards.grid import Line, Row
from tollbook.dashboards.style import USD, USD_ON_AXIS, About, lines, stat
from tollbook.dashboards.sums import bar_width_floor
from tollbook.gen import names
from tollbook.gen.spec import Spec

CHECK_ROLLING = (
    "the filters do not narrow the whole fleet's figures. A window longer than the rules have been loaded is only as "
    "full as the time since."
)


def row(spec: Spec) -> Row:
    return Row(
        "Rolling windows, all gateways",
        [
            Line(
                5,
                [
                    window(spec, "Hourly cost", "sixty minutes", names.COST_HOURLY),
                    window(spec, "Daily cost", "24 hours", names.COST_DAILY),
                    window(spec, "Weekly cost", "7 days", names.COST_WEEKLY),
                    window(spec, "Monthly cost", "30 days", names.COST_MONTHLY),
                ],
            ),
            Line(8, [hourly_trend(spec), daily_trend(spec)]),
        ],
    )


def window(spec: Spec, title: str, length: str, record: str) -> Any:
    shows = f"Dollars that all gateways spent in the {length} up to now, whatever the calendar says."
    return stat(title, About(shows, [record], CHECK_ROLLING), queries.rolling_spend(spec, record), USD)


def hourly_trend(spec: Spec) -> Any:
    shows = "At each point, the dollars of the sixty minutes before it. The points overlap: do not add them up."
    if_wrong = "a gateway without a line is not scraped; an idle one has a line at zero."
    about = About(shows, [names.COST_BY_GATEWAY], if_wrong)
    exprs = {f"{{{{{names.GATEWAY}}}}}": queries.rolling_hour_by_gateway(spec)}
    return lines("Hourly cost by gateway", about, exprs, USD_ON_AXIS, bar_width_floor(spec.prometheus.step))


def daily_trend(spec: Spec) -> Any:
    shows = "At each point, the dollars of the 24 hours before it. The points overlap: do not add them up."
    about = About(shows, [names.COST_DAILY], CHECK_ROLLING)
    exprs = {"last 24 hours": queries.rolling_spend(spec, names.COST_DAILY)}
    return lines("Daily cost trend", about, exprs, USD_ON_AXIS, bar_width_floor(spec.prometheus.step))

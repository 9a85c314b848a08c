"""What a panel promises by its description, unit, legend or columns, and what is wrong with an answer to it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demo.grafana_requests import Answer, Asked

Json = dict[str, Any]

DAY = 86_400

#: To the digit, and shortened on axes.
DOLLARS = ("prefix:$", "currencyUSD")

#: Panels that are good when they are empty say so.
ABOUT_ABSENCE = "Empty is good"

#: In titles of panels that compare: at the least all is gone.
A_CHANGE = " against "


def faults(panel: Json, request: Asked, answer: Answer) -> Iterator[str]:
    yield from answer.problems
    if not answer.series and ABOUT_ABSENCE not in panel["description"]:
        yield f"no answer to {request.query}"
    for label in labels_shown(panel, request):
        if any(not series["metric"].get(label) for series in answer.series):
            yield f"lacks the label {label}"
    low, high = plausible(panel)
    strange = [value for value in answer.values if not low <= value <= high]
    if strange:
        yield f"{strange[0]} is not between {low} and {high}: {request.query}"


def labels_shown(panel: Json, request: Asked) -> list[str]:
    """By the legend, or by the columns of a table that are no numbers."""
    if panel["type"] != "table":
        return re.findall(r"\{\{\s*(\w+)\s*\}\}", request.legend)
    organized = [step["options"] for step in panel.get("transformations", ()) if step["id"] == "organize"]
    columns = [column for options in organized for column in options["renameByName"]]
    return [column for column in columns if not column.startswith(("Value", "Time"))]


def plausible(panel: Json) -> tuple[float, float]:
    """Of the panel's own unit, and of the columns' where it is a table."""
    defaults = panel["fieldConfig"]["defaults"]
    largest = {"percentunit": 20, "percent": 2000, **dict.fromkeys(DOLLARS, 10_000), "s": 40 * DAY, "ms": 1000 * DAY}
    if panel["type"] == "table" or "unit" not in defaults:
        return -math.inf, math.inf
    may_be_negative = defaults.get("min") != 0 and defaults["unit"] in DOLLARS
    lowest = -1 if A_CHANGE in panel["title"] else -10_000 if may_be_negative else 0
    return lowest, largest.get(defaults["unit"], math.inf)

"""Grafana's variables inside PromQL: the durations it fills in, the filters it fills in, and the text it then sends."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tollbook.gen import promql
from tollbook.gen.promql import Expr, Matcher, Placeholder

#: The dashboard's whole time range, in seconds.
RANGE = Placeholder("$__range")

#: The distance between two points of a graph, which is also the width of a bar.
INTERVAL = Placeholder("$__interval")

#: Holds the data source that all panels read.
DATASOURCE_VARIABLE = "datasource"

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")

# Lengths that no query has, so that they can be told from its own and turned back.
_STAND_INS = {RANGE: "1009y", INTERVAL: "1013y"}


def filter_name(label: str) -> str:
    """The dashboard's variable that filters by this label."""
    return f"label_{label}" if label == DATASOURCE_VARIABLE else label


def chosen(label: str) -> Matcher:
    """The values that the label's filter holds. Grafana escapes and joins them to one regex."""
    return promql.matches(label, f"${filter_name(label)}")


def variables_in(text: str) -> set[str]:
    return {match[1] or match[2] for match in _VARIABLE.finditer(text)}


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """What Grafana sends for these values. A variable without one stays as it is."""
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], match[0]), text)


def layout(expr: Expr) -> str:
    """As promql.layout, which cannot parse durations that are not there yet."""
    text = str(expr)
    for placeholder, stand_in in _STAND_INS.items():
        text = text.replace(str(placeholder), stand_in)
    text = promql.layout(text)
    for placeholder, stand_in in _STAND_INS.items():
        text = text.replace(stand_in, str(placeholder))
    return text

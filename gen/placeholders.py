"""Grafana's variables inside PromQL: the durations, filters and labels it fills in, and the text it then sends."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tollbook.gen import promql, promql_layout
from tollbook.gen.durations import Placeholder
from tollbook.gen.promql import Expr, Matcher

#: The dashboard's whole time range, in seconds.
RANGE = Placeholder("$__range")

#: The distance between two points of a graph, which is also the width of a bar.
INTERVAL = Placeholder("$__interval")

#: A window that holds several scrapes at any zoom: what a rate is taken over.
RATE_INTERVAL = Placeholder("$__rate_interval")

#: Holds the data source that all panels read.
DATASOURCE_VARIABLE = "datasource"

#: Holds the label by which spend is split where the reader chooses.
GROUP_VARIABLE = "group_by"

#: That label, where a query names it.
GROUP_LABEL = f"${GROUP_VARIABLE}"

# `$1` is no variable: it is a group of a regex, which label_replace fills in.
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}")

# Lengths and a label that no query has, so that they can be told from its own and turned back.
_STAND_INS = {
    str(RANGE): "1009y",
    str(INTERVAL): "1013y",
    str(RATE_INTERVAL): "1019y",
    GROUP_LABEL: "label_chosen_by_the_reader",
}


def filter_name(label: str) -> str:
    """The dashboard's variable that filters by this label."""
    return f"label_{label}" if label in (DATASOURCE_VARIABLE, GROUP_VARIABLE) else label


def chosen(label: str) -> Matcher:
    """The values that the label's filter holds. Grafana escapes and joins them to one regex."""
    return promql.matches(label, f"${filter_name(label)}")


def variables_in(text: str) -> set[str]:
    return {match[1] or match[2] for match in _VARIABLE.finditer(text)}


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """What Grafana sends for these values. A variable without one stays as it is."""
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], match[0]), text)


def layout(expr: Expr) -> str:
    """As promql_layout.layout, which cannot parse durations and labels that are not there yet."""
    text = str(expr)
    for placeholder, stand_in in _STAND_INS.items():
        text = text.replace(placeholder, stand_in)
    text = promql_layout.layout(text)
    for placeholder, stand_in in _STAND_INS.items():
        text = text.replace(stand_in, placeholder)
    return text

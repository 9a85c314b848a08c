"""Judges the rendered dashboard before it is written: its shape by JSON Schema, and then what no schema sees.

Every finding is a mistake of the generator, not of the user; that is why one sentence serves for most of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.errors import Place, Problem, in_order
from tollbook.gen.placeholders import GROUP_VARIABLE, INTERVAL, RANGE, RATE_INTERVAL, fill_in, variables_in
from tollbook.gen.promql_reading import metrics_of, problem_in
from tollbook.gen.reading import packaged_schema
from tollbook.gen.wording import did_you_mean, quoted

Json = Mapping[str, Any]

GRID_WIDTH = 24

#: What Grafana fills in by itself, with values under which an expression can be parsed.
BUILT_IN = {
    str(RANGE).removeprefix("$"): "1d",
    str(INTERVAL).removeprefix("$"): "1h",
    str(RATE_INTERVAL).removeprefix("$"): "5m",
}

#: The only window whose bars meet without gap or overlap, as dashboards/sums.py explains; of the last bar alone, too,
#: which is told from the others by the moment at which the graph ends.
BAR_WINDOW = f"[{INTERVAL}] offset -{INTERVAL}"
#: Of the last bar: what came since its begin, the step before that, and whether this is the last bar.
LAST_BAR = re.compile(
    rf"\[{re.escape(str(INTERVAL))}\] @ end\(\) offset -{re.escape(str(INTERVAL))}|\[[\w:]+\] @ end\(\)"
)

#: Series as they are scraped, of every pod: what only short ranges may read.
RAW = names.SCRAPED - {names.UP, names.BUILD_INFO, names.RULE_FAILURES, names.RULE_GROUPS_MISSED}
BUCKETS = "_bucket"

_WINDOW = re.compile(r"\[[^\]\"]+\](?: @ end\(\))?(?: offset \S+)?")
_RATE = re.compile(r"""\brate\(\s*[\w:]+(?:\{(?:"(?:[^"\\]|\\.)*"|[^"}])*\})?(\[[^\]]*\])""")
_PANEL_LINK = re.compile(r"\?viewPanel=([0-9]+)&.*")
_LABEL_VALUES = re.compile(r"label_values\((.+), \w+\)")


def problems(dashboard: Json, known_metrics: Collection[str]) -> list[Problem]:
    """`known_metrics` are the names that panels may read: everything else would be an empty panel."""
    # What follows the shape relies on it.
    return in_order(_shape_problems(dashboard)) or in_order(_other_problems(dashboard, known_metrics))


def _problem(where: str, what: str, hint: str = "") -> Problem:
    return Problem(f"{where}: {what}", Place(names.DASHBOARD_FILE), hint=hint)


# ---- Shape -------------------------------------------------------------------------------------------------


def _shape_problems(dashboard: Json) -> Iterator[Problem]:
    for error in Draft202012Validator(packaged_schema("dashboard")).iter_errors(dashboard):
        yield from _shape_problem(_where(dashboard, list(error.absolute_path)), error)


def _shape_problem(where: str, error: ValidationError) -> Iterator[Problem]:
    value: Any = error.instance
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = schema["properties"]
        unknown = [key for key in value if key not in known]
        yield from (_problem(where, f"unknown key {quoted(key)}", did_you_mean(key, known)) for key in unknown)
    elif error.validator == "required":
        missing = [key for key in schema["required"] if key not in value]
        yield from (_problem(where, f"the key {quoted(key)} is missing") for key in missing)
    else:
        yield _problem(where, f"{quoted(json.dumps(value))} is not what Grafana expects here")


def _where(dashboard: Json, path: list[str | int]) -> str:
    """`panel 'Today' options/graphMode`: the names of things where they have one."""
    match path:
        case ["panels", int(position), *rest]:
            named = f"panel {quoted(str(dashboard['panels'][position].get('title')))}"
        case ["templating", "list", int(position), *rest]:
            named = f"variable {quoted(str(dashboard['templating']['list'][position].get('name')))}"
        case rest:
            named = "dashboard"
    return " ".join(filter(None, (named, "/".join(map(str, rest)))))


# ---- What no schema sees -------------------------------------------------------------------------------------


def _other_problems(dashboard: Json, known_metrics: Collection[str]) -> Iterator[Problem]:
    panels, variables = dashboard["panels"], dashboard["templating"]["list"]
    declared = {variable["name"] for variable in variables}
    yield from _repeated("panel id", (panel["id"] for panel in panels))
    yield from _repeated("panel title", (panel["title"] for panel in panels))
    yield from _repeated("variable", (variable["name"] for variable in variables))
    yield from _grid_problems(panels)
    for panel in panels:
        where = f"panel {quoted(panel['title'])}"
        yield from _repeated(f"{where}: query", (target["refId"] for target in panel.get("targets", ())))
        yield from _interval_problems(where, panel)
        yield from _link_problems(where, panel, {other["id"] for other in panels})
        for target in panel.get("targets", ()):
            yield from _window_problems(where, panel, target)
            yield from _query_problems(where, target["expr"], declared, known_metrics)
            yield from _reading_problems(where, panel, target)
    for variable in variables:
        match = _LABEL_VALUES.fullmatch(variable.get("definition", ""))
        if match:
            yield from _query_problems(f"variable {quoted(variable['name'])}", match[1], declared, known_metrics)
    for annotation in dashboard["annotations"]["list"]:
        where = f"annotation {quoted(annotation['name'])}"
        yield from _query_problems(where, annotation["expr"], declared, known_metrics)


def _repeated(what: str, values: Iterable[Any]) -> Iterator[Problem]:
    for value, count in Counter(values).items():
        if count > 1:
            yield _problem("dashboard", f"{what} {quoted(str(value))} is there {count} times")


def _grid_problems(panels: Iterable[Json]) -> Iterator[Problem]:
    """Every cell from the top down belongs to exactly one panel; Grafana would move panels to make it so."""
    owners: dict[tuple[int, int], str] = {}
    for panel in panels:
        place, title = panel["gridPos"], panel["title"]
        if place["x"] + place["w"] > GRID_WIDTH:
            yield _problem(f"panel {quoted(title)}", f"ends in column {place['x'] + place['w']} of {GRID_WIDTH}")
        columns, lines = _span(place["x"], place["w"]), _span(place["y"], place["h"])
        cells = set(product(columns, lines))
        for other in sorted({owners[cell] for cell in cells & owners.keys()}):
            yield _problem(f"panel {quoted(title)}", f"lies over panel {quoted(other)}")
        owners.update(dict.fromkeys(cells, str(title)))
    height = 1 + max(line for _, line in owners)
    empty = set(product(range(GRID_WIDTH), range(height))) - owners.keys()
    if empty:
        yield _problem("dashboard", f"its grid has a gap at line {min(line for _, line in empty)}")


def _span(start: int, length: int) -> range:
    return range(start, start + length)


def _interval_problems(where: str, panel: Json) -> Iterator[Problem]:
    """Grafana keeps only the largest unit of a length: 90s becomes 1m in the query, while its points stay 90s apart."""
    interval = panel.get("interval")
    if interval is not None and str(Duration.parse(interval)) != interval:
        yield _problem(where, f"Grafana would cut its interval {interval} to whole units")


def _window_problems(where: str, panel: Json, target: Json) -> Iterator[Problem]:
    windows, expr = set(_WINDOW.findall(target["expr"])), target["expr"]
    if target["instant"] and str(INTERVAL) in expr:
        yield _problem(where, f"{INTERVAL} means nothing in a query for one instant")
    if target["range"] and str(RANGE) in expr:
        yield _problem(where, f"{RANGE} at every point of a graph counts the same records again and again")
    if panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars":
        others = sorted(each for each in windows - {BAR_WINDOW} if not LAST_BAR.fullmatch(each))
        for window in others or ([] if windows else ["no window"]):
            yield _problem(where, f"bars over {window} do not add up; {BAR_WINDOW} does")


def _link_problems(where: str, panel: Json, numbers: Collection[int]) -> Iterator[Problem]:
    for link in panel.get("links", ()):
        match = _PANEL_LINK.fullmatch(link["url"])
        if match and int(match[1]) not in numbers:
            yield _problem(where, f"its link {quoted(link['title'])} leads to panel {match[1]}, which is not there")


def _reading_problems(where: str, panel: Json, target: Json) -> Iterator[Problem]:
    """What would be slow over 90 days, or skip scrapes between two points of a graph."""
    for window in sorted(set(_RATE.findall(target["expr"])) - {f"[{RATE_INTERVAL}]"}):
        yield _problem(where, f"a rate over {window} misses what lies between points; [{RATE_INTERVAL}] does not")
    raw = sorted(metric for metric in RAW if re.search(rf"\b{metric}\b", target["expr"]))
    if target["range"] and raw and "timeFrom" not in panel:
        yield _problem(where, f"reads {raw[0]} as it is scraped, however long the time range: it needs timeFrom")
    if target["instant"] and any(metric.endswith(BUCKETS) for metric in raw):
        yield _problem(where, "reads the buckets of a histogram over the whole time range")


def _query_problems(where: str, expr: str, declared: set[str], known_metrics: Collection[str]) -> Iterator[Problem]:
    for variable in sorted(variables_in(expr) - declared - BUILT_IN.keys()):
        hint = did_you_mean(variable, declared)
        yield _problem(where, f"reads ${variable}, which no variable of the dashboard sets", hint)
    query = fill_in(expr, BUILT_IN | dict.fromkeys(declared, ".*") | {GROUP_VARIABLE: names.GATEWAY})
    fault = problem_in(query)
    if fault:
        yield _problem(where, f"not PromQL: {fault}")
        return
    for metric in sorted(metrics_of(query) - set(known_metrics)):
        yield _problem(where, f"reads {metric}, which nothing records or scrapes", did_you_mean(metric, known_metrics))

"""What Grafana asks Prometheus when it shows a dashboard: variables filled in, points spread over the panels."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tollbook.gen.durations import Duration
from tollbook.gen.placeholders import fill_in, variables_in

Json = dict[str, Any]

#: Of the data source, as demo/grafana says; and how wide a browser is.
SCRAPE_SECONDS, SCREEN_PIXELS, GRID_WIDTH = 15, 1800, 24

#: The distances between points that Grafana chooses from, and below how many wanted seconds it takes each.
LADDER = {"1s": 1.5, "2s": 3.5, "5s": 7.5, "10s": 12.5, "15s": 17.5, "20s": 25, "30s": 45, "1m": 90, "2m": 210}
LADDER |= {"5m": 450, "10m": 750, "15m": 1050, "20m": 1500, "30m": 2700, "1h": 5400, "2h": 9000, "3h": 16200}
LADDER |= {"6h": 32400, "12h": 86400, "1d": 604800}


@dataclass(frozen=True)
class Asked:
    """One query of one panel, as it is sent. `step` is None where it is asked for one moment."""

    title: str
    query: str
    legend: str
    start: int
    end: int
    step: int | None

    @property
    def path(self) -> str:
        return "/api/v1/query" if self.step is None else "/api/v1/query_range"

    @property
    def parameters(self) -> dict[str, str]:
        if self.step is None:
            return {"query": self.query, "time": str(self.end)}
        return {"query": self.query, "start": str(self.start), "end": str(self.end), "step": str(self.step)}


@dataclass(frozen=True)
class Answer:
    series: list[Json]
    problems: list[str]
    samples: int
    """How many Prometheus had to read."""

    @property
    def values(self) -> list[float]:
        return [float(value) for each in self.series for _, value in points(each)]


def points(series: Json) -> list[Any]:
    return series["values"] if "values" in series else [series["value"]]


def panels_of(dashboard: Json) -> Iterator[Json]:
    """Those inside closed rows too, and no rows."""
    for panel in dashboard["panels"]:
        yield from panel.get("panels", ())
        if panel["type"] != "row":
            yield panel


def asked(panel: Json, target: Json, length: int, now: int, values: Mapping[str, str]) -> Asked:
    """For a time range of so many seconds up to now, or the panel's own."""
    length = Duration.parse(panel["timeFrom"]).seconds if "timeFrom" in panel else length
    step = _step(panel, target, length)
    own = {
        "__range": f"{length}s",
        "__range_s": str(length),
        "__range_ms": str(length * 1000),
        "__interval": str(Duration(step * 1000)),
        "__interval_ms": str(step * 1000),
        "__rate_interval": str(Duration(1000 * max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS))),
    }
    query = fill_in(target["expr"], {**values, **own})
    unknown = variables_in(query)
    if unknown:
        raise ValueError(f"{panel['title']}: nothing fills in {sorted(unknown)}")
    legend = fill_in(target.get("legendFormat", ""), values)
    if target.get("instant"):
        return Asked(panel["title"], query, legend, now - length, now, None)
    start, end = (math.floor(moment / step) * step for moment in (now - length, now))
    return Asked(panel["title"], query, legend, start, end, step)


def _step(panel: Json, target: Json, length: int) -> int:
    pixels = panel["gridPos"]["w"] * SCREEN_PIXELS // GRID_WIDTH
    wanted = length / panel.get("maxDataPoints", pixels)
    chosen = next(interval for interval, below in LADDER.items() if wanted < below)
    floors = [text for text in (panel.get("interval"), target.get("interval"), f"{SCRAPE_SECONDS}s") if text]
    return max(Duration.parse(text).seconds for text in (chosen, floors[0]))


def ask(url: str, request: Asked) -> Answer:
    try:
        address = f"{url}{request.path}?{urllib.parse.urlencode({**request.parameters, 'stats': 'all'})}"
        with urllib.request.urlopen(address, timeout=120) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        return Answer([], [json.load(error)["error"]], 0)
    told = [*answer.get("warnings", ()), *answer.get("infos", ())]
    return Answer(answer["data"]["result"], told, answer["data"]["stats"]["samples"]["totalQueryableSamples"])


# ---- Variables ---------------------------------------------------------------------------------------------------


_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.*), *)?(?P<label>\w+)\)", re.DOTALL)


def all_chosen(dashboard: Json) -> dict[str, str]:
    """What each variable holds when the dashboard is opened: everything, or its first choice."""
    values = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            values[variable["name"]] = variable.get("allValue") or ".*"
        elif variable["type"] != "datasource":
            values[variable["name"]] = choices(variable)[0]
    return values


def choices(variable: Json) -> list[str]:
    """Of a variable whose choices are written in the dashboard, as `text : value` or as values alone."""
    query = variable["query"] if isinstance(variable["query"], str) else ""
    return [choice.rpartition(" : ")[2].strip() for choice in query.split(",") if choice.strip()]


def offered(url: str, variable: Json, values: Mapping[str, str], start: int, end: int) -> list[str]:
    """The values that a variable with a query offers."""
    query = variable["query"]["query"] if isinstance(variable["query"], dict) else variable["query"]
    match = _LABEL_VALUES.fullmatch(query)
    if match is None:
        raise ValueError(f"{variable['name']}: not understood: {query}")
    parameters = {"start": str(start), "end": str(end)}
    if match["selector"]:
        parameters["match[]"] = fill_in(match["selector"], values)
    address = f"{url}/api/v1/label/{match['label']}/values?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(address, timeout=60) as response:
        found: list[str] = json.load(response)["data"]
    return found

"""Every query of every panel and variable of the demo's dashboard, in a real Prometheus that holds five weeks of it.

The dashboard is read as any reader of its JSON would: what a panel shows is told by its queries, units and legends, so
that nothing here must be changed when panels are.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from panel_promises import faults

from demo import history
from demo.billing import Bill
from demo.fleet import DAY, HOUR, MINUTE, fleet_of
from demo.grafana_requests import Asked, all_chosen, ask, asked, choices, offered, panels_of
from demo.windows import counted, total
from tollbook import dashboards
from tollbook.gen import names
from tollbook.gen.spec import Budget, Period
from tollbook.gen.timezones import zone

# What its fixtures prepare takes long: one process runs all tests of this file.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dashboard queries")]

Json = dict[str, Any]

#: Wednesday, 2026-11-18, 15:00 UTC.
STORY_ENDS = 1_795_014_000
FLEET = fleet_of(STORY_ENDS)
SPEC = FLEET.spec
STEP = SPEC.prometheus.step
#: Everything is recorded then.
NOW = STORY_ENDS + SPEC.prometheus.settle.seconds + 5
DAYS = 35

RANGES = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}

DASHBOARD: Json = json.loads(json.dumps(dashboards.build(SPEC)))
PANELS = [panel for panel in panels_of(DASHBOARD) if panel.get("targets")]


@dataclass(frozen=True)
class Past:
    data: Path
    bills: dict[int, Bill]

    def usd(self, after: int, until: int) -> Decimal:
        return sum((total(bill.usd) for end, bill in self.bills.items() if after < end <= until), Decimal())

    def tokens(self, after: int, until: int) -> int:
        return sum(sum(bill.tokens.values()) for end, bill in self.bills.items() if after < end <= until)

    def requests(self, after: int, until: int) -> int:
        return sum(sum(bill.requests.values()) for end, bill in self.bills.items() if after < end <= until)

    def unpriced(self, after: int, until: int) -> int:
        return sum(sum(bill.unpriced.values()) for end, bill in self.bills.items() if after < end <= until)

    def spent(self, budget: Budget, after: int, until: int) -> Decimal:
        """Of all the values together that have a budget of their own."""
        bills = (counted(budget, bill.usd) for end, bill in self.bills.items() if after < end <= until)
        nobody = names.NOBODY if budget.per else ()
        return sum((usd for bill in bills for value, usd in bill.items() if value not in nobody), Decimal())


@pytest.fixture(scope="module")
def past(promtools: list[tuple[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Past:
    data = tmp_path_factory.mktemp("past") / "data"
    return Past(data, history.write(FLEET, DAYS, data, promtools[-1][1]))


@pytest.fixture
def url(prometheus_server: Callable[..., Any], past: Past, tmp_path: Path) -> str:
    shutil.copytree(past.data, tmp_path / "own")
    server = prometheus_server("", "--storage.tsdb.retention.time=100y", storage=tmp_path / "own")
    return str(server.url)


def settings() -> Iterator[dict[str, str]]:
    """Everything that the variables can be set to, one at a time, but for the filters."""
    usual = all_chosen(DASHBOARD)
    yield usual
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] not in ("query", "datasource"):
            yield from ({**usual, variable["name"]: choice} for choice in choices(variable)[1:])


def queries(length: int, setting: dict[str, str]) -> Iterator[tuple[Json, Asked]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel, asked(panel, target, length, NOW, setting)


@pytest.mark.parametrize("length", RANGES.values(), ids=RANGES)
def test_every_panel_answers_what_it_promises(url: str, past: Past, length: int) -> None:
    problems, told = [], 0
    for setting in settings():
        for panel, request in queries(length, setting):
            answer = ask(url, request)
            problems += [f"{request.title}: {problem}" for problem in faults(panel, request, answer)]
            for expected in truths(past, panel, request):
                told += 1
                found = math.fsum(answer.values)
                if found != pytest.approx(float(expected), rel=1e-6, abs=1e-6):
                    problems.append(f"{request.title}: {found} where the oracle says {expected}: {request.query}")
    assert problems == []
    assert told >= 8, "too few panels could be compared with the oracle"


# ---- What the oracle says ------------------------------------------------------------------------------------------


def truths(past: Past, panel: Json, request: Asked) -> Iterator[Decimal | int]:
    """The sum of all that a query answers, where its records alone tell what that is."""
    by_steps = re.sub(r"\b(agentgateway:\w+):(of_hour|hour_to_date)\b", rf"\1:increase{STEP}", request.query)
    read = set(re.findall(r"agentgateway[:_][\w:]+", by_steps)) - {names.gateway_cost(STEP)}
    if len(read) != 1 or re.search(r"[-/] |\w==|>|topk\(\d\b", request.query.replace("offset -", "")):
        return
    record, start, end = read.pop(), request.start, request.end
    if request.step is not None:
        if "offset -" not in request.query:
            return
        # The last bar has begun and is not over.
        end = end + request.step
    # Hours hold what was recorded up to the last full minute; the last bar is summed from the steps.
    late = MINUTE if "hour_to_date" in request.query else 0
    until = recorded_until(end) - (late if request.step is None else 0)
    summed = "$__range" in str(panel["targets"]) or request.step is not None
    if summed and record in RECORDED_BY_STEP:
        yield RECORDED_BY_STEP[record](past, recorded_until(start) - late, until)
    elif request.step is None and record in TO_DATE:
        yield past.usd(begin_of(TO_DATE[record]), until)
    elif request.step is None and record in LATELY:
        yield past.usd(until - LATELY[record], until)
    elif request.step is None and record == names.BUDGET_SPENT:
        yield sum((spent(past, budget, until) for budget in SPEC.budgets), Decimal())


RECORDED_BY_STEP: dict[str, Callable[[Past, int, int], Decimal | int]] = {
    names.cost(STEP): Past.usd,
    names.cost_of_day(STEP): Past.usd,
    names.tokens(STEP): Past.tokens,
    names.unpriced_tokens(STEP): Past.unpriced,
    names.requests(STEP): Past.requests,
}
TO_DATE = {names.DAY_TO_DATE: Period.DAY, names.WEEK_TO_DATE: Period.WEEK, names.MONTH_TO_DATE: Period.MONTH}
LATELY = {names.COST_HOURLY: HOUR, names.COST_BY_GATEWAY: HOUR, names.COST_DAILY: DAY}
LATELY |= {names.COST_WEEKLY: 7 * DAY, names.COST_MONTHLY: 30 * DAY}


def recorded_until(second: int) -> int:
    """The end of the last minute that was recorded by then."""
    return (second - SPEC.prometheus.settle.seconds) // MINUTE * MINUTE


def begin_of(period: Period) -> int:
    now = datetime.fromtimestamp(STORY_ENDS, zone(SPEC.prometheus.timezone))
    midnight = now.replace(hour=0, minute=0, second=0)
    days = {Period.DAY: 0, Period.WEEK: now.weekday(), Period.MONTH: now.day - 1}[period]
    return int(midnight.timestamp()) - days * DAY


def spent(past: Past, budget: Budget, until: int) -> Decimal:
    period = budget.period
    return past.spent(budget, begin_of(period) if isinstance(period, Period) else until - period.seconds, until)


# ---- Variables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", RANGES.values(), ids=RANGES)
def test_every_filter_offers_what_there_is(url: str, past: Past, length: int) -> None:
    used = [labels for end, bill in past.bills.items() if NOW - length < end for labels in bill.tokens]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            label = re.findall(r"(\w+)\)$", variable["definition"])[0]
            found = offered(url, variable, all_chosen(DASHBOARD), NOW - length, NOW)
            assert found == sorted({dict(labels)[label] for labels in used if label in dict(labels)}), variable["name"]


def test_a_filter_that_chooses_each_value_chooses_all(url: str) -> None:
    """Grafana joins what is chosen to one regex, escaped for the regex and for the text that it stands in."""
    setting = all_chosen(DASHBOARD)
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            values = offered(url, variable, setting, NOW - DAY, NOW)
            setting[variable["name"]] = f"({'|'.join(re.sub('[.]', BACKSLASHES + '.', value) for value in values)})"
    pairs = zip(queries(DAY, all_chosen(DASHBOARD)), queries(DAY, setting), strict=True)
    for (panel, everything), (_, listed) in pairs:
        if panel["type"] == "stat":
            found, expected = ask(url, listed).values, ask(url, everything).values
            assert found == pytest.approx(expected, rel=1e-9), panel["title"]


#: Two in the query, written for a pattern's replacement.
BACKSLASHES = "\\" * 4

"""The demo as it runs, but as plain processes and at a hurried pace."""

from __future__ import annotations

import json
import math
import shutil
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import Api, free_port
from demo_stage import NOW, alertmanager_program, health_of_targets
from panel_promises import faults
from stage import until

from demo import history, prepare, processes
from demo.billing import Bill, Biller
from demo.dated import local_day
from demo.fleet import DAY, HOUR, MINUTE, WEEK, Fleet, fleet_of
from demo.grafana_requests import all_chosen, ask, asked, panels_of
from demo.windows import total
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.spec import Spec

# What its fixtures prepare takes long: one process runs all tests of this file.
pytestmark = pytest.mark.xdist_group("demo")

#: Instead of a minute: ten times as long as the slowest group of rules takes on a busy machine, so that none is left
#: out. The story of the past is told in minutes nevertheless.
STEP = Duration.parse("5s")
SCRAPE_INTERVAL = SCRAPE_TIMEOUT = SETTLE = Duration.parse("1s")

#: For so long at least the rules follow what the pods serve.
FOLLOWED_SECONDS = 15

#: Of the pods' counters, which panels read over a day at most; records are there for all the weeks.
RAW = ((6 * HOUR, MINUTE), (DAY, 5 * MINUTE), (history.DAYS * DAY, 6 * HOUR))


@dataclass(frozen=True)
class Story:
    fleet: Fleet
    bills: dict[int, Bill]
    folder: Path


@pytest.fixture(scope="module")
def story(promtools: list[tuple[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One for all versions. No pod is rolled out while it goes on: what one uses after its last scrape nobody sees."""
    folder, now = tmp_path_factory.mktemp("story"), history.settled_now()
    fleet = Fleet(undisturbed(fleet_of(now).spec, now), now, rollout=(now + WEEK // 2) % WEEK)
    bills = prepare.prepare(fleet, folder, folder / processes.DATA_FOLDER, history.DAYS, promtools[-1][1], raw=RAW)
    return Story(fleet, bills, folder)


def undisturbed(spec: Spec, now: int) -> Spec:
    """Hurried, and in a time zone in which it is about noon: at midnight what was used within one step is divided."""
    return replace(
        spec,
        prometheus=replace(
            spec.prometheus,
            scrape_interval=SCRAPE_INTERVAL,
            scrape_timeout=SCRAPE_TIMEOUT,
            step=STEP,
            settle=SETTLE,
            timezone=f"Etc/GMT{now // HOUR % 24 - 12:+d}",
        ),
    )


class StoppableClock:
    """Real time until it is stopped."""

    def __init__(self) -> None:
        self._last = math.inf

    def __call__(self) -> float:
        return min(time.time(), self._last)

    def stop(self) -> int:
        """The last second that it will show: one that no scrape has seen yet."""
        self._last = int(time.time()) + 2
        return int(self._last)


@pytest.mark.slow
def test_the_demo_runs(prometheus: Path, story: Story, tmp_path: Path) -> None:
    folder, fleet = tmp_path / "demo", story.fleet
    shutil.copytree(story.folder, folder)
    api, clock, alertmanager = Api(f"http://127.0.0.1:{free_port()}"), StoppableClock(), alertmanager_program()
    server = processes.Program(prometheus, api.url.removeprefix("http://"))
    # An alert that fires before Alertmanager is known is sent again after a minute, unless told otherwise.
    soon = "--rules.alert.resend-delay=2s"
    with processes.running(fleet, folder, clock, dict.fromkeys(fleet.pods, 0), server, alertmanager, soon):
        until("every target is up", lambda: health_of_targets(api) == ["up"] * 5, lambda: health_of_targets(api))
        up_at = int(time.time())
        until("what is used now is counted", lambda: is_followed(api, fleet, up_at))
        ends = clock.stop()
        bills = story.bills | bills_of(fleet, fleet.now, ends)
        tokens, usd = tokens_of(bills), float(sum((total(bill.usd) for bill in bills.values()), Decimal()))
        until("all tokens are counted", lambda: tokens_counted(api) == tokens, lambda: missed_evaluations(api))
        until("all dollars are counted", lambda: ledger_usd(api) == close_to(usd), lambda: usd)
        today = usd_of_day(fleet, bills, ends)
        until("today goes on from the history", lambda: day_to_date(api) == close_to(today), lambda: today)
        until("every rule is healthy", lambda: unhealthy_rules(api) == [], lambda: unhealthy_rules(api))
        assert value(api, f"sum({names.RULE_FAILURES})") == 0
        if alertmanager:
            until("the overrun budget is told", lambda: "search-24h" in budgets_told(alertmanager.address))
        day = local_day(ends, fleet.spec.prometheus.timezone)
        assert faults_of_panels(api, json.loads((folder / names.DASHBOARD_FILE).read_text()), day) == []
    if not alertmanager:
        pytest.skip("Prometheus and the simulator ran, but there is no Alertmanager (`make test` fetches one)")


def is_followed(api: Api, fleet: Fleet, since: int) -> bool:
    """Something was used since then, and every gateway's ledger has looked at what followed."""
    used = any(fleet.calls_between(since, int(time.time())))
    ledgers = value(api, f"count(timestamp({names.gateway_cost(STEP)}) >= {since + FOLLOWED_SECONDS})")
    return used and ledgers == len(fleet.spec.gateways)


def missed_evaluations(api: Api) -> str:
    """What is lost where a machine is too busy for the rules."""
    return f"(evaluations left out: {value(api, f'sum({names.RULE_GROUPS_MISSED})'):g})"


def unhealthy_rules(api: Api) -> list[tuple[str, str, str]]:
    rules = [rule for group in api.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert rules
    return [(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules if rule["health"] != "ok"]


def bills_of(fleet: Fleet, after: int, until_: int) -> dict[int, Bill]:
    """By the end of each minute, the last one as far as it has come."""
    biller = Biller(fleet.spec)
    return {
        begin + MINUTE: biller.bill(fleet.calls_between(begin, min(begin + MINUTE, until_)))
        for begin in range(after, until_, MINUTE)
    }


def usd_of_day(fleet: Fleet, bills: dict[int, Bill], second: int) -> float:
    timezone = fleet.spec.prometheus.timezone
    day = local_day(second - 1, timezone)
    today = (total(bill.usd) for end, bill in bills.items() if local_day(end - MINUTE, timezone) == day)
    return float(sum(today, Decimal()))


def tokens_of(bills: dict[int, Bill]) -> dict[tuple[str, ...], int]:
    counts: Counter[tuple[str, ...]] = Counter()
    for bill in bills.values():
        for labels, count in bill.tokens.items():
            counts[tuple(dict(labels)[name] for name in CELL)] += count
    return dict(counts)


#: Longer than all history.
EVERYTHING = f"{history.DAYS + 1}d"
CELL = (names.GATEWAY, names.PROVIDER, names.MODEL, names.TOKEN_TYPE, "team")


def tokens_counted(api: Api) -> dict[tuple[str, ...], int]:
    query = f"sum by ({', '.join(CELL)}) (sum_over_time({names.tokens(STEP)}[{EVERYTHING}])) > 0"
    found = api.get("/api/v1/query", query=query)["result"]
    return {tuple(each["metric"][name] for name in CELL): round(float(each["value"][1])) for each in found}


def ledger_usd(api: Api) -> float:
    return value(api, f"sum(sum_over_time({names.cost(STEP)}[{EVERYTHING}]))")


def day_to_date(api: Api) -> float:
    return value(api, f"sum({names.DAY_TO_DATE})")


def value(api: Api, query: str) -> float:
    """Not a number where there is none yet."""
    found = [float(each["value"][1]) for each in api.get("/api/v1/query", query=query)["result"]]
    assert len(found) <= 1, query
    return found[0] if found else math.nan


def close_to(usd: float) -> Any:
    return pytest.approx(usd, rel=1e-9)


def budgets_told(alertmanager: str) -> set[str]:
    with urllib.request.urlopen(f"http://{alertmanager}/api/v2/alerts", timeout=10) as answer:
        return {alert["labels"].get(names.BUDGET, "") for alert in json.load(answer)}


#: Shows nothing on days that the month before did not have, as its description says.
MONTH_AGAINST_LAST = "This month against last"


def faults_of_panels(api: Api, dashboard: Any, today: date) -> list[str]:
    setting, now, found = all_chosen(dashboard), int(time.time()), []
    panels = list(panels_of(dashboard))
    assert MONTH_AGAINST_LAST in {panel["title"] for panel in panels}
    if today.day > (today.replace(day=1) - timedelta(days=1)).day:
        panels = [panel for panel in panels if panel["title"] != MONTH_AGAINST_LAST]
    for panel in panels:
        for target in panel.get("targets", ()):
            for length in (HOUR, DAY):
                request = asked(panel, target, length, now, setting)
                found += [f"{request.title}: {fault}" for fault in faults(panel, request, ask(api.url, request))]
    return found


def test_the_story_is_the_same_whenever_it_is_told() -> None:
    fleet = fleet_of(NOW)
    minute = NOW // MINUTE - 30
    assert list(fleet.calls(minute)) == list(replace(fleet).calls(minute)) != []
    halves = [*fleet.calls_between(NOW - HOUR, NOW - 1000), *fleet.calls_between(NOW - 1000, NOW)]
    assert halves == list(fleet.calls_between(NOW - HOUR, NOW))

"""Dollars since local midnight, since Monday and since the first of the month.

Two halves. The clock, which turns now into a day, a week and a month, needs no data: a real Prometheus is asked for it
at instants around every change of the clocks until 2037. The sums are tried by promtool, whose clock starts on
Thursday, 1970-01-01 at midnight UTC: step number n spends n dollars, so that a step in the wrong period shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promtool_cases import Case, failures, rule_file
from spec_builders import spec_of

from tollbook.gen import timezones
from tollbook.gen.model import Recording, Rule, RuleGroup
from tollbook.gen.promql_layout import layout
from tollbook.gen.spec import Spec
from tollbook.rules import calendar

if TYPE_CHECKING:
    import pytest

CLOCK = "agentgateway:calendar:now"
COST = "agentgateway:cost_usd:increase1m"
COST_OF_DAY = "agentgateway:cost_usd_of_day:increase1m"
DAY_TOTAL = "agentgateway:cost_usd_of_day:day_to_date"
WEEK_TOTAL, MONTH_TOTAL = (f"agentgateway:cost_usd_of_{period}:{period}_to_date" for period in ("week", "month"))
DAY, WEEK, MONTH = (f"agentgateway:cost_usd:{period}_to_date" for period in ("day", "week", "month"))
WEEKS, MONTHS = (WEEK, WEEK_TOTAL), (MONTH, MONTH_TOTAL)

GPT = 'gateway="ai/gw",gen_ai_system="openai",model="gpt"'
SPENT = f'{COST}{{{GPT},gen_ai_token_type="output"}}'


def calendar_rules(timezone: str = "UTC", without: tuple[str, ...] = ()) -> str:
    """`without`: records left out, because weeks and months take long to try."""
    return rules_of(spec_of(f"prometheus: {{timezone: {timezone}}}"), without)


def rules_of(spec: Spec, without: tuple[str, ...] = ()) -> str:
    dated = RuleGroup("ledger", spec.prometheus.step, calendar.rules(spec))
    kept = (
        replace(group, rules=tuple(rule for rule in group.rules if record_of(rule) not in without))
        for group in (dated, *calendar.build(spec))
    )
    return rule_file(*(group for group in kept if group.rules))


def record_of(rule: Rule) -> str:
    assert isinstance(rule, Recording)
    return rule.record


# ---- The clock -----------------------------------------------------------------------------------------------------

#: The usual kinds, and clocks that change by half an hour, at midnight, and in the hour after it.
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Kiritimati"),
    *("Australia/Lord_Howe", "America/Santiago", "America/Havana"),
)
#: Of the others the first years are tried.
ALL_THE_WAY = ("Europe/Berlin", "America/New_York")
BEGIN_2024, END_OF_2037 = 1_704_067_200, 2_145_916_800


def instants(zone: str) -> list[int]:
    """Every change of the clocks and the midnights beside it, leap days and years' ends, and some between."""
    changes = timezones.utc_offset_changes(zone)[1][: None if zone in ALL_THE_WAY else 8]
    days = [date(2028, 2, 29), date(2028, 3, 1), date(2027, 1, 1), date(2037, 12, 31)]
    for change, _ in changes:
        day = datetime.fromtimestamp(change, timezones.zone(zone)).date()
        days += [day, day + timedelta(days=1)]
    others = random.Random(zone)  # the same in every run
    found = {others.randrange(BEGIN_2024, END_OF_2037) for _ in range(10)}
    found |= {change for change, _ in changes} | {midnight(zone, day) for day in days}
    return sorted(instant for instant in found if instant < END_OF_2037)


def midnight(zone: str, day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=timezones.zone(zone)).timestamp())


def by_python(zone: str, instant: int) -> dict[str, str]:
    """What Python's own zone arithmetic says; a step that ends at midnight sharp belongs to the day before."""
    local = datetime.fromtimestamp(instant, UTC) - timedelta(milliseconds=1)
    today = local.astimezone(timezones.zone(zone)).date()
    monday = today - timedelta(days=today.weekday())
    first_monday = date(1969, 12, 29)
    week = (monday - first_monday).days // 7
    return {"day": str((today - date(1970, 1, 1)).days), "week": str(week), "month": str(today.month)}


def clock_of(zone: str) -> str:
    spec = spec_of(f"prometheus: {{timezone: {zone}}}")
    (group,) = calendar.build(spec)
    clock = group.rules[0]
    assert record_of(clock) == CLOCK
    return layout(clock.expr)


def told(server: Any, clock: str, instant: int) -> dict[int, Any]:
    """What the server says a second before the instant, at it, and a second after."""
    answer = server.get("/api/v1/query_range", query=clock, start=str(instant - 1), end=str(instant + 1), step="1")
    return {int(second): (series["metric"], value) for series in answer["result"] for second, value in series["values"]}


def test_the_clock_agrees_with_python_around_every_change_until_2037(prometheus_server: Callable[..., Any]) -> None:
    server = prometheus_server("global: {}\n")
    wrong = {}
    for zone in ZONES:
        clock = clock_of(zone)
        for instant in instants(zone):
            expected = {second: (by_python(zone, second), "1") for second in range(instant - 1, instant + 2)}
            if (answer := told(server, clock, instant)) != expected:
                wrong[zone, instant] = answer
    assert wrong == {}


def test_enough_instants_are_asked_for() -> None:
    assert len(instants("Europe/Berlin")) > 80
    assert sum(len(instants(zone)) for zone in ZONES) > 300


def test_every_midnight_of_every_zone_is_an_instant_of_the_five_minutes_read() -> None:
    """The last value of a day is found by looking every five minutes, so a day must end on one of these."""
    winter_and_summer = [datetime(year, month, 1, tzinfo=UTC) for year in (2024, 2030, 2037) for month in (1, 7)]
    zones = map(timezones.zone, timezones.names())
    offsets = {moment.astimezone(zone).utcoffset() or timedelta(0) for zone in zones for moment in winter_and_summer}
    assert len(offsets) > 20
    assert {offset % timedelta(seconds=calendar.EVERY_LAST_VALUE.seconds) for offset in offsets} == {timedelta(0)}


# ---- The sums --------------------------------------------------------------------------------------------------------


def steps(first: int, last: int) -> int:
    """The dollars of these steps: step n costs n."""
    return sum(range(first, last + 1))


def every(step: str, case: Case) -> Case:
    return replace(case, scraped_every=step, evaluated_every=step)


def spent(record: str, at: str, usd: int) -> tuple[str, str, dict[str, int]]:
    return (record, at, {f"{record}{{{GPT}}}": usd})


def test_day_week_and_month_begin_at_midnight_on_monday_and_on_the_first(promtool: Path) -> None:
    """Three hours a step, so that January takes seconds: a day has eight steps, and each belongs where it ended."""
    case = Case(
        "January 1970 in UTC",
        calendar_rules(),
        {SPENT: "_ 1+1x260"},
        (
            *(spent(record, "21h", steps(1, 7)) for record in (DAY, WEEK, MONTH)),
            *(spent(record, "24h", steps(1, 8)) for record in (DAY, WEEK, MONTH)),
            # Friday
            spent(DAY, "27h", steps(9, 9)),
            *(spent(record, "27h", steps(1, 9)) for record in (WEEK, MONTH)),
            # the last step of Sunday the 4th, and the first of Monday
            spent(DAY, "96h", steps(25, 32)),
            *(spent(record, "96h", steps(1, 32)) for record in (WEEK, MONTH)),
            *(spent(record, "99h", steps(33, 33)) for record in (DAY, WEEK)),
            spent(MONTH, "99h", steps(1, 33)),
            # the last step of Saturday the 31st, after Monday the 26th, and the first of February
            spent(DAY, "31d", steps(241, 248)),
            spent(WEEK, "31d", steps(201, 248)),
            spent(MONTH, "31d", steps(1, 248)),
            *(spent(record, "31d3h", steps(249, 249)) for record in (DAY, MONTH)),
            spent(WEEK, "31d3h", steps(201, 249)),
        ),
    )
    assert failures(promtool, every("3h", case)) == {}


def test_a_day_of_minutes_is_counted_to_the_minute(promtool: Path) -> None:
    case = Case(
        "1440 minutes",
        calendar_rules(without=(*WEEKS, *MONTHS)),
        {SPENT: "_ 1+1x1500"},
        (
            spent(DAY, "23h59m", steps(1, 1439)),
            spent(DAY, "24h", steps(1, 1440)),
            spent(DAY, "24h1m", steps(1441, 1441)),
            spent(DAY, "24h2m", steps(1441, 1442)),
        ),
    )
    assert failures(promtool, every("1m", case)) == {}


def test_periods_begin_at_the_midnight_of_the_spec_s_zone(promtool: Path) -> None:
    cases = (
        # 19:00 on the last day of 1969, a Wednesday: its last five hours end at 05:00 UTC. In the fifth nothing is
        # spent, for it ends within the second before 1970 began there, which `month` rounds up.
        every(
            "1h",
            Case(
                "five hours behind",
                calendar_rules("America/New_York"),
                {SPENT: "_ 1 2 3 4 _ 6"},
                (
                    *(spent(record, "4h", steps(1, 4)) for record in (DAY, WEEK, MONTH)),
                    *(spent(record, "5h", steps(1, 4)) for record in (DAY, WEEK)),
                    *(spent(record, "6h", 6) for record in (DAY, MONTH)),
                    spent(WEEK, "6h", steps(1, 4) + 6),
                ),
            ),
        ),
        # Half hours: the first midnight is 18:30 UTC, the end of step 37, and Monday's is 72 h later, of step 181.
        every(
            "30m",
            Case(
                "five and a half hours ahead",
                calendar_rules("Asia/Kolkata", without=MONTHS),
                {SPENT: "_ 1+1x200"},
                (
                    *(spent(record, "18h30m", steps(1, 37)) for record in (DAY, WEEK)),
                    spent(DAY, "19h", steps(38, 38)),
                    spent(WEEK, "19h", steps(1, 38)),
                    spent(DAY, "90h30m", steps(134, 181)),
                    spent(WEEK, "90h30m", steps(1, 181)),
                    *(spent(record, "91h", steps(182, 182)) for record in (DAY, WEEK)),
                ),
            ),
        ),
    )
    assert failures(promtool, *cases) == {}


def test_the_days_of_a_changing_clock_have_23_and_25_hours(promtool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No zone's changes of 1970 are in the rules, so one is invented: an hour ahead, two from 02:00 on Sunday the 4th,
    one again from 03:00 on Sunday the 11th. Step n ends n hours after the beginning, which is 01:00 there."""
    forward, back = 3 * 86_400 + 3600, 10 * 86_400 + 3600
    monkeypatch.setattr(calendar, "utc_offset_changes", lambda _: (3600, ((forward, 7200), (back, 3600))))
    case = Case(
        "two weeks of hours",
        calendar_rules(without=MONTHS),
        {SPENT: "_ 1+1x300"},
        (
            spent(DAY, "71h", steps(48, 71)),  # Saturday has 24
            spent(DAY, "94h", steps(72, 94)),  # Sunday has 23
            spent(WEEK, "94h", steps(1, 94)),
            *(spent(record, "95h", steps(95, 95)) for record in (DAY, WEEK)),
            spent(DAY, "263h", steps(239, 263)),  # the next Sunday has 25
            spent(WEEK, "263h", steps(95, 263)),  # and its week an hour more than seven days
            *(spent(record, "264h", steps(264, 264)) for record in (DAY, WEEK)),
        ),
    )
    assert failures(promtool, every("1h", case)) == {}


def test_a_model_used_on_one_day_is_in_its_week_and_month_but_not_in_the_next_day(promtool: Path) -> None:
    case = Case(
        "once",
        calendar_rules(),
        {SPENT: "_ _ _ 7 stale"},
        (
            *(spent(record, "9h", 7) for record in (DAY, WEEK, MONTH)),
            *(spent(record, "24h", 7) for record in (DAY, WEEK, MONTH)),
            (DAY, "27h", {}),
            *(spent(record, "4d", 7) for record in (WEEK, MONTH)),
            (WEEK, "99h", {}),
            spent(MONTH, "99h", 7),
        ),
    )
    assert failures(promtool, every("3h", case)) == {}


def test_token_types_add_up_while_models_and_attribution_stay_apart(promtool: Path) -> None:
    spec = spec_of("""
        prometheus: {keep_labels: [cluster]}
        attribution: [{label: team, expression: apiKey.team}]
    """)
    own = 'gateway="ai/gw",gen_ai_system="openai"'
    kinds = {
        f'model="gpt",team="search",cluster="eu",{kind}': usd
        for kind, usd in (('gen_ai_token_type="input"', 1), ('gen_ai_token_type="output"', 10))
    }
    others = {
        'model="mini",team="search",cluster="eu",gen_ai_token_type="input"': 100,
        'model="gpt",team="ads",cluster="eu",gen_ai_token_type="input"': 1000,
        'model="gpt",team="search",cluster="us",gen_ai_token_type="input"': 10000,
    }
    expected = {
        'model="gpt",team="search",cluster="eu"': 11,
        'model="mini",team="search",cluster="eu"': 100,
        'model="gpt",team="ads",cluster="eu"': 1000,
        'model="gpt",team="search",cluster="us"': 10000,
    }
    case = Case(
        "labels",
        rules_of(spec),
        {f"{COST}{{{own},{labels}}}": f"_ {usd}" for labels, usd in (kinds | others).items()},
        tuple(
            (record, "5m", {f"{record}{{{own},{labels}}}": usd for labels, usd in expected.items()})
            for record in (DAY, WEEK, MONTH)
        ),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


# ---- When Prometheus does not run ------------------------------------------------------------------------------------
# promtool evaluates without a pause. So the records of a Prometheus that was down are put in as series, with a hole,
# and only the rules that read them are evaluated.


def of_day(record: str, day: int, week: int = 0, month: int = 1) -> str:
    return f'{record}{{{GPT},day="{day}",week="{week}",month="{month}"}}'


def test_a_week_and_a_month_hold_the_last_total_of_a_day_that_prometheus_did_not_see_end(promtool: Path) -> None:
    """Down from 23:50 of the first day until 00:20 of the second. What was used meanwhile is billed when it is back,
    to the second day; what the first day had is neither lost nor counted twice."""
    five_minutes = {  # a value each five minutes: 23:50 is number 286, 00:20 is number 292
        of_day(DAY_TOTAL, 0): "_ 5x284 7",
        of_day(DAY_TOTAL, 1): "_x292 3 4x300",
    }
    case = Case(
        "down across midnight",
        calendar_rules(without=(COST_OF_DAY, DAY_TOTAL)),
        five_minutes,
        (
            spent(DAY, "23h50m", 7),
            spent(DAY, "24h20m", 3),
            *(spent(record, "24h20m", 7 + 3) for record in (WEEK, MONTH)),
            *(spent(record, "30h", 7 + 4) for record in (WEEK, MONTH)),
        ),
    )
    assert failures(promtool, every("5m", case)) == {}


def test_a_day_that_began_during_a_restart_is_counted_alone(promtool: Path) -> None:
    """No staleness marker ends the records of yesterday when Prometheus restarts at midnight: for five minutes they
    are still found. The day before the first is such a yesterday here, for promtool's time begins at midnight."""
    yesterday = f'{CLOCK}{{day="-2",week="0",month="12"}}'
    case = Case(
        "a restart at midnight",
        calendar_rules(),
        {yesterday: "1", of_day(DAY_TOTAL, -2, month=12): "50", SPENT: "_ 1+1x20"},
        (
            *((record, "1m", {f"{record}{{{GPT}}}": 1}) for record in (DAY, MONTH)),
            spent(WEEK, "1m", 50 + 1),
            spent(DAY, "4m", steps(1, 4)),
            spent(MONTH, "4m", steps(1, 4)),
            spent(WEEK, "4m", 50 + steps(1, 4)),
        ),
    )
    assert failures(promtool, every("1m", case)) == {}


def test_dollars_of_before_a_restart_are_not_counted_again(promtool: Path) -> None:
    case = Case(
        "a restart after one minute",
        calendar_rules(),
        {SPENT: "_ 7"},
        tuple(spent(record, "9m", 7) for record in (DAY, WEEK, MONTH)),
    )
    assert failures(promtool, every("1m", case)) == {}

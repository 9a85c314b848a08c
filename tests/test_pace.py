"""The pace of budgets: what is left of a period, where the pace leads, and which pace wakes somebody.

promtool's clock begins at 1970-01-01T00:00Z, a Thursday. Limits and the ledger's dollars go in as series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, Samples, failures, rule_file, rule_file_of, unmet
from spec_builders import notation, spec_of

from tollbook.gen.model import Recording
from tollbook.gen.pacing import BURNS, LOOK_BACK, burn_rows
from tollbook.gen.spec import Burn, Period
from tollbook.rules import budget_facts, budgets, pace

REMAINING, FORECAST = "agentgateway:period:remaining_seconds", "agentgateway:budget_usd:forecast"
KNOWN = "agentgateway:ledger:seconds"
OVER, BURN = "LLMBudgetForecastOverLimit", "LLMBudgetBurn"
COUNTED = ("agentgateway:budget:counted_usd", "agentgateway:budget:scope")
MINUTES = {"day": 1_440, "week": 10_080, "month": 43_200}


def rules_of(text: str) -> str:
    """With what budgets count; their limits and what was spent of them are put in."""
    spec = spec_of(text)
    counted = [
        replace(
            group, rules=tuple(rule for rule in group.rules if isinstance(rule, Recording) and rule.record in COUNTED)
        )
        for group in budgets.build(spec)
    ]
    return rule_file(*budget_facts.build(spec), *counted, *pace.build(spec))


def budget(name: str, period: str, usd: str = "50", more: str = "") -> str:
    return f"{{name: {name}, amount: {usd}, period: {period}{more}}}"


def ledger(dollars: str, gateway: str = "ai/gw", to_date: str = "") -> dict[str, str]:
    """A gateway's dollars of each step, and of the open hour; none stand where the ledger was not kept."""
    spender = {"gateway": gateway, "gen_ai_system": "openai", "model": "gpt"}
    return {
        notation("agentgateway:gateway_cost_usd:increase1m", gateway=gateway): dollars,
        notation("agentgateway:cost_usd_of_day:increase1m", day="0", **spender): dollars,
        **({notation("agentgateway:cost_usd:hour_to_date", **spender): to_date} if to_date else {}),
    }


def known_of(name: str, usd: str, spent: str, period: str = "day", **labels: str) -> dict[str, str]:
    """What the rules of budgets record."""
    own = {"budget": name, "period": period, **labels}
    return {
        notation("agentgateway:budget_usd:limit", **own): f"{usd}x10300",
        notation("agentgateway:budget_usd:spent", **own): spent,
    }


# ---- What is left of a period ----------------------------------------------------------------------------------------

DAY = 86_400

# Zone -> hours and minutes since the beginning -> seconds left of the local day, week and month.
LEFT: Mapping[str, Mapping[str, tuple[int, int, int]]] = {
    "UTC": {
        "0h": (0, 4 * DAY, 0),  # midnight sharp belongs to the day before
        "30m": (DAY - 1_800, 4 * DAY - 1_800, 31 * DAY - 1_800),
        "23h30m": (1_800, 3 * DAY + 1_800, 30 * DAY + 1_800),
        "24h": (0, 3 * DAY, 30 * DAY),
        "96h": (0, 0, 27 * DAY),  # from Sunday to Monday
        "96h30m": (DAY - 1_800, 7 * DAY - 1_800, 27 * DAY - 1_800),
        "744h": (0, DAY, 0),  # a Saturday ends January
        "744h30m": (DAY - 1_800, DAY - 1_800, 28 * DAY - 1_800),
    },
    "Europe/Berlin": {
        "0h": (23 * 3_600, 3 * DAY + 23 * 3_600, 30 * DAY + 23 * 3_600),
        "23h": (0, 3 * DAY, 30 * DAY),
        "95h": (0, 0, 27 * DAY),
        "743h": (0, DAY, 0),
        "743h30m": (DAY - 1_800, DAY - 1_800, 28 * DAY - 1_800),
    },
    "Asia/Kolkata": {
        "0h": (66_600, 3 * DAY + 66_600, 30 * DAY + 66_600),
        "18h30m": (0, 3 * DAY, 30 * DAY),
        "19h": (DAY - 1_800, 3 * DAY - 1_800, 30 * DAY - 1_800),
        "738h30m": (0, DAY, 0),
    },
    "America/New_York": {
        "0h": (5 * 3_600, 4 * DAY + 5 * 3_600, 5 * 3_600),  # still Wednesday, and 1969
        "5h": (0, 4 * DAY, 0),
        "5h30m": (DAY - 1_800, 4 * DAY - 1_800, 31 * DAY - 1_800),
    },
}

ALL_PERIODS = (
    "[{name: d, amount: 5, period: day}, {name: w, amount: 5, period: week}, {name: m, amount: 5, period: month}]"
)


def remaining_rules(zone: str) -> str:
    (group,) = pace.build(spec_of(f"prometheus: {{timezone: {zone}}}\nbudgets: {ALL_PERIODS}"))
    return rule_file_of([rule for rule in group.rules if isinstance(rule, Recording) and rule.record == REMAINING])


def left(at: str, seconds: tuple[int, int, int]) -> tuple[str, str, Samples]:
    periods = zip(("day", "week", "month"), seconds, strict=True)
    return REMAINING, at, {notation(REMAINING, period=period): value for period, value in periods}


@pytest.mark.parametrize("zone", LEFT)
def test_what_is_left_of_each_period(zone: str, promtool: Path) -> None:
    samples = tuple(left(at, seconds) for at, seconds in LEFT[zone].items())
    case = Case(zone, remaining_rules(zone), {}, samples, evaluated_every="30m")
    assert failures(promtool, case) == {}


def test_a_change_of_the_clocks_is_not_seen_before_it_comes(promtool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At ten by UTC the clocks go from eleven to twelve: the local day ends at 22 by UTC, an hour earlier."""
    monkeypatch.setattr(pace, "utc_offset_changes", lambda _: (3_600, ((36_000, 7_200),)))
    hour = 3_600
    samples = (
        left("9h", (14 * hour, 3 * DAY + 14 * hour, 30 * DAY + 14 * hour)),  # in truth 13 hours
        left("11h", (11 * hour, 3 * DAY + 11 * hour, 30 * DAY + 11 * hour)),
        left("22h", (0, 3 * DAY, 30 * DAY)),
    )
    case = Case("change", remaining_rules("Europe/Berlin"), {}, samples, evaluated_every="1h")
    assert failures(promtool, case) == {}


def test_only_what_a_budget_needs_is_recorded() -> None:
    def records(budgets: str) -> list[str]:
        groups = pace.build(spec_of(f"budgets: {budgets}"))
        return [rule.record for group in groups for rule in group.rules if isinstance(rule, Recording)]

    increase = "agentgateway:budget_usd:increase"
    assert records("[]") == []
    assert records("[{name: b, amount: 5, period: 1h}]") == []
    assert records("[{name: b, amount: 5, period: 7d}]") == [
        f"{increase}{window}" for window in ("5m", "30m", "1h", "6h")
    ]
    assert records("[{name: b, amount: 5, period: day, burn: {}}]") == [
        REMAINING,
        f"{KNOWN}1d",
        f"{increase}1d",
        FORECAST,
    ]
    assert records("[{name: b, amount: 5, period: month, burn: {fast: info}, forecast: never}]") == [
        *(REMAINING, f"{KNOWN}7d", f"{increase}5m", f"{increase}1h", f"{increase}7d", FORECAST)
    ]


# ---- Forecasts -------------------------------------------------------------------------------------------------------


def forecast(name: str, at: str, value: float | None) -> tuple[str, str, Samples]:
    own = notation(FORECAST, budget=name, period="day")
    return own, at, NOTHING if value is None else {own: value}


def test_a_fresh_ledger_is_not_taken_for_a_whole_window(promtool: Path) -> None:
    """Ten cents a minute are 144 dollars a day, 1008 a week, 4464 in 31 days, however little is known of them. Thursday
    is the first of four days of this week: 576."""
    series = ledger("_ 0.1x200", to_date="0+0.1x200")
    periods = {"d": "day", "w": "week", "m": "month"}
    for name, usd in {"d": "50", "w": "300", "m": "1000"}.items():
        series |= known_of(name, usd, "0+0.1x200", periods[name])
    listed = f"budgets: [{budget('d', 'day')}, {budget('w', 'week')}, {budget('m', 'month')}]"
    samples = [
        (
            f"round({FORECAST}{{budget='{name}'}}, 0.000001)",
            at,
            {f'{{budget="{name}",period="{periods[name]}"}}': value},
        )
        for name, value in {"d": 144, "w": 576, "m": 4464}.items()
        for at in ("1m", "30m", "120m")
    ]
    assert failures(promtool, Case("fresh", rules_of(listed), series, tuple(samples), scraped_every="1m")) == {}


def test_a_budget_that_was_just_added_looks_back_on_what_was_spent_before_it(promtool: Path) -> None:
    """Six dollars in the first of ten hours; the budget's own records begin after nine. 6 + 6 / 10 h * 14 h."""
    series = {
        **ledger("_ 0.1x59 0x600"),
        notation("agentgateway:budget_usd:limit", budget="d", period="day"): "_x540 50x60",
        notation("agentgateway:budget_usd:spent", budget="d", period="day"): "_x540 6x60",
    }
    samples = (
        forecast("d", "539m", None),
        (f"round({FORECAST}, 0.000001)", "600m", {'{budget="d",period="day"}': 14.4}),
    )
    case = Case("added", rules_of(f"budgets: [{budget('d', 'day')}]"), series, samples, scraped_every="1m")
    assert failures(promtool, replace(case, evaluated_every="5m")) == {}


def test_a_window_holds_what_is_in_it_and_not_a_step_more(promtool: Path) -> None:
    """Records an hour apart, each of which stands for a minute. A day after the first dollars they are in the window
    for the last time, and a quarter of the day is not known: 12 + 12 / 1080 s * 0 s at midnight."""
    series = {
        **ledger("_ 12 _x6 0x17 0x30"),
        **known_of("d", "50", "_ 12x60"),
    }
    known = notation(f"{KNOWN}1d", gateway="ai/gw")
    increase = notation("agentgateway:budget_usd:increase1d", budget="d", period="day")
    samples = (
        (known, "24h", {known: 18 * 60}),
        (increase, "24h", {increase: 12}),
        forecast("d", "24h", 12),
        (increase, "25h", {increase: 0}),
        (known, "31h", {known: 24 * 60}),
        (known, "40h", {known: 24 * 60}),
        forecast("d", "20h", 12 + 12 / (14 * 60) * 4 * 3_600),
    )
    case = Case("window", rules_of(f"budgets: [{budget('d', 'day')}]"), series, samples)
    assert failures(promtool, replace(case, scraped_every="1h", evaluated_every="1h")) == {}


def test_each_budget_looks_back_on_its_own_dollars_as_far_as_each_window(promtool: Path) -> None:
    """A dollar a minute of one team and two of another, for a week. Of the open hour twice as much was known a week
    before, half past one, as half past the last hour."""
    listed = """
        attribution: [{label: team, expression: apiKey.team}]
        budgets:
          - {name: all, amount: 9, period: day}
          - {name: pair, amount: 9, period: month, match: {gateway: ai/gw, team: ads}}
          - {name: team, amount: 9, period: week, per: team, match: {model: "g*"}}
          - {name: none, amount: 9, period: month, match: {team: nobody}}
    """
    hour, to_date, step = (
        f"agentgateway:{record}"
        for record in ("cost_usd:of_hour", "cost_usd:hour_to_date", "cost_usd_of_day:increase1m")
    )
    series = {'agentgateway:calendar:now{day="0",week="0",month="1"}': "1x10300"}
    series |= known_of("all", "9", "0x10300") | known_of("pair", "9", "0x10300", "month")
    series |= known_of("none", "9", "0x10300", "month")
    for team, usd in {"ads": 1, "search": 2}.items():
        own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt", "team": team}
        series[notation(step, **own, day="0")] = f"{usd}x10300"
        series[notation(hour, **own)] = f"_x1 {60 * usd} _x58 " * 171
        series[notation(to_date, **own)] = f"0+{2 * usd}x59 " * 2 + f"0+{usd}x59 " * 169
        series[notation("agentgateway:cost_usd_of_week:week_to_date", **own, week="1")] = "1x10300"
        series |= known_of("team", "9", "0x10300", "week", per="team", team=team)
    by_minutes = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "3h": 180, "6h": 360, "1d": 1440, "7d": 168 * 60 + 30 - 60}
    watched = {"day": ("5m", "15m", "30m", "3h", "1d"), "month": ("5m", "30m", "1h", "6h", "7d")}
    watched["week"] = watched["month"]
    samples = []
    for window, usd in by_minutes.items():
        record = f"agentgateway:budget_usd:increase{window}"
        found: dict[str, float] = {}
        if window in watched["day"]:
            found[notation(record, budget="all", period="day")] = 3 * usd
        if window in watched["month"]:
            found[notation(record, budget="pair", period="month")] = usd
            found[notation(record, budget="none", period="month")] = 0
            for team, times in {"ads": 1, "search": 2}.items():
                found[notation(record, budget="team", period="week", per="team", team=team)] = times * usd
        samples.append((record, "169h30m", found))
    case = Case("windows", rules_of(listed), series, tuple(samples), scraped_every="1m", evaluated_every="30m")
    assert failures(promtool, case) == {}


def test_without_spending_the_forecast_is_what_was_spent_and_without_a_ledger_there_is_none(promtool: Path) -> None:
    listed = rules_of(f"budgets: [{budget('d', 'day')}]")
    idle = Case("idle", listed, {**ledger("0x20"), **known_of("d", "50", "0x20")}, (forecast("d", "10m", 0),))
    blind = Case("blind", listed, known_of("d", "50", "3x20"), (forecast("d", "10m", None),))
    assert failures(promtool, replace(idle, scraped_every="1m"), replace(blind, scraped_every="1m")) == {}


def test_what_is_known_is_known_of_the_gateways_that_the_budget_counts(promtool: Path) -> None:
    """One gateway for an hour, another for a half: a dollar of each, at midday. 1 + 1 / 1800 s * 12 h for the second
    alone; together the longer time holds: 2 + 2 / 3600 s * 12 h."""
    listed = f"""
        gateways: [{{name: gw, namespace: ai}}, {{name: new, namespace: ai}}]
        budgets: [{budget("all", "day")}, {budget("new", "day", more=", match: {gateway: ai/new}")}]
    """
    series = {
        **ledger("_x661 0x58 1 0x59"),
        **ledger("_x691 0x28 1", gateway="ai/new"),
        **known_of("all", "50", "_x720 2"),
        **known_of("new", "50", "_x720 1"),
    }
    samples = (forecast("all", "720m", 26), forecast("new", "720m", 25))
    case = Case("gateways", rules_of(listed), series, samples, scraped_every="1m", evaluated_every="10m")
    assert failures(promtool, case) == {}


def told(kind: Mapping[str, str], summary: str, description: str) -> dict[str, str]:
    return {**kind, "annotation:summary": summary, "annotation:description": description}


def over_limit(name: str, usd: str, amount: str, spent: str, **labels: str) -> dict[str, str]:
    return told(
        {"budget": name, "period": "day", "severity": "warning", **labels},
        "LLM spend will be over its budget when the period ends.",
        f"Budget {name}: {amount} of {float(usd):.2f} USD will be spent when the day ends, at the pace of the last 1d. "
        "There is time to act: limit those who spend, or raise amount in the spec. Top spenders of the last 1d:"
        f"\n- {spent} USD: gateway ai/gw, provider openai, model gpt",
    )


def test_the_forecast_alert_waits_for_an_hour_of_knowledge_and_half_an_hour_more(promtool: Path) -> None:
    """Five cents a minute, 72 dollars a day. Who has spent the limit already needs no forecast."""
    limits = {"lower": "71", "higher": "73", "spent": "3", "nearly": "4.51", "never": "71"}
    more = {"lower": ", labels: {team: core}", "never": ", forecast: never"}
    listed = ", ".join(budget(name, "day", usd, more.get(name, "")) for name, usd in limits.items())
    series = ledger("_ 0.05x200")
    for name, usd in limits.items():
        series |= known_of(name, usd, "0+0.05x200")
    alerts = (
        (OVER, "89m", ()),
        (
            OVER,
            "90m",
            (over_limit("lower", "71", "72.00", "4.50", team="core"), over_limit("nearly", "4.51", "72.00", "4.50")),
        ),
        (OVER, "91m", (over_limit("lower", "71", "72.00", "4.55", team="core"),)),
    )
    case = Case("hold", rules_of(f"budgets: [{listed}]"), series, alerts=alerts, scraped_every="1m")
    assert failures(promtool, case) == {}


# ---- Burn ------------------------------------------------------------------------------------------------------------


def test_every_row_is_far_above_what_working_hours_spend() -> None:
    """Forty of a week's 168 hours are a factor of 4.2, eight of a day's 24 one of 3; 14.4 and 6 are what SLO tools page
    and warn at for a month."""
    factors = {
        (period, row.speed): row.percent / 100 * MINUTES[period] / (row.long.seconds / 60)
        for period, rows in BURNS.items()
        for row in rows
    }
    assert factors == pytest.approx(
        {
            (Period.MONTH, Burn.FAST): 14.4,
            (Period.MONTH, Burn.SLOW): 6,
            (Period.WEEK, Burn.FAST): 13.44,
            (Period.WEEK, Burn.SLOW): 7,
            (Period.DAY, Burn.FAST): 7.2,
            (Period.DAY, Burn.SLOW): 4,
        }
    )
    for row in (row for rows in BURNS.values() for row in rows):
        assert row.short.milliseconds * row.shorts_in_long == row.long.milliseconds


@pytest.mark.parametrize(
    ("window", "like"),
    [("23h", None), ("1d", "day"), ("6d", "day"), ("7d", "week"), ("27d", "week"), ("28d", "month"), ("35d", "month")],
)
def test_a_rolling_window_burns_like_the_period_of_its_length(window: str, like: str | None) -> None:
    (rolling,) = spec_of(f"budgets: [{budget('b', window)}]").budgets
    assert burn_rows(rolling) == (BURNS[Period(like)] if like else ())


def test_the_look_back_is_never_longer_than_the_period() -> None:
    assert {period: str(window) for period, window in LOOK_BACK.items()} == {"day": "1d", "week": "7d", "month": "7d"}


def burning(per_minute: str, at: tuple[tuple[str, tuple[str, ...]], ...], *periods: str) -> Case:
    """`periods`: each a budget whose even pace is a dollar a minute. Which of their alerts fire, as `day fast`."""
    listed = ", ".join(budget(period, period, str(MINUTES[period])) for period in periods)
    series = ledger(per_minute)
    for period in periods:
        series |= known_of(period, str(MINUTES[period]), "0x500", period)
    count = f"ALERTS{{alertname='{BURN}', alertstate='firing'}}"
    labels = {"alertname": BURN, "alertstate": "firing"}
    severity = {"fast": "critical", "slow": "warning"}
    samples = tuple(
        (
            count,
            moment,
            {
                notation("ALERTS", **labels, budget=name, period=name, burn=speed, severity=severity[speed]): 1
                for name, speed in map(str.split, firing)
            },
        )
        for moment, firing in at
    )
    return Case(per_minute, rules_of(f"budgets: [{listed}]"), series, samples, scraped_every="1m")


def test_a_runaway_agent_is_told_within_minutes(promtool: Path) -> None:
    """Fifty times the pace from the eleventh minute on. 15 percent of a day's 1440 are 216: spent in the fifth minute,
    told when it went on for five more. 8 of a week's 10080 take 17 minutes, 2 of a month's 43200 take 18."""
    moments: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("19m", ()),
        ("20m", ("day fast",)),
        ("31m", ("day fast",)),
        ("32m", ("day fast", "week fast")),
        ("33m", ("day fast", "week fast", "month fast")),
    )
    assert failures(promtool, burning("0x10 50x60", moments, "day", "week", "month")) == {}


def test_a_burst_that_is_over_wakes_nobody(promtool: Path) -> None:
    """Half of the budget in one minute; and ten minutes of fifty times the pace, which are told in the tenth, until
    their last minute has left the short window."""
    nobody = tuple((f"{minute}m", ()) for minute in (11, 12, 15, 16, 17, 25, 26, 27, 41, 60))
    one_minute = burning("0x10 720 0x60", nobody, "day")
    ten_minutes = burning("0x10 50x9 0x60", (("20m", ("day fast",)), ("24m", ("day fast",)), ("25m", ())), "day")
    assert failures(promtool, one_minute, ten_minutes) == {}


def test_steady_spending_at_once_or_twice_the_pace_is_never_told(promtool: Path) -> None:
    hours = tuple((f"{hour}h", ()) for hour in range(1, 8))
    assert failures(promtool, *(burning(f"{pace}x430", hours, "day", "week", "month") for pace in (1, 2))) == {}


def test_five_times_the_pace_of_a_day_is_a_slow_burn(promtool: Path) -> None:
    """Half of 1440 is spent in the 144th minute, and told a quarter of an hour later."""
    moments: tuple[tuple[str, tuple[str, ...]], ...] = (("158m", ()), ("159m", ("day slow",)))
    case = burning("_ 5x200", moments, "day")
    assert failures(promtool, case) == {}
    assert unmet(promtool, replace(case, rules=case.rules.replace("* 0.5)", "* 0.51)"))) == {case.name}


def test_the_long_window_counts_from_its_share_on_and_the_short_one_from_the_same_pace(promtool: Path) -> None:
    """15 percent of 1440 are 216; at the same pace 36 in five minutes, 7.2 in each."""
    fires: tuple[str, ...] = ("day fast",)
    cases = [
        burning("_ 216 7.25x20", (("5m", ()), ("6m", fires), ("12m", fires)), "day"),
        burning("_ 216 7.15x20", (("6m", ()), ("7m", ()), ("12m", ())), "day"),
        burning("_ 215.75 0.125 0.125 15x20", (("7m", ()), ("8m", fires)), "day"),
        burning("_ 215.75 0.0625 0.0625 15x20", (("8m", ()), ("9m", fires)), "day"),
    ]
    assert failures(promtool, *cases) == {}


def burns(name: str, period: str, speed: str, description: str, severity: str) -> dict[str, str]:
    summary = "LLM spend burns its budget far faster than the budget allows."
    return told(
        {"budget": name, "period": period, "severity": severity, "burn": speed, "team": "core"}, summary, description
    )


def test_what_the_burn_alerts_say(promtool: Path) -> None:
    labels = ", labels: {team: core}, burn: {fast: warning, slow: none}"
    listed = f"budgets: [{budget('d', 'day', '100', labels)}, {budget('r', '7d', '100', labels)}]"
    series = {**ledger("_ 10x50"), **known_of("d", "100", "0x60"), **known_of("r", "100", "0x60", "7d")}
    row = "\n- {} USD: gateway ai/gw, provider openai, model gpt"
    fast = "Something runs away: find it and stop it now. Top spenders of the last"
    slow = (
        "At this pace the budget does not last: find out who spends, limit them or raise amount in the spec. Top "
        "spenders of the last"
    )
    head = "{} USD spent in the last"
    day_fast = f"{head} 30m, at or over 15 percent of 100.00 USD a day, and it goes on. {fast} 30m:{row}"
    day_slow = f"{head} 3h, at or over 50 percent of 100.00 USD a day, and it goes on. {slow} 3h:{row}"
    rolling_fast = f"{head} 1h, at or over 8 percent of 100.00 USD in 7d, and it goes on. {fast} 1h:{row}"
    rolling_slow = f"{head} 6h, at or over 25 percent of 100.00 USD in 7d, and it goes on. {slow} 6h:{row}"
    alerts = (
        (
            BURN,
            "33m",
            (
                burns("d", "day", "fast", "Budget d: " + day_fast.format("300.00", "300.00"), "warning"),
                burns("d", "day", "slow", "Budget d: " + day_slow.format("330.00", "330.00"), "none"),
                burns("r", "7d", "fast", "Budget r: " + rolling_fast.format("330.00", "330.00"), "warning"),
                burns("r", "7d", "slow", "Budget r: " + rolling_slow.format("330.00", "330.00"), "none"),
            ),
        ),
    )
    case = Case("texts", rules_of(listed), series, alerts=alerts, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_every_team_is_watched_with_the_severities_and_labels_of_its_budget(promtool: Path) -> None:
    """Two teams burn, and one of them will be over its limit; each second team is out of step with the others."""
    listed = """
        attribution: [{label: team, expression: apiKey.team}]
        budgets:
          - name: team
            per: team
            amount: 10
            period: day
            forecast: info
            burn: {fast: warning}
            labels: {pager: finops}
            overrides: {ads: {amount: 1000, labels: {slack: "#ads"}}, lab: 5}
    """
    spender = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt", "day": "0"}
    step, fleet = "agentgateway:cost_usd_of_day:increase1m", "agentgateway:gateway_cost_usd:increase1m"
    series = {
        notation(step, **spender, team="search"): "_ 0.5x200",
        notation(step, **spender, team="ads"): "_ 0.5x200",
        notation(step, **spender, team="lab"): "_x20 1x200",
        notation(fleet, gateway="ai/gw"): "1x200",
        'agentgateway:calendar:now{day="0",week="0",month="1"}': "1x200",
    }
    for team, limit in {"search": "10", "ads": "1000", "lab": "5"}.items():
        series |= known_of("team", limit, "0x200", team=team, per="team")
        series |= {
            notation("agentgateway:cost_usd_of_day:day_to_date", **spender, team=team, week="0", month="1"): "1x200"
        }
    own = {"alertstate": "firing", "budget": "team", "period": "day", "per": "team", "pager": "finops"}
    fast = {"alertname": BURN, **own, "severity": "warning", "burn": "fast"}
    over = {"alertname": OVER, **own, "severity": "info"}
    samples: tuple[tuple[str, str, Samples], ...] = (
        ("ALERTS{alertstate='firing'}", "7m", {}),
        ("ALERTS{alertstate='firing'}", "8m", {notation("ALERTS", **fast, team="search"): 1}),
        ("ALERTS{alertstate='firing'}", "24m", {notation("ALERTS", **fast, team="search"): 1}),
        (
            "ALERTS{alertstate='firing'}",
            "25m",
            {notation("ALERTS", **fast, team="search"): 1, notation("ALERTS", **fast, team="lab"): 1},
        ),
        (
            f"ALERTS{{alertname='{OVER}', alertstate='firing'}}",
            "100m",
            {notation("ALERTS", **over, team="search"): 1, notation("ALERTS", **over, team="lab"): 1},
        ),
    )
    assert failures(promtool, Case("teams", rules_of(listed), series, samples, scraped_every="1m")) == {}

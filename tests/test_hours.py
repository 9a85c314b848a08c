"""Hours of the ledger: between any two moments they hold what its steps hold, whatever came in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.rules import hours

LEDGER = "agentgateway:tokens:increase1m"
OF_HOUR = "agentgateway:tokens:of_hour"
TO_DATE = "agentgateway:tokens:hour_to_date"
PUT_DOWN = "agentgateway:hour:put_down_seconds"
GATEWAY = 'gateway="ai/gw"'
RULES = rule_file(*hours.build(spec_of()))


def at_once(record: str) -> str:
    """What was recorded at this very instant."""
    return f"last_over_time({record}[1ms])"


def entries(record: str = LEDGER, **labels: str) -> str:
    return notation(record, gateway="ai/gw", **labels)


def held(since: str, until: str) -> str:
    """By the hours, between two moments; the last is the one that asks."""
    parts = (
        f"sum_over_time({OF_HOUR}[{until}])",
        f'label_replace({TO_DATE}, "part", "end", "", "")',
        f'label_replace(-({TO_DATE} offset {since}), "part", "begin", "", "")',
    )
    return f"sum by (model) ({' or '.join(parts)})"


# ---- What an hour holds ----------------------------------------------------------------------------------------------


def test_an_hour_is_put_down_once_a_step_after_its_end(promtool: Path) -> None:
    """From minute 3 on a token a minute. What is put down is not open any more, in the very same step."""
    samples = (
        (TO_DATE, "2m", NOTHING),
        (TO_DATE, "10m", {entries(TO_DATE): 8}),
        (TO_DATE, "60m", {entries(TO_DATE): 58}),
        (OF_HOUR, "60m", NOTHING),
        (OF_HOUR, "61m", {entries(OF_HOUR): 58}),
        (TO_DATE, "61m", {entries(TO_DATE): 1}),
        (PUT_DOWN, "60m", NOTHING),
        (PUT_DOWN, "61m", {PUT_DOWN: 3600}),
        (at_once(OF_HOUR), "62m", NOTHING),
        (at_once(PUT_DOWN), "62m", NOTHING),
        (TO_DATE, "120m", {entries(TO_DATE): 60}),
        (OF_HOUR, "121m", {entries(OF_HOUR): 60}),
        (TO_DATE, "121m", {entries(TO_DATE): 1}),
        (PUT_DOWN, "121m", {PUT_DOWN: 7200}),
        (f"sum_over_time({OF_HOUR}[2h])", "122m", {"{" + GATEWAY + "}": 118}),
        (f"count_over_time({OF_HOUR}[2h])", "122m", {"{" + GATEWAY + "}": 2}),
    )
    case = Case("an hour", RULES, {entries(): "_x3 1x200"}, samples, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_at_every_minute_hours_and_the_open_one_hold_the_whole_ledger(promtool: Path) -> None:
    """From minute 3 on a token a minute."""
    whole = f'sum(sum_over_time({OF_HOUR}[4h]) or label_replace({TO_DATE}, "part", "open", "", ""))'
    minutes = (*range(57, 66), *range(118, 125), *range(178, 185))
    samples = tuple((whole, f"{minute}m", {"": minute - 2}) for minute in minutes)
    case = Case("every minute", RULES, {entries(): "_x3 1x200"}, samples, scraped_every="1m")
    assert failures(promtool, case) == {}


#: What the ledger holds, minute by minute from 1970 on -> what it grew by between minutes 50 and 130.
PASTS: Mapping[str, tuple[str, int]] = {
    "steady": ("_ 2x200", 160),  # the hour that ends with 1970 has no marker
    "none before": ("_x51 2x200", 160),
    "ended in the first hour": ("_x40 3x12 stale", 6),
    "ended long before": ("_x10 3x5 stale", 0),
    "used once, on the full hour": ("_x60 7 0x20 stale", 7),
    "used once, just before the full hour": ("_x59 7 stale", 7),
    "used once, at the end": ("_x130 7 stale", 7),
    "used once, after the end": ("_x131 7 stale", 0),
    "idle for over an hour, and used again": ("_x51 5 stale _x70 4 stale", 9),
    "idle at zero, and used again": ("0x51 5 0x70 4 0x80", 9),
    "tokens that are taken off again": ("_x51 5 -5 2 stale", 2),
}


def test_between_two_moments_they_hold_what_the_ledger_grew_by(promtool: Path) -> None:
    series = {entries(model=name): text for name, (text, _) in PASTS.items()}
    raw = f"sum by (model) (sum_over_time({LEDGER}[79m59s]))"
    known = {notation("", model=name): grown for name, (_, grown) in PASTS.items()}
    # A series that is not there at either end and was put down in no hour between them holds nothing.
    nothing = {notation("", model="used once, after the end"), notation("", model="ended long before")}
    by_hours = {name: grown for name, grown in known.items() if name != notation("", model="used once, after the end")}
    by_steps = {name: grown for name, grown in known.items() if name not in nothing}
    samples = ((held("80m", "80m"), "130m", by_hours), (raw, "130m", by_steps))
    assert failures(promtool, Case("pasts", RULES, series, samples, scraped_every="1m")) == {}


@pytest.mark.parametrize("what", ["tokens", "cost_usd", "requests", "reported_usd"])
def test_every_ledger_has_its_hours_with_all_of_its_labels(what: str, promtool: Path) -> None:
    of_hour = f"agentgateway:{what}:of_hour"
    series = {entries(f"agentgateway:{what}:increase1m", team="a", cluster="eu"): "_x1 1x199"}
    samples = ((of_hour, "61m", {entries(of_hour, team="a", cluster="eu"): 60}),)
    assert failures(promtool, Case(what, RULES, series, samples, scraped_every="1m")) == {}


# ---- Outages ---------------------------------------------------------------------------------------------------------
# promtool cannot leave evaluations out: what was recorded before an outage is put in, and all rules are evaluated once.

#: Minutes that an outage took until 10:40, the hour that was put down last (a minute after its end) -> what is put down
#: (0: nothing), and what is open. A token was used a minute until the outage, and one is at 10:40.
OUTAGES: Mapping[str, tuple[int, int, int, int]] = {
    "within the hour": (20, 10, 0, 20 + 1),
    "over the full hour": (45, 9, 55, 1),
    "over two": (119, 8, 41, 1),
    "too long": (180, 7, 0, 1),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_takes_nothing_with_it(name: str, promtool: Path) -> None:
    """The only evaluations are those of 1970 and of 10:40."""
    minutes, hour, put_down, still_open = OUTAGES[name]
    series = {
        PUT_DOWN: f"_x{60 * hour + 1} {3600 * hour} _x900",
        entries(): f"_x{60 * hour + 1} 1x{640 - minutes - 60 * hour - 1} _x{minutes - 1} 1 _x900",
    }
    marked = at_once(PUT_DOWN)
    samples = (
        (OF_HOUR, "640m", {entries(OF_HOUR): put_down} if put_down else NOTHING),
        (TO_DATE, "640m", {entries(TO_DATE): still_open}),
        (marked, "640m", NOTHING if hour == 10 else {PUT_DOWN: 36_000}),
    )
    case = Case(name, RULES, series, samples, scraped_every="1m", evaluated_every="640m")
    assert failures(promtool, case) == {}

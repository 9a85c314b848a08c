"""Hours of the ledger: between any two moments they hold what its steps hold, whatever came in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, failures, rule_file_of
from spec_builders import notation, spec_of

from tollbook.rules import hours

LEDGER = "agentgateway:tokens:increase1m"
OF_HOUR = "agentgateway:tokens:of_hour"
TO_DATE = "agentgateway:tokens:hour_to_date"
BEGIN = "agentgateway:hour:begin_seconds"
GATEWAY = 'gateway="ai/gw"'


def rules(gateway: str = "gw") -> str:
    spec = spec_of(f"gateways: [{{name: {gateway}, namespace: ai}}]")
    return rule_file_of(hours.rules(spec, spec.gateways[0]))


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


def test_an_hour_is_put_down_once_when_it_is_over(promtool: Path) -> None:
    """From minute 3 on a token a minute; the step of the full hour is the first of the next one."""
    samples = (
        (TO_DATE, "2m", NOTHING),
        (TO_DATE, "10m", {entries(TO_DATE): 8}),
        (TO_DATE, "59m", {entries(TO_DATE): 57}),
        (OF_HOUR, "59m", NOTHING),
        (OF_HOUR, "60m", {entries(OF_HOUR): 57}),
        (TO_DATE, "60m", {entries(TO_DATE): 1}),
        ("last_over_time(agentgateway:tokens:of_hour[1ms])", "61m", NOTHING),
        (OF_HOUR, "120m", {entries(OF_HOUR): 60}),
        (TO_DATE, "120m", {entries(TO_DATE): 1}),
        (f"sum_over_time({OF_HOUR}[2h])", "121m", {"{" + GATEWAY + "}": 117}),
        (f"count_over_time({OF_HOUR}[2h])", "121m", {"{" + GATEWAY + "}": 2}),
        (BEGIN, "119m", {entries(BEGIN): 3600}),
        (BEGIN, "120m", {entries(BEGIN): 7200}),
    )
    case = Case("an hour", rules(), {entries(): "_x3 1x200"}, samples, scraped_every="1m")
    assert failures(promtool, case) == {}


#: What the ledger holds, minute by minute from 1970 on -> what it grew by between minutes 50 and 130.
PASTS: Mapping[str, tuple[str, int]] = {
    "steady": ("2x200", 160),
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
    assert failures(promtool, Case("pasts", rules(), series, samples, scraped_every="1m")) == {}


@pytest.mark.parametrize(
    ("record", "version", "is_kept"),
    [
        ("cost_usd:increase1m", "1.3", True),
        ("requests:increase1m", "1.3", True),
        ("reported_usd:increase1m", "1.4", True),
        ("reported_usd:increase1m", "1.3", False),
    ],
)
def test_every_ledger_has_its_hours(record: str, version: str, is_kept: bool, promtool: Path) -> None:
    spec = spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}]')
    what = record.partition(":")[0]
    of_hour = f"agentgateway:{what}:of_hour"
    expected = {entries(of_hour, team="a"): 59} if is_kept else NOTHING
    series = {entries(f"agentgateway:{record}", team="a"): "_x1 1x199"}
    case = Case(record, rule_file_of(hours.rules(spec, spec.gateways[0])), series, ((of_hour, "60m", expected),))
    case = Case(case.name, case.rules, case.series, case.samples, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_another_gateway_s_entries_are_left_to_it(promtool: Path) -> None:
    case = Case("another", rules("other"), {entries(): "1x100"}, ((TO_DATE, "10m", NOTHING),), scraped_every="1m")
    assert failures(promtool, case) == {}


# ---- Outages ---------------------------------------------------------------------------------------------------------
# promtool cannot leave evaluations out: what was recorded before an outage is put in, and all rules are evaluated once.

#: Minutes between the last evaluation and the one that comes after it, the hour that began last, what the open hour
#: held -> what is put down (0: nothing), and what the open hour holds with a token more.
OUTAGES: Mapping[str, tuple[int, int, int, int]] = {
    "within the hour": (20, 3600 * 10, 0, 6),
    "over the full hour": (45, 3600 * 9, 5, 1),
    "over hours": (359, 3600 * 4, 5, 1),
    "too long": (361, 3600 * 4, 0, 1),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_takes_nothing_with_it(name: str, promtool: Path) -> None:
    """The only evaluations are those of 1970 and of 10:40."""
    minutes, begun, put_down, then = OUTAGES[name]
    before = f"_x{640 - minutes} "
    series = {
        entries(BEGIN): f"{before}{begun} _x900",
        entries(TO_DATE): f"{before}5 _x900",
        entries(): "_x640 1 _x900",
    }
    samples = (
        (OF_HOUR, "640m", {entries(OF_HOUR): put_down} if put_down else NOTHING),
        (TO_DATE, "640m", {entries(TO_DATE): then}),
    )
    case = Case(name, rules(), series, samples, scraped_every="1m", evaluated_every="640m")
    assert failures(promtool, case) == {}

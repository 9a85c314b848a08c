"""The calendar's end is told half a year before, where there is one.

promtool's clock starts in 1970 and goes on by its evaluation interval: each instant is that of a file of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from promtool_cases import Case, failures, rule_file
from spec_builders import spec_of

from tollbook.rules import horizon

ENDS = "LLMCalendarEnds"
END = 2145916800  # `date --date=2038-01-01T00:00:00Z +%s`
DAY = 86_400


def horizon_rules(zone: str) -> str:
    return rule_file(*horizon.build(spec_of(f"prometheus: {{timezone: {zone}}}")))


def ends(zone: str, days: int) -> dict[str, str]:
    return {
        "severity": "warning",
        "annotation:summary": "The calendar in the rules ends soon, after which days and months begin at wrong hours.",
        "annotation:description": (
            f"The rules know when clocks change in {zone} until 2038-01-01, {days} days from now. Then budgets and "
            "calendar periods begin and end an hour off. Update tollbook, generate again and apply what changed."
        ),
    }


def at(unix_seconds: int, expected: tuple[dict[str, str], ...], zone: str) -> Case:
    instant = f"{unix_seconds}s"
    alerts = ((ENDS, instant, expected),)
    return Case(f"{zone} at {instant}", horizon_rules(zone), alerts=alerts, evaluated_every=instant)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
def test_the_end_is_told_from_half_a_year_before(zone: str, promtool: Path) -> None:
    cases = [
        at(60, (), zone),
        at(1795564800, (), zone),  # 2026-11-25
        at(END - 180 * DAY - 1, (), zone),
        at(END - 180 * DAY, (ends(zone, 180),), zone),
        at(END - 7 * DAY, (ends(zone, 7),), zone),
        at(END + 10 * DAY, (ends(zone, -10),), zone),
    ]
    assert failures(promtool, *cases) == {}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Almaty"])
def test_a_zone_that_does_not_change_its_clocks_has_no_end(zone: str) -> None:
    """Almaty changed its offset once, in 2024."""
    assert horizon.build(spec_of(f"prometheus: {{timezone: {zone}}}")) == ()

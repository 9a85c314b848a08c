"""The end of the calendar: changes of clocks are written into the rules with their dates, and dates come to an end."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import binary, clock, scalar
from tollbook.gen.spec import Spec
from tollbook.gen.timezones import HORIZON, utc_offset_changes

#: Long enough for a yearly round of updates to come by, were somebody to postpone it once.
WARNING_DAYS = 180

_DAY_SECONDS = 86_400
_YEAR_SECONDS = 366 * _DAY_SECONDS


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    if not _changes_to_the_end(spec.prometheus.timezone):
        return ()
    return (RuleGroup(f"{names.GROUP_PREFIX}.horizon", spec.prometheus.step, (_ends(spec),), home="horizon"),)


def _changes_to_the_end(timezone: str) -> bool:
    """A zone that changed its offset years before has no more changes to miss."""
    _, changes = utc_offset_changes(timezone)
    return bool(changes) and changes[-1][0] > HORIZON.timestamp() - _YEAR_SECONDS


def _ends(spec: Spec) -> Alert:
    seconds_left = binary(scalar(int(HORIZON.timestamp())), "-", clock())
    return Alert(
        alert=alert_names.CALENDAR_ENDS,
        expr=binary(binary(seconds_left, "/", scalar(_DAY_SECONDS)), "<=", scalar(WARNING_DAYS)),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "The calendar in the rules ends soon, after which days and months begin at wrong hours.",
            "description": (
                f"The rules know when clocks change in {spec.prometheus.timezone} until {HORIZON.date()}, "
                f"{value(decimals=0)} days from now. Then budgets and calendar periods begin and end an hour off. "
                "Update tollbook, generate again and apply what changed."
            ),
        },
    )

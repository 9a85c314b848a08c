"""Whether what the spec says of its alerts can be meant: of alerts that there are, with labels that are free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tollbook.gen import names
from tollbook.gen.alert_names import ALERTS, OF_TWO_SEVERITIES, SEVERITY_IN_BUDGETS
from tollbook.gen.label_checks import label_of_series_findings
from tollbook.gen.sections import Section
from tollbook.gen.wording import did_you_mean, quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Problem
    from tollbook.gen.resolve import Resolved


def alert_findings(resolved: Resolved) -> Iterator[Problem]:
    section = resolved.alerts
    yield from label_of_series_findings(section, resolved.spec, "state it for each alert, under rules")
    for alert, data in section.stated("rules").items():
        rule = Section(section.document, (*section.path, "rules", alert), data)
        yield from _name(section, alert)
        yield from _severity(rule, alert)
        yield from label_of_series_findings(rule, resolved.spec, "state it beside labels, not in them")


def _name(section: Section, alert: str) -> Iterator[Problem]:
    if alert not in ALERTS:
        yield section.error(
            f"there is no alert {quoted(alert)}",
            section.key_place("rules", alert),
            did_you_mean(alert, ALERTS) or "`tollbook alerts` lists those of this spec",
        )


def _severity(rule: Section, alert: str) -> Iterator[Problem]:
    if names.SEVERITY not in rule.data:
        return
    place = rule.key_place(names.SEVERITY)
    if alert in SEVERITY_IN_BUDGETS:
        yield rule.error(
            "its severity is the budgets' to say", place, f"set {SEVERITY_IN_BUDGETS[alert]} of each budget"
        )
    if alert in OF_TWO_SEVERITIES:
        yield rule.error(
            "it has two severities, one for each of its causes, which cannot be set as one",
            place,
            "leave severity out, and route by the label severity",
        )

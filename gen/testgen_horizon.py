"""Tests of the end of the calendar: told from an instant on, and not a second before it.

promtool's clock starts in 1970 and knows one evaluation interval a file, so each instant is that of a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.promtest import Case, CaseFile, expect_alerts
from tollbook.gen.spec import Spec
from tollbook.gen.timezones import HORIZON

_WARNING_DAYS = 180


def files(spec: Spec, alerts: Sequence[Alert]) -> Iterator[CaseFile]:
    told = int((HORIZON - timedelta(days=_WARNING_DAYS)).timestamp())
    for rule in (rule for rule in alerts if rule.alert == names.ALERT_CALENDAR_ENDS):
        for moment, what, second, firing in (
            ("before", "Just before the calendar's end is told", told - 1, ()),
            ("after", "The calendar's end is told", told, [(rule, {}, Decimal(_WARNING_DAYS))]),
        ):
            at = Duration(second * 1000)
            case = Case("half a year ahead", spec.prometheus.step, alerts=(expect_alerts(rule.alert, at, firing),))
            yield CaseFile(names.rules_test_file(f"clocks-{moment}"), what, at, (case,))

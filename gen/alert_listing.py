"""The alerts of a spec as their user reads them, a line for each name and severity, and as a program does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert

#: Where the rule states no severity, for its series bring that of their budget.
PER_BUDGET = "per budget"
_SEVERITIES = ("critical", "warning", "info", "none")


def table(alerts: Iterable[Alert]) -> str:
    """Name, severity, time and summary, in columns."""
    same: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        same.setdefault((alert.alert, _severity(alert)), []).append(alert)
    rows = [(*key, _distinct(map(_hold, found)), _distinct(map(_summary, found))) for key, found in same.items()]
    return _aligned(rows)


def objects(alerts: Iterable[Alert]) -> list[Mapping[str, Any]]:
    """One for each rule; a budget has rules of its own."""
    return [
        {
            "name": alert.alert,
            "severity": _severity(alert),
            "for": str(alert.hold),
            "summary": _summary(alert),
            "description": alert.annotations["description"],
            "runbook_url": alert.annotations["runbook_url"],
            "labels": dict(alert.labels),
        }
        for alert in alerts
    ]


def _severity(alert: Alert) -> str:
    stated = alert.labels.get(names.SEVERITY)
    return stated if stated in _SEVERITIES else PER_BUDGET


def _hold(alert: Alert) -> str:
    return "at once" if alert.hold == Duration(0) else str(alert.hold)


def _summary(alert: Alert) -> str:
    return alert.annotations["summary"]


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)

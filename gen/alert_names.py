"""The names of all alerts, and those of which something else is known before any rule is built."""

from __future__ import annotations

from tollbook.gen import names

#: From the constants themselves: none can be forgotten.
ALERTS = frozenset(str(name) for constant, name in vars(names).items() if constant.startswith("ALERT_"))

#: Each budget says how severe its alerts are -> the budget's key that does.
SEVERITY_IN_BUDGETS = {
    names.ALERT_BUDGET: "alert_at",
    names.ALERT_BUDGET_FORECAST: "forecast",
    names.ALERT_BUDGET_BURN: "burn",
}

#: Each has two rules, of which one is far more severe than the other.
OF_TWO_SEVERITIES = frozenset({names.ALERT_SCRAPED_TWICE, names.ALERT_CATALOG})

#: Their texts say for how long the alert's condition has held.
STATE_THEIR_HOLD = frozenset(
    {names.ALERT_GATEWAY_ABSENT, names.ALERT_TARGET_DOWN, names.ALERT_VERSION, names.ALERT_VERSION_UNKNOWN}
)

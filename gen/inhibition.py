"""Which alerts fall silent while another one says more: inhibit rules for Alertmanager, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from tollbook.gen import alert_names, names
from tollbook.gen.promql import Matcher, eq, number, one_of
from tollbook.gen.spec import Burn, Spec

#: Two clusters may send to one Alertmanager. Where neither of two alerts has such a label, they agree on it too.
_SAME_SENDER = (names.CLUSTER, names.PROMETHEUS)

_ALL = Decimal(100)


def inhibit_rules(spec: Spec) -> list[dict[str, Any]]:
    return [*_lower_thresholds(spec), *_forecast_of_what_is_spent(spec), *_slower_burn(spec), *_of_absent_gateway(spec)]


def _lower_thresholds(spec: Spec) -> Iterator[dict[str, Any]]:
    """Of all budgets at once: an alert is only ever muted by one of its own budget."""
    percents = _percents(spec) if spec.alerts.is_enabled(alert_names.BUDGET) else []
    for lower, percent in enumerate(percents[1:], start=1):
        yield _rule(_threshold([percent]), _threshold(percents[:lower]), names.BUDGET, *spec.budgets_per)


def _forecast_of_what_is_spent(spec: Spec) -> Iterator[dict[str, Any]]:
    are_enabled = all(map(spec.alerts.is_enabled, (alert_names.BUDGET, alert_names.BUDGET_FORECAST)))
    reached = [percent for percent in _percents(spec) if percent >= _ALL]
    if are_enabled and reached and any(budget.forecast for budget in spec.budgets):
        yield _rule(
            _threshold(reached), (eq(names.ALERTNAME, alert_names.BUDGET_FORECAST),), names.BUDGET, *spec.budgets_per
        )


def _slower_burn(spec: Spec) -> Iterator[dict[str, Any]]:
    if spec.alerts.is_enabled(alert_names.BUDGET_BURN) and any(len(budget.burn) > 1 for budget in spec.budgets):
        yield _rule(_burn(Burn.FAST), _burn(Burn.SLOW), names.BUDGET, *spec.budgets_per)


def _of_absent_gateway(spec: Spec) -> Iterator[dict[str, Any]]:
    muted = [alert for alert in alert_names.ON_SCRAPED_GATEWAY if spec.alerts.is_enabled(alert)]
    if muted and _is_told(spec, alert_names.GATEWAY_ABSENT):
        yield _rule(
            (eq(names.ALERTNAME, alert_names.GATEWAY_ABSENT),), (one_of(names.ALERTNAME, muted),), names.GATEWAY
        )


def _is_told(spec: Spec, alert: str) -> bool:
    """What nobody is told of mutes nothing: `none` is the severity of alerts that are sent nowhere."""
    setting = spec.alerts.rules.get(alert)
    return setting is None or (setting.enabled and setting.severity != "none")


def _percents(spec: Spec) -> list[Decimal]:
    return sorted({at.percent for budget in spec.budgets for at in budget.all_thresholds})


def _threshold(percents: Iterable[Decimal]) -> tuple[Matcher, ...]:
    return eq(names.ALERTNAME, alert_names.BUDGET), one_of(names.THRESHOLD, map(number, percents))


def _burn(speed: Burn) -> tuple[Matcher, ...]:
    return eq(names.ALERTNAME, alert_names.BUDGET_BURN), eq(names.BURN, speed)


def _rule(source: Iterable[Matcher], target: Iterable[Matcher], *about: str) -> dict[str, Any]:
    """Matchers of Alertmanager are written as those of PromQL."""
    return {
        "source_matchers": [str(matcher) for matcher in source],
        "target_matchers": [str(matcher) for matcher in target],
        "equal": list(dict.fromkeys([*about, *_SAME_SENDER])),
    }

"""What the spec says of alerts, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tollbook.gen.durations import Duration


@dataclass(frozen=True)
class AlertSetting:
    """What the user says of the rules of one alert."""

    enabled: bool
    severity: str | None
    """None: the rule's own."""
    hold: Duration | None
    """None: the rule's own."""
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Alerts:
    labels: Mapping[str, str]
    """On all of them."""
    rules: Mapping[str, AlertSetting]
    """By the alert's name; of most alerts nothing is said."""

    def is_enabled(self, alert: str) -> bool:
        return alert not in self.rules or self.rules[alert].enabled

    def labels_of(self, alert: str) -> Mapping[str, str]:
        """What is set for the one wins over what is set for all."""
        return {**self.labels, **(self.rules[alert].labels if alert in self.rules else {})}

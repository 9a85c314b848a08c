"""The resolved spec: frozen values with every default filled in, as the rest of the project sees it. No YAML here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tollbook.gen.durations import Duration


class Monitor(StrEnum):
    POD = "PodMonitor"
    SERVICE = "ServiceMonitor"
    NONE = "none"


class Histograms(StrEnum):
    """How the gateway exports them (`config.histograms`)."""

    CLASSIC = "classic"
    BOTH = "both"
    NATIVE = "native"


@dataclass(frozen=True)
class Prometheus:
    scrape_interval: Duration
    scrape_timeout: Duration
    step: Duration
    settle: Duration
    gap: Duration
    retention: Duration
    timezone: str
    keep_labels: tuple[str, ...]


@dataclass(frozen=True)
class Backend:
    name: str
    provider: str
    model: str
    secret: str
    path: str


@dataclass(frozen=True)
class Gateway:
    name: str
    namespace: str
    version: tuple[int, int]
    monitor: Monitor
    job: str
    """The one scrape job whose series count: any other job on the same pods is ignored."""
    backends: tuple[Backend, ...]
    histograms: Histograms
    legacy_token_semantics: bool
    """Whether a data plane of 1.5 is told to count `input` as those before it did."""

    @property
    def id(self) -> str:
        """As in the metrics' `gateway` label."""
        return f"{self.namespace}/{self.name}"

    @property
    def slug(self) -> str:
        """As in the names of Kubernetes objects and rule groups."""
        return f"{self.namespace}-{self.name}"


@dataclass(frozen=True)
class Rates:
    """USD per 1,000,000 tokens."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal


@dataclass(frozen=True)
class Tier:
    """Rates for a whole request whose context is over this many tokens."""

    context_over: int
    rates: Rates


@dataclass(frozen=True)
class Price:
    since: date | None
    rates: Rates
    tiers: tuple[Tier, ...]
    source: str
    checked: date | None


@dataclass(frozen=True)
class Model:
    provider: str
    name: str
    aliases: tuple[str, ...]
    prices: tuple[Price, ...]
    """Oldest first; a free model has one price of zero."""
    free: bool

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every name under which the metrics may show this model, the canonical one first."""
        return (self.name, *self.aliases)

    @property
    def has_tiers(self) -> bool:
        """Whether long contexts cost more, at some time."""
        return any(price.tiers for price in self.prices)


@dataclass(frozen=True)
class Attribution:
    label: str
    expression: str
    limit: int


class Period(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Threshold:
    percent: Decimal
    severity: str


class Burn(StrEnum):
    """Spending at a multiple of the budget's pace: so fast that somebody must look now, or for hours."""

    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True)
class Budget:
    name: str
    usd: Decimal
    period: Period | Duration
    """A calendar period in the spec's time zone, or a rolling window."""
    match: Mapping[str, str]
    """Metric label -> value; every one must hold."""
    thresholds: tuple[Threshold, ...]
    labels: Mapping[str, str]
    forecast: str | None
    """Severity of the alert that the period will end over the limit; None: no such alert, as for rolling windows."""
    burn: Mapping[Burn, str]
    """Severity of the alert on each speed of burning that is watched."""


@dataclass(frozen=True)
class Dashboard:
    title: str
    uid: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Spec:
    name: str
    namespace: str
    labels: Mapping[str, str]
    prometheus: Prometheus
    gateways: tuple[Gateway, ...]
    models: tuple[Model, ...]
    attribution: tuple[Attribution, ...]
    budgets: tuple[Budget, ...]
    dashboard: Dashboard
    runbooks: str
    """Address of the folder of runbooks, without a slash at its end."""
    price_max_age: Duration

    @property
    def spend_labels(self) -> tuple[str, ...]:
        """Labels that say who spends and where, kept through the whole ledger besides gateway, provider and model."""
        return (*(entry.label for entry in self.attribution), *self.prometheus.keep_labels)

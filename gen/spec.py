"""The resolved spec: frozen values with every default filled in, as the rest of the project sees it. No YAML here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tollbook.gen.alert_settings import Alerts
from tollbook.gen.durations import Duration


class Engine(StrEnum):
    """What evaluates the rules."""

    PROMETHEUS = "prometheus"
    MIMIR = "mimir"
    THANOS = "thanos"
    VICTORIAMETRICS = "victoriametrics"


class Monitor(StrEnum):
    POD = "PodMonitor"
    SERVICE = "ServiceMonitor"
    SCRAPE_CONFIG = "ScrapeConfig"
    """Static targets outside of Kubernetes."""
    NONE = "none"
    """Another job scrapes the gateway already."""


class Histograms(StrEnum):
    """How the gateway exports them (`config.histograms`)."""

    CLASSIC = "classic"
    BOTH = "both"
    NATIVE = "native"


@dataclass(frozen=True)
class Prometheus:
    engine: Engine
    scrape_interval: Duration
    scrape_timeout: Duration
    step: Duration
    settle: Duration
    gap: Duration
    retention: Duration
    timezone: str
    keep_labels: tuple[str, ...]

    @property
    def lag(self) -> Duration:
        """How long ago a rule finds what another rule of its group recorded: vmalert writes results asynchronously, so
        there they are only certain to be found one evaluation later."""
        return self.step if self.engine is Engine.VICTORIAMETRICS else Duration(0)


@dataclass(frozen=True)
class Limits:
    """What one gateway or pod may expose before it is refused or folded, so that it costs only itself."""

    series_per_pod: int
    """Samples of one scrape; a pod with more fails its scrape."""
    models_per_gateway: int
    """Unpriced model names kept apart in a gateway; names beyond them are counted as `other`."""


@dataclass(frozen=True)
class Backend:
    name: str
    provider: str
    model: str
    secret: str
    path: str


@dataclass(frozen=True)
class Gateway:
    """One gateway by name."""

    name: str
    namespace: str
    """Empty for a gateway outside of Kubernetes, which bears the name that the spec gives it."""
    version: tuple[int, int]
    """Counts for pods whose build tag names no release."""
    monitor: Monitor
    job: str
    """The scrape job whose series count: the spec's own, or the one named with monitor: none."""
    instances: tuple[str, ...]
    """With monitor: none and no namespace: the job's targets that are this gateway; none are stated where all are."""
    targets: tuple[str, ...]
    """With monitor: ScrapeConfig: host:port of each."""
    backends: tuple[Backend, ...]
    histograms: Histograms
    legacy_token_semantics: bool
    """Whether a data plane of 1.5 is told to count `input` as those before it did."""

    @property
    def id(self) -> str:
        """As in the `gateway` label of records."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def slug(self) -> str:
        """As in the names of Kubernetes objects and rule groups."""
        return f"{self.namespace}-{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class Selection:
    """Whichever gateways match, those of tomorrow too. Every condition must hold."""

    gateway_class: str
    """Name of their GatewayClass; empty: any."""
    labels: Mapping[str, str]
    """Of their pods."""
    namespaces: tuple[str, ...] | None
    """None: all."""
    version: tuple[int, int]
    histograms: Histograms


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
    format: str
    """Wire format in which the provider reports usage: "anthropic" or "openai"; empty: by provider and name."""

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
class Override:
    """What is another one for one value of a budget's `per` label."""

    value: str
    amount: Decimal
    thresholds: tuple[Threshold, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Budget:
    name: str
    amount: Decimal
    """USD in each period; with `per`, for each value that has no override."""
    period: Period | Duration
    """A calendar period in the spec's time zone, or a rolling window."""
    per: str
    """Metric label, each value of which has a budget of its own; empty: there is one budget."""
    match: Mapping[str, tuple[str, ...]]
    """Metric label -> values, of which one must hold, `*` standing for any text; every label must."""
    thresholds: tuple[Threshold, ...]
    labels: Mapping[str, str]
    overrides: tuple[Override, ...]
    forecast: str | None
    """Severity of the alert that the period will end over the limit; None: no such alert, as for rolling windows."""
    burn: Mapping[Burn, str]
    """Severity of the alert on each speed of burning that is watched."""

    @property
    def counts_by(self) -> tuple[str, ...]:
        """The labels by which it tells what it counts."""
        return tuple(dict.fromkeys([*self.match, *([self.per] if self.per else [])]))

    @property
    def is_exact(self) -> bool:
        """Whether the spec alone says which values it counts, and not what is seen."""
        return not self.per and not any("*" in value for values in self.match.values() for value in values)

    @property
    def all_thresholds(self) -> tuple[Threshold, ...]:
        """Those of its overrides too."""
        return (*self.thresholds, *(at for override in self.overrides for at in override.thresholds))

    def named(self, label: str) -> tuple[str, ...]:
        """Values of the label that it names."""
        overridden = (override.value for override in self.overrides) if label == self.per else ()
        return (*(value for value in self.match.get(label, ()) if "*" not in value), *overridden)


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
    selections: tuple[Selection, ...]
    limits: Limits
    models: tuple[Model, ...]
    attribution: tuple[Attribution, ...]
    budgets: tuple[Budget, ...]
    alerts: Alerts
    dashboard: Dashboard
    runbooks: str
    """Address of the folder of runbooks, without a slash at its end."""
    price_max_age: Duration

    @property
    def id(self) -> str:
        """On every fact, and the job of the targets that the spec's own monitors scrape: unique in a Prometheus, and
        independent of what kustomize makes of the objects' names."""
        return f"{self.namespace}/{self.name}"

    @property
    def jobs(self) -> tuple[str, ...]:
        """Those whose series count."""
        own = [self.id] if self.selections else []
        return tuple(dict.fromkeys([*own, *(gateway.job for gateway in self.gateways)]))

    @property
    def budgets_per(self) -> tuple[str, ...]:
        """The labels each value of which has a budget of its own: by them and its name a budget is told apart."""
        return tuple(dict.fromkeys(budget.per for budget in self.budgets if budget.per))

    @property
    def spend_labels(self) -> tuple[str, ...]:
        """Labels that say who spends and where, kept through the whole ledger besides gateway, provider and model."""
        return (*(entry.label for entry in self.attribution), *self.prometheus.keep_labels)

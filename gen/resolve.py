"""Well-shaped data in, the resolved spec out: every default of the spec is filled in here and nowhere else.

Entries that the schema refused are left out, so that what remains can still be judged in the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tollbook.gen import names
from tollbook.gen.alert_settings import Alerts, AlertSetting
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import current_provider
from tollbook.gen.pacing import SHORTEST_BURN
from tollbook.gen.sections import Section
from tollbook.gen.spec import (
    Attribution,
    Backend,
    Budget,
    Burn,
    Dashboard,
    Engine,
    Gateway,
    Histograms,
    Limits,
    Model,
    Monitor,
    Override,
    Period,
    Price,
    Prometheus,
    Rates,
    Selection,
    Spec,
    Threshold,
    Tier,
)

if TYPE_CHECKING:
    from tollbook.gen.yamlio import Document, Path

LISTS = ("gateways", "models", "attribution", "budgets")
MATCH_LABELS = {"gateway": names.GATEWAY, "provider": names.PROVIDER, "model": names.MODEL}


@dataclass(frozen=True)
class Resolved:
    spec: Spec
    prometheus: Section
    alerts: Section
    lists: Mapping[str, tuple[Section, ...]]
    """By name of the spec's own tuple, as long as that and in its order."""
    incomplete: frozenset[str]
    """Sections of which something was refused: nothing may be called missing from them."""


def resolve(document: Document, refused: Iterable[Path]) -> Resolved:
    refused = list(refused)
    units = {path[:2] if path[0] in LISTS else path[:1] for path in refused if path}
    top = {key: value for key, value in document.data.items() if (key,) not in units}
    lists = {section: _entries(document, top, section, units) for section in LISTS}
    lists["selections"] = tuple(section for section in lists["gateways"] if selects(section.data))
    lists["gateways"] = tuple(section for section in lists["gateways"] if not selects(section.data))
    prometheus, alerts = (Section(document, (key,), top.get(key, {})) for key in ("prometheus", "alerts"))
    name, namespace = top.get("name", "agentgateway-cost"), top.get("namespace", "monitoring")
    spec_id = f"{namespace}/{name}"
    spec = Spec(
        name=name,
        namespace=namespace,
        labels=top.get("labels", {}),
        prometheus=_prometheus(prometheus.data),
        gateways=tuple(_gateway(section.data, spec_id) for section in lists["gateways"]),
        selections=tuple(_selection(section.data) for section in lists["selections"]),
        limits=_limits(top.get("limits", {})),
        models=tuple(_model(section.data) for section in lists["models"]),
        attribution=tuple(_attribution(section.data) for section in lists["attribution"]),
        budgets=tuple(_budget(section.data) for section in lists["budgets"]),
        alerts=_alerts(alerts.data),
        dashboard=_dashboard(top.get("dashboard", {})),
        runbooks=top.get("runbooks", names.RUNBOOKS).rstrip("/"),
        price_max_age=Duration.parse(top.get("price_max_age", "180d")),
    )
    return Resolved(spec, prometheus, alerts, lists, frozenset(str(path[0]) for path in refused if path))


def _entries(document: Document, top: dict[str, Any], section: str, units: set[Path]) -> tuple[Section, ...]:
    entries = enumerate(top.get(section, []))
    return tuple(Section(document, (section, index), data) for index, data in entries if (section, index) not in units)


def _prometheus(data: Mapping[str, Any]) -> Prometheus:
    def duration(key: str, default: str) -> Duration:
        return Duration.parse(data.get(key, default))

    return Prometheus(
        engine=Engine(data.get("engine", "prometheus")),
        scrape_interval=duration("scrape_interval", "30s"),
        scrape_timeout=duration("scrape_timeout", "10s"),
        step=duration("step", "1m"),
        settle=duration("settle", "30s"),
        gap=duration("gap", "1h"),
        retention=duration("retention", "35d"),
        timezone=data.get("timezone", "UTC"),
        keep_labels=tuple(data.get("keep_labels", ())),
    )


def _limits(data: Mapping[str, Any]) -> Limits:
    return Limits(data.get("series_per_pod", 100_000), data.get("models_per_gateway", 500))


def selects(data: Mapping[str, Any]) -> bool:
    """Whether an entry of `gateways` takes whichever match, instead of one by name."""
    return "class" in data or "labels" in data


def _selection(data: Mapping[str, Any]) -> Selection:
    namespaces = data.get("namespaces", "any")
    return Selection(
        gateway_class=data.get("class", ""),
        labels=data.get("labels", {}),
        namespaces=None if namespaces == "any" else tuple(dict.fromkeys(namespaces)),
        version=_version(data),
        histograms=Histograms(data.get("histograms", "classic")),
    )


def _version(data: Mapping[str, Any]) -> tuple[int, int]:
    major, minor = data.get("version", "1.5").split(".")[:2]
    return int(major), int(minor)


def _gateway(data: Mapping[str, Any], spec_id: str) -> Gateway:
    monitor = Monitor(data.get("monitor", "PodMonitor"))
    job = data.get("job", "") if monitor is Monitor.NONE else spec_id
    backends = tuple(_backend(backend) for backend in data.get("backends", ()))
    return Gateway(
        name=data["name"],
        namespace=data.get("namespace", ""),
        version=_version(data),
        monitor=monitor,
        job=job,
        instances=tuple(data.get("instances", ())),
        targets=tuple(data.get("targets", ())),
        backends=backends,
        histograms=Histograms(data.get("histograms", "classic")),
        legacy_token_semantics=data.get("legacy_token_semantics", False),
    )


def _backend(data: Mapping[str, Any]) -> Backend:
    provider = current_provider(data["provider"])
    return Backend(data["name"], provider, data["model"], data.get("secret", ""), data.get("path", "/"))


def _model(data: Mapping[str, Any]) -> Model:
    free = data.get("free", False)
    prices = (_NO_PRICE,) if free else tuple(_price(price) for price in data.get("prices", ()))
    return Model(
        provider=current_provider(data["provider"]),
        name=data["name"],
        aliases=tuple(data.get("aliases", ())),
        prices=prices,
        free=free,
        format=data.get("format", ""),
    )


def _price(data: Mapping[str, Any]) -> Price:
    tiers = tuple(Tier(tier["context_over"], _rates({**data, **tier})) for tier in data.get("tiers", ()))
    return Price(_date(data.get("from")), _rates(data), tiers, data.get("source", ""), _date(data.get("checked")))


def _rates(data: Mapping[str, Any]) -> Rates:
    """Cached tokens cost what other input costs where nothing else is stated, as in the gateway's own catalog."""
    usd = {key: Decimal(data.get(key, data["input"])) for key in ("input", "output", "cache_read", "cache_write")}
    return Rates(**usd)


_FREE_RATE = Decimal(0)
_NO_PRICE = Price(None, Rates(_FREE_RATE, _FREE_RATE, _FREE_RATE, _FREE_RATE), (), "", None)


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _attribution(data: Mapping[str, Any]) -> Attribution:
    return Attribution(data["label"], data["expression"], data.get("limit", 50))


def _budget(data: Mapping[str, Any]) -> Budget:
    period = _period(data["period"])
    is_rolling = isinstance(period, Duration)
    is_short = isinstance(period, Duration) and period < SHORTEST_BURN
    alert_at = data.get("alert_at", {"80": "warning", "100": "critical"})
    forecast = data.get("forecast", "never" if is_rolling else "warning")
    burn = data.get("burn", {} if is_short else {"fast": "critical", "slow": "warning"})
    thresholds, labels = _thresholds(alert_at), data.get("labels", {})
    overrides = (
        _override(value, entry if isinstance(entry, Mapping) else {"amount": entry}, data, thresholds)
        for value, entry in data.get("overrides", {}).items()
    )
    per = data.get("per", "")
    return Budget(
        name=data["name"],
        amount=Decimal(data["amount"]),
        period=period,
        per=MATCH_LABELS.get(per, per),
        match={MATCH_LABELS.get(key, key): _matched(key, values) for key, values in data.get("match", {}).items()},
        thresholds=thresholds,
        labels=labels,
        overrides=tuple(overrides),
        forecast=None if forecast == "never" else forecast,
        burn={Burn(speed): severity for speed, severity in burn.items()},
    )


def _thresholds(alert_at: Mapping[str, str]) -> tuple[Threshold, ...]:
    thresholds = (Threshold(Decimal(percent), severity) for percent, severity in alert_at.items())
    return tuple(sorted(thresholds, key=lambda threshold: threshold.percent))


def _override(
    value: str, entry: Mapping[str, Any], budget: Mapping[str, Any], thresholds: tuple[Threshold, ...]
) -> Override:
    """What it leaves out is the budget's own; its labels are added to those."""
    return Override(
        value=value,
        amount=Decimal(entry.get("amount", budget["amount"])),
        thresholds=_thresholds(entry["alert_at"]) if "alert_at" in entry else thresholds,
        labels={**budget.get("labels", {}), **entry.get("labels", {})},
    )


def _matched(key: str, values: str | list[str]) -> tuple[str, ...]:
    listed = [values] if isinstance(values, str) else values
    return tuple(dict.fromkeys(current_provider(value) if key == "provider" else value for value in listed))


def _period(text: str) -> Period | Duration:
    return Period(text) if text in set(Period) else Duration.parse(text)


def _alerts(data: Mapping[str, Any]) -> Alerts:
    rules = {alert: _alert_setting(setting) for alert, setting in data.get("rules", {}).items()}
    return Alerts(data.get("labels", {}), rules)


def _alert_setting(data: Mapping[str, Any]) -> AlertSetting:
    hold = Duration.parse(data["for"]) if "for" in data else None
    return AlertSetting(data.get("enabled", True), data.get("severity"), hold, data.get("labels", {}))


def _dashboard(data: Mapping[str, Any]) -> Dashboard:
    tags = tuple(data.get("tags", ("llm", "finops")))
    return Dashboard(data.get("title", "LLM cost"), data.get("uid", "tollbook"), tags)

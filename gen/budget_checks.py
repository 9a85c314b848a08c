"""Whether each budget can be watched: over data that is kept, of spending that exists, at thresholds that differ."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.label_checks import alert_label_findings
from tollbook.gen.pacing import SHORTEST_BURN
from tollbook.gen.price_checks import decimals_finding
from tollbook.gen.resolve import MATCH_LABELS
from tollbook.gen.sections import also_at, repeats
from tollbook.gen.wording import did_you_mean, quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Budget


def budget_findings(resolved: Resolved) -> Iterator[Problem]:
    sections = resolved.lists["budgets"]
    for section, budget in zip(sections, resolved.spec.budgets, strict=True):
        yield from decimals_finding(section, budget.usd, "usd")
        yield from _period(section, budget, resolved)
        yield from _pace(section, budget)
        yield from _match_keys(section, resolved)
        yield from _match_values(section, budget, resolved)
        yield from _thresholds(section)
        yield from alert_label_findings(section)
    places = {section.place("name"): section for section in sections}
    for _, place, first in repeats((section.data["name"], place) for place, section in places.items()):
        yield places[place].error("listed twice", place, also_at(first))


def _period(section: Section, budget: Budget, resolved: Resolved) -> Iterator[Problem]:
    step, retention = resolved.spec.prometheus.step, resolved.spec.prometheus.retention
    if not isinstance(budget.period, Duration) or "prometheus" in resolved.incomplete:
        return
    if budget.period.milliseconds % step.milliseconds:
        yield section.error(
            f"the rolling window {budget.period} is not a whole number of steps of {step}",
            section.place("period"),
            "use one such as 24h, 7d or 30d",
        )
    if budget.period > retention:
        yield section.error(
            f"the rolling window {budget.period} is longer than prometheus.retention {retention}",
            section.place("period"),
            "shorten it, or raise retention here and in the server: for kube-prometheus-stack, "
            f"--set prometheus.prometheusSpec.retention={budget.period}",
        )


def _pace(section: Section, budget: Budget) -> Iterator[Problem]:
    if not isinstance(budget.period, Duration):
        return
    if budget.forecast is not None:
        yield section.error(
            "a rolling window has no end to forecast",
            section.place("forecast"),
            "leave forecast out, or use a period of day, week or month",
        )
    if budget.burn and budget.period < SHORTEST_BURN:
        yield section.error(
            f"the rolling window {budget.period} is too short for burn alerts",
            section.place("burn"),
            f"leave burn out, or use {SHORTEST_BURN} or more: in a shorter window alert_at says it as soon",
        )


def _match_keys(section: Section, resolved: Resolved) -> Iterator[Problem]:
    known = [*MATCH_LABELS, *(entry.label for entry in resolved.spec.attribution)]
    if "attribution" in resolved.incomplete:
        return
    for key in section.stated("match"):
        if key not in known:
            yield section.error(
                f"it cannot match on {quoted(key)}",
                section.key_place("match", key),
                did_you_mean(key, known) or f"known here: {', '.join(known)}",
            )


def _match_values(section: Section, budget: Budget, resolved: Resolved) -> Iterator[Problem]:
    models, gateways = resolved.spec.models, resolved.spec.gateways
    known = {
        "gateway": ("gateways", [gateway.id for gateway in gateways]),
        "provider": ("models", [model.provider for model in models]),
        "model": ("models", [model.name for model in models]),
    }
    for key, (source, values) in known.items():
        value = budget.match.get(MATCH_LABELS[key])
        if value is None or value in values or source in resolved.incomplete:
            continue
        if key == "gateway" and _may_be_selected(value, resolved):
            continue
        yield section.error(
            f"it matches the {key} {quoted(value)}, which is not in {source}",
            section.place("match", key),
            _meant(key, value, resolved) or did_you_mean(value, values) or f"known here: {', '.join(values)}",
        )
    yield from _match_pair(section, budget, resolved)


def _may_be_selected(gateway: str, resolved: Resolved) -> bool:
    """Which gateways match is not known, but where they are looked for."""
    namespace, slash, _ = gateway.partition("/")
    looked_in = (selection.namespaces for selection in resolved.spec.selections)
    return bool(slash) and any(namespaces is None or namespace in namespaces for namespaces in looked_in)


def _meant(key: str, value: str, resolved: Resolved) -> str:
    if key == "model":
        owners = (model.name for model in resolved.spec.models if value in model.aliases)
        return next((f"it is an alias of {quoted(name)}: budgets match names" for name in owners), "")
    if key == "gateway":
        ids = (gateway.id for gateway in resolved.spec.gateways if gateway.name == value)
        return next((f"write it with its namespace: {quoted(gateway_id)}" for gateway_id in ids), "")
    return ""


def _match_pair(section: Section, budget: Budget, resolved: Resolved) -> Iterator[Problem]:
    """Provider and model, each known, but not together: nothing would ever be spent."""
    provider, model = budget.match.get(names.PROVIDER), budget.match.get(names.MODEL)
    of_model = [entry.provider for entry in resolved.spec.models if entry.name == model]
    of_all = [entry.provider for entry in resolved.spec.models]
    if of_model and provider in of_all and provider not in of_model:
        yield section.error(
            f"it matches the model {quoted(str(model))} of provider {quoted(str(provider))}, which is not in models",
            section.place("match", "provider"),
            f"its provider is {quoted(of_model[0])}",
        )


def _thresholds(section: Section) -> Iterator[Problem]:
    percents = [(Decimal(text), section.key_place("alert_at", text)) for text in section.stated("alert_at")]
    for percent, place in percents:
        if percent == 0:
            yield section.error("it alerts at 0 percent, which is always reached", place, "use more than 0")
    for percent, place, first in repeats(percents):
        yield section.error(f"it alerts at {percent} percent twice", place, also_at(first))

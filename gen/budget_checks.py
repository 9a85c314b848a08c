"""Whether each budget can be watched: over data that is kept, of spending that exists, at thresholds that differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import prod
from typing import TYPE_CHECKING

from tollbook.gen.durations import Duration
from tollbook.gen.gateways import current_provider
from tollbook.gen.label_checks import alert_label_findings
from tollbook.gen.pacing import SHORTEST_BURN
from tollbook.gen.price_checks import decimals_finding
from tollbook.gen.resolve import MATCH_LABELS
from tollbook.gen.sections import also_at, repeats
from tollbook.gen.wording import did_you_mean, quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Place, Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Budget


def budget_findings(resolved: Resolved) -> Iterator[Problem]:
    sections = resolved.lists["budgets"]
    for section, budget in zip(sections, resolved.spec.budgets, strict=True):
        yield from decimals_finding(section, budget.amount, "amount")
        yield from _period(section, budget, resolved)
        yield from _pace(section, budget)
        yield from _per(section, budget, resolved)
        yield from _overrides(section, budget, resolved)
        yield from _match_keys(section, resolved)
        yield from _patterns(section)
        yield from _combinations(section, budget)
        yield from _match_values(section, resolved)
        yield from _thresholds(section, "alert_at")
        yield from alert_label_findings(section, "labels")
        yield from _labels_of_others(section, budget, resolved)
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


def _labels_known(resolved: Resolved) -> list[str]:
    return [*MATCH_LABELS, *(entry.label for entry in resolved.spec.attribution)]


def _per(section: Section, budget: Budget, resolved: Resolved) -> Iterator[Problem]:
    known = _labels_known(resolved)
    if "per" in section.data and section.data["per"] not in known and "attribution" not in resolved.incomplete:
        per = section.data["per"]
        yield section.error(
            f"there is no label {quoted(per)} to have a budget for each value of",
            section.place("per"),
            did_you_mean(per, known) or f"known here: {', '.join(known)}",
        )
    if budget.overrides and not budget.per:
        yield section.error(
            "overrides are of single values, and no 'per' says of which label",
            section.key_place("overrides"),
            "add per, or write budgets of their own",
        )


def _overrides(section: Section, budget: Budget, resolved: Resolved) -> Iterator[Problem]:
    for override in budget.overrides:
        value, stated = override.value, section.data["overrides"][override.value]
        steps = ("overrides", value)
        if isinstance(stated, Mapping):
            yield from decimals_finding(section, override.amount, *steps, "amount")
            yield from _thresholds(section, *steps, "alert_at")
            yield from alert_label_findings(section, *steps, "labels")
        else:
            yield from decimals_finding(section, override.amount, *steps)
        if "*" in value:
            yield section.error(
                f"the override {quoted(value)} is not of one value",
                section.key_place(*steps),
                "write each value, or a budget with match",
            )
        yield from _unknown_value(section, section.data.get("per", ""), value, section.key_place(*steps), resolved)


#: Each is a series, and fifty are a rule.
_MOST_COMBINATIONS = 1000

#: Of a regular expression, and not of any name that people give.
_REGEX = re.compile(r"\.[*+]|\||^\^|\$$|\\")


def _patterns(section: Section) -> Iterator[Problem]:
    for key, values in section.stated("match").items():
        for value, place in _places(section, key, values):
            if _REGEX.search(value):
                yield section.error(
                    f"it matches the {key} {quoted(value)}, which looks like a regular expression",
                    place,
                    f"write {_as_globs(value)}: values are names, in which * stands for any text",
                )


def _as_globs(regex: str) -> str:
    parts = [re.sub(r"\.[*+]", "*", part.strip("^$()")).replace("\\", "") for part in regex.split("|")]
    return f"[{', '.join(parts)}]" if len(parts) > 1 else parts[0]


def _places(section: Section, key: str, values: str | list[str]) -> Iterator[tuple[str, Place]]:
    if isinstance(values, str):
        yield values, section.place("match", key)
    else:
        yield from ((value, section.place("match", key, index)) for index, value in enumerate(values))


def _match_keys(section: Section, resolved: Resolved) -> Iterator[Problem]:
    known = _labels_known(resolved)
    if "attribution" in resolved.incomplete:
        return
    for key in section.stated("match"):
        if key not in known:
            yield section.error(
                f"it cannot match on {quoted(key)}",
                section.key_place("match", key),
                did_you_mean(key, known) or f"known here: {', '.join(known)}",
            )


def _combinations(section: Section, budget: Budget) -> Iterator[Problem]:
    count = prod(map(len, budget.match.values()))
    if budget.is_exact and count > _MOST_COMBINATIONS:
        yield section.error(
            f"it counts {count} combinations of values, and at most {_MOST_COMBINATIONS} fit into a rule",
            section.place("match"),
            "name fewer, use * for many, or write several budgets",
        )


def _match_values(section: Section, resolved: Resolved) -> Iterator[Problem]:
    for key, values in section.stated("match").items():
        for value, place in _places(section, key, values):
            if "*" not in value and not _REGEX.search(value):
                yield from _unknown_value(section, key, value, place, resolved)
    yield from _match_pair(section, resolved)


def _unknown_value(section: Section, key: str, value: str, place: Place, resolved: Resolved) -> Iterator[Problem]:
    """What the spec names under `gateways` and `models` is known; who spends is not."""
    models, gateways = resolved.spec.models, resolved.spec.gateways
    known = {
        "gateway": ("gateways", [gateway.id for gateway in gateways]),
        "provider": ("models", [model.provider for model in models]),
        "model": ("models", [model.name for model in models]),
    }
    source, values = known.get(key, ("", []))
    if not source or current_provider(value) in values or value in values or source in resolved.incomplete:
        return
    if key == "gateway" and _may_be_selected(value, resolved):
        return
    yield section.error(
        f"it matches the {key} {quoted(value)}, which is not in {source}",
        place,
        _meant(key, value, resolved) or did_you_mean(value, values) or f"known here: {', '.join(values)}",
    )


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


def _match_pair(section: Section, resolved: Resolved) -> Iterator[Problem]:
    """Provider and model, each known, but not together: nothing would ever be spent."""
    provider, model = section.stated("match", "provider"), section.stated("match", "model")
    if not isinstance(provider, str) or not isinstance(model, str):
        return
    provider = current_provider(provider)
    of_model = [entry.provider for entry in resolved.spec.models if entry.name == model]
    of_all = [entry.provider for entry in resolved.spec.models]
    if of_model and provider in of_all and provider not in of_model:
        yield section.error(
            f"it matches the model {quoted(model)} of provider {quoted(provider)}, which is not in models",
            section.place("match", "provider"),
            f"its provider is {quoted(of_model[0])}",
        )


def _labels_of_others(section: Section, budget: Budget, resolved: Resolved) -> Iterator[Problem]:
    """A label by which any budget is told apart cannot be one that another sets."""
    stated = {label: ("labels", label) for label in budget.labels} | {
        label: ("overrides", override.value, "labels", label)
        for override in budget.overrides
        for label in override.labels
        if label not in budget.labels
    }
    for label, steps in stated.items():
        if label in resolved.spec.budgets_per:
            yield section.error(
                f"the label {quoted(label)} says whose a budget is, for a budget is per {label}",
                section.key_place(*steps),
                "choose another name",
            )


def _thresholds(section: Section, *steps: str) -> Iterator[Problem]:
    percents = [(Decimal(text), section.key_place(*steps, text)) for text in section.stated(*steps)]
    for percent, place in percents:
        if percent == 0:
            yield section.error("it alerts at 0 percent, which is always reached", place, "use more than 0")
        elif percent < 1:
            hint = f"thresholds are percentages: did you mean {(percent * 100).normalize():f}?"
            yield section.error(f"it alerts at {percent:f} percent of the budget", place, hint)
    for percent, place, first in repeats(percents):
        yield section.error(f"it alerts at {percent} percent twice", place, also_at(first))

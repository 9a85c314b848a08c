"""Whether the labels that split the spending are free to use: not the gateway's, Prometheus's or our own already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tollbook.gen.sections import also_at, repeats
from tollbook.gen.wording import quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Place, Problem
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Spec

_USED_BY: Mapping[str, tuple[str, ...]] = {
    # A second label of the same name on one series makes Prometheus refuse the whole scrape.
    "agentgateway's own metrics": (
        *("gateway", "bind", "listener", "route", "route_rule", "backend", "protocol", "method", "status", "reason"),
        *("resource", "resource_type", "server", "error_type", "le", "tag"),
    ),
    "Prometheus": (
        *("job", "instance", "namespace", "pod", "container", "endpoint", "service"),
        *("alertname", "alertstate", "rule_group", "gateway_networking_k8s_io_gateway_name"),
    ),
    "tollbook": (
        *("model", "provider", "budget", "day", "week", "month", "severity", "threshold", "token_semantics"),
        *("attribution", "period", "burn", "per", "matches", "window", "watch", "pack"),
    ),
}
_USED_PREFIXES = {"gen_ai_": "agentgateway's own metrics", "__": "Prometheus", "shown_": "tollbook"}

# An alert carries few labels; `namespace`, for one, is free and what Alertmanager routes by in Kubernetes.
_USED_IN_ALERTS = ("alertname", "budget", "severity", "threshold", "burn", "period", "per")

# What the series of any alert may bear besides attribution and kept labels, and what its rule or Prometheus adds.
_OF_ALERT_SERIES = (
    *("gateway", "model", "job", "instance", "pod", "tag", "version", "status", "hidden", "rule_group", "fact"),
    *(*_USED_IN_ALERTS, "attribution", "alertstate"),
)
_PREFIXES_OF_ALERT_SERIES = ("gen_ai_", "booked_", "__")


def label_findings(resolved: Resolved) -> Iterator[Problem]:
    for section, entry in zip(resolved.lists["attribution"], resolved.spec.attribution, strict=True):
        yield from _reserved(section, entry.label, section.place("label"))
    for index, label in enumerate(resolved.spec.prometheus.keep_labels):
        yield from _reserved(resolved.prometheus, label, resolved.prometheus.place("keep_labels", index))
    yield from _repeated(resolved)


def _reserved(section: Section, label: str, place: Place) -> Iterator[Problem]:
    owner = _owner(label)
    if owner:
        yield section.error(f"the label {quoted(label)} is already used by {owner}", place, "choose another name")


def _owner(label: str) -> str | None:
    by_prefix = (owner for prefix, owner in _USED_PREFIXES.items() if label.startswith(prefix))
    by_name = (owner for owner, labels in _USED_BY.items() if label in labels)
    return next(by_prefix, None) or next(by_name, None)


def _repeated(resolved: Resolved) -> Iterator[Problem]:
    """Attribution and kept labels become labels of the same series, so they share one set of names."""
    labels = [(section.data["label"], section.place("label"), section) for section in resolved.lists["attribution"]]
    prometheus = resolved.prometheus
    for index, label in enumerate(resolved.spec.prometheus.keep_labels):
        labels.append((label, prometheus.place("keep_labels", index), prometheus))
    sections = {place: section for _, place, section in labels}
    for label, place, first in repeats((label, place) for label, place, _ in labels):
        yield sections[place].error(f"the label {quoted(label)} is given twice", place, also_at(first))


def alert_label_findings(section: Section, *steps: str) -> Iterator[Problem]:
    """Of a budget's own labels, at the end of these steps."""
    for label in section.stated(*steps):
        if label in _USED_IN_ALERTS or label.startswith("__"):
            yield section.error(
                f"the label {quoted(label)} is already used by its alerts",
                section.key_place(*steps, label),
                "choose another name",
            )


def label_of_series_findings(section: Section, spec: Spec, instead_of_severity: str) -> Iterator[Problem]:
    """Of labels that are set on alerts about anything."""
    for label in section.stated("labels"):
        if label in (*_OF_ALERT_SERIES, *spec.spend_labels) or label.startswith(_PREFIXES_OF_ALERT_SERIES):
            overwrites = "it would overwrite theirs, and where two series differ only there the alert fails"
            yield section.error(
                f"the label {quoted(label)} is already borne by alerts",
                section.key_place("labels", label),
                instead_of_severity if label == "severity" else f"{overwrites}: choose another name",
            )

"""Which of the targets that a monitor finds are kept, and the labels they get: relabelings in the operator's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tollbook.gen import names
from tollbook.gen.objects import Manifest
from tollbook.gen.promql import regex_literal
from tollbook.gen.spec import Gateway, Selection, Spec

_NAMESPACE = "__meta_kubernetes_namespace"

#: Matches any value of one label: Prometheus joins the source labels with semicolons, which none of their values holds.
_ANY = "[^;]*"

#: Callers write some labels: a model is called as they ask for it, and a team may be what a header says. Longer values
#: are cut, for one that is over the limit of the scrape would have the whole pod unseen. In characters, of which UTF-8
#: makes four bytes at most.
LONGEST_VALUE = 256

#: What must hold together: label of discovery -> regex.
Conditions = Mapping[str, str]


def relabelings(spec: Spec) -> list[Manifest]:
    """For pods of Kubernetes: the label `gateway` becomes what agentgateway itself writes there."""
    return [*static_relabelings(spec), _gateway()]


def static_relabelings(spec: Spec) -> list[Manifest]:
    return [{"action": "replace", "targetLabel": names.JOB, "replacement": spec.id}]


def metric_relabelings(spec: Spec) -> list[Manifest]:
    attribution = (entry.label for entry in spec.attribution)
    return [_shortened(label) for label in (names.REQUEST_MODEL, names.RESPONSE_MODEL, *attribution)]


def admitted(gateways: Iterable[Gateway], selections: Iterable[Selection]) -> list[Manifest]:
    """Keeps these gateways and whichever match a selection."""
    return [_narrowing("keep", [*_by_name(gateways), *map(_conditions, selections)])]


def refused(gateways: Sequence[Gateway]) -> list[Manifest]:
    """Drops these gateways, which are scraped by other means: nobody may be counted twice."""
    return [_narrowing("drop", _by_name(gateways))] if gateways else []


def _shortened(label: str) -> Manifest:
    regex = f"(.{{{LONGEST_VALUE}}}).+"
    return {"action": "replace", "sourceLabels": [label], "regex": regex, "targetLabel": label, "replacement": "$1"}


def _gateway() -> Manifest:
    return {
        "action": "replace",
        "sourceLabels": [_NAMESPACE, _pod_label(names.GATEWAY_NAME_POD_LABEL)],
        "separator": "/",
        "targetLabel": names.GATEWAY,
    }


def _narrowing(action: str, alternatives: list[Conditions]) -> Manifest:
    labels = list(dict.fromkeys(label for conditions in alternatives for label in conditions))
    regexes = (";".join(conditions.get(label, _ANY) for label in labels) for conditions in alternatives)
    return {"action": action, "sourceLabels": labels, "regex": "|".join(regexes)}


def _by_name(gateways: Iterable[Gateway]) -> list[Conditions]:
    """One for each namespace."""
    by_namespace: dict[str, list[str]] = {}
    for gateway in gateways:
        by_namespace.setdefault(gateway.namespace, []).append(gateway.name)
    name = _pod_label(names.GATEWAY_NAME_POD_LABEL)
    return [{_NAMESPACE: _one_of([namespace]), name: _one_of(found)} for namespace, found in by_namespace.items()]


def _conditions(selection: Selection) -> Conditions:
    conditions = {}
    if selection.namespaces is not None:
        conditions[_NAMESPACE] = _one_of(selection.namespaces)
    if selection.gateway_class:
        conditions[_pod_label(names.GATEWAY_CLASS_POD_LABEL)] = _one_of([selection.gateway_class])
    for label, value in selection.labels.items():
        conditions[_pod_label(label)] = _one_of([value])
        if not value:  # A label that a pod does not have looks just like an empty one.
            conditions[_pod_label(label, "labelpresent")] = "true"
    return conditions


def _one_of(values: Sequence[str]) -> str:
    alternatives = "|".join(map(regex_literal, values))
    return f"({alternatives})" if len(values) > 1 else alternatives


def _pod_label(label: str, kind: str = "label") -> str:
    """As Prometheus' discovery calls it."""
    return f"__meta_kubernetes_pod_{kind}_{names.discovered_name(label)}"

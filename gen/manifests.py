"""The Kubernetes objects: what makes Prometheus scrape the gateways and load the rules, as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from tollbook.gen.model import RuleGroup
from tollbook.gen.monitors import monitors
from tollbook.gen.objects import Manifest, metadata
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Spec

#: `kubectl apply` keeps the whole object in an annotation, and annotations end at 256 KiB together. The operator's own
#: limit, the size of a ConfigMap, is higher. The rest is room for what kubectl escapes and others annotate.
OBJECT_BYTES = 199 * 1024


def manifests(spec: Spec, groups: Iterable[RuleGroup]) -> list[Manifest]:
    return [*monitors(spec), *_prometheus_rules(spec, groups)]


def _prometheus_rules(spec: Spec, groups: Iterable[RuleGroup]) -> list[Manifest]:
    """An object for each home, or as few as hold its groups in their order below the size that kubectl takes."""
    homes: dict[str, list[RuleGroup]] = {}
    for group in groups:
        homes.setdefault(group.home, []).append(group)
    return [manifest for home, inhabitants in homes.items() for manifest in _home(spec, home, inhabitants)]


def _home(spec: Spec, home: str, groups: list[RuleGroup]) -> list[Manifest]:
    objects: list[list[dict[str, Any]]] = []
    room = 0
    for group in rule_groups(groups):
        size = len(json.dumps(group)) + len(", ")
        if size > room:
            objects.append([])
            room = OBJECT_BYTES - len(json.dumps(_prometheus_rule(spec, _object_name(spec, home, 1), [])))
        objects[-1].append(group)
        room -= size
    return [
        _prometheus_rule(spec, _object_name(spec, home, number), held) for number, held in enumerate(objects, start=1)
    ]


def _object_name(spec: Spec, home: str, number: int) -> str:
    """Of the characters that Kubernetes allows: a provider may be called anything."""
    words = re.sub(r"[^a-z0-9]+", "-", home.lower()).strip("-")
    return f"{spec.name}-{words}" if number == 1 else f"{spec.name}-{words}-{number}"


def _prometheus_rule(spec: Spec, name: str, groups: list[dict[str, Any]]) -> Manifest:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(spec, name),
        "spec": {"groups": groups},
    }

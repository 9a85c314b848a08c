"""Judges the rendered files as their readers would, before anything is written: shapes, PromQL, names, agreement."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.errors import Place, Problem
from tollbook.gen.manifests import OBJECT_BYTES
from tollbook.gen.promql_reading import metrics_of, problem_in
from tollbook.gen.reading import packaged_schema

#: A recorded series is seen for five minutes after its evaluation: a group that runs less often has gaps.
LOOKBACK = Duration.parse("5m")


def monitoring_problems(manifests: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    validator = jsonschema.Draft202012Validator(packaged_schema("monitoring"))
    seen: Counter[tuple[str, ...]] = Counter()
    for number, manifest in enumerate(manifests, start=1):
        title = _title(manifest, number)
        if not validator.is_valid(manifest):
            error = jsonschema.exceptions.best_match(validator.iter_errors(manifest))
            where = "/".join(str(step) for step in error.absolute_path) or "the object"
            yield _problem(names.MONITORING_FILE, f"{title}: {where} has not the shape that tollbook writes")
            continue
        size = len(json.dumps(manifest))
        if size > OBJECT_BYTES:
            excess = f"{size} bytes are more than an object may have ({OBJECT_BYTES})"
            yield _problem(names.MONITORING_FILE, f"{title}: {excess}")
        seen[manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]] += 1
    for (kind, namespace, name), count in seen.items():
        if count > 1:
            yield _problem(names.MONITORING_FILE, f"{kind} {namespace}/{name}: {count} objects of this name")


def _title(manifest: Mapping[str, Any], number: int) -> str:
    """By its name, where it has one."""
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{manifest.get('kind')} {name}" if name else f"object {number}"


def rule_problems(groups: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    groups = list(groups)
    for name, count in Counter(group["name"] for group in groups).items():
        if count > 1:
            yield _problem(names.RULES_FILE, f"group {name}: {count} groups of this name")
    for group in groups:
        # promtool's unit tests evaluate every group at their own interval, so they cannot see this.
        if Duration.parse(group["interval"]) >= LOOKBACK:
            gaps = f"evaluated every {group['interval']}, so its series have gaps"
            yield _problem(names.RULES_FILE, f"group {group['name']}: {gaps}")
    recorded = recorded_names(groups)
    for rule in (rule for group in groups for rule in group["rules"]):
        yield from _expression_problems(rule, recorded)


def recorded_names(groups: Iterable[Mapping[str, Any]]) -> set[str]:
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def disagreement(groups: list[Any], manifests: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """The rules that are tested must be the rules that are applied."""
    rule_objects = (manifest for manifest in manifests if manifest["kind"] == "PrometheusRule")
    applied = [group for manifest in rule_objects for group in manifest["spec"]["groups"]]
    if applied != groups:
        yield _problem(names.MONITORING_FILE, f"its rules are not those of {names.RULES_FILE}")


def _expression_problems(rule: Mapping[str, Any], recorded: set[str]) -> Iterator[Problem]:
    title = rule.get("record") or rule["alert"]
    fault = problem_in(rule["expr"])
    if fault:
        yield _problem(names.RULES_FILE, f"{title}: not PromQL: {fault}")
        return
    for metric in sorted(metrics_of(rule["expr"])):
        if metric not in recorded | names.SCRAPED | names.FACTS:
            yield _problem(names.RULES_FILE, f"{title}: reads {metric}, which nothing records or scrapes")


def _problem(file: str, message: str) -> Problem:
    return Problem(message, Place(file))

"""The shapes of the Kubernetes objects: our schema takes exactly what tollbook writes, the operator's takes it too."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from manifest_objects import EVERY_MONITOR, Json, closed, objects_of, of_kind, with_rules_in_one
from spec_builders import spec_of

from tollbook.gen.checks import monitoring_problems
from tollbook.gen.load import load

ROOT = Path(__file__).resolve().parent.parent
GOOD = [ROOT / "tollbook.yaml", *sorted((ROOT / "tests" / "specs" / "good").glob("*.yaml"))]

Place = tuple[str | int, ...]


@pytest.fixture(params=GOOD, ids=lambda path: path.stem)
def good(request: pytest.FixtureRequest) -> list[Json]:
    return objects_of(load(request.param.read_text(encoding="utf-8"), request.param.name).spec)


@pytest.fixture(scope="module")
def objects() -> list[Json]:
    return with_rules_in_one(objects_of(spec_of(EVERY_MONITOR)))


# ---- Our own schema -------------------------------------------------------------------------------------------


def test_every_good_spec_gives_objects_without_problems(good: list[Json]) -> None:
    assert list(monitoring_problems(good)) == []


#: Where keys are the user's or ours to choose.
FREE = {("metadata", "labels"), ("spec", "selector", "matchLabels"), ("spec", "selector"), ("rules", "labels")}
OPTIONAL = {("rules", "labels"), ("rules", "for"), ("spec", "scrapeClassicHistograms")}


@pytest.fixture(scope="module")
def samples(objects: list[Json]) -> list[Json]:
    """One object of each kind, and in the rules one rule of each shape."""
    kinds = ("PodMonitor", "ServiceMonitor", "ScrapeConfig", "Service", "PrometheusRule")
    chosen = [copy.deepcopy(of_kind(objects, kind)[0]) for kind in kinds]
    groups = chosen[-1]["spec"]["groups"]
    by_shape = {tuple(rule): rule for group in groups for rule in group["rules"]}
    assert {len(shape) for shape in by_shape} == {2, 3, 4, 5}, "with and without what is optional"
    chosen[-1]["spec"]["groups"] = [{**groups[0], "rules": list(by_shape.values())}]
    assert list(monitoring_problems(chosen)) == []
    return chosen


def places(node: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield from places(value, (*place, key))


def words(place: Place) -> tuple[str, ...]:
    """Without positions and without what all rules have above them."""
    names = tuple(step for step in place if isinstance(step, str))
    return names[names.index("rules") :] if "rules" in names else names


def at(document: Any, place: Place) -> Any:
    for step in place:
        document = document[step]
    return document


def accepted(samples: list[Json], mutants: Callable[[Json, Place], Iterator[Json]]) -> list[tuple[str, Place]]:
    """The mutants, made at each place of each object, in which no problem is found."""
    return [
        (sample["kind"], place)
        for sample in samples
        for place in places(sample)
        for mutant in mutants(copy.deepcopy(sample), place)
        if not list(monitoring_problems([mutant]))
    ]


def test_an_unknown_key_is_refused_anywhere(samples: list[Json]) -> None:
    def with_another_key(mutant: Json, place: Place) -> Iterator[Json]:
        if isinstance(at(mutant, place), dict) and words(place) not in FREE:
            at(mutant, place)["honorLabels"] = "x"
            yield mutant

    assert accepted(samples, with_another_key) == []


def test_a_missing_key_is_refused_anywhere(samples: list[Json]) -> None:
    def without_it(mutant: Json, place: Place) -> Iterator[Json]:
        if place and isinstance(place[-1], str) and words(place[:-1]) not in FREE and words(place) not in OPTIONAL:
            del at(mutant, place[:-1])[place[-1]]
            yield mutant

    assert accepted(samples, without_it) == []


@pytest.mark.parametrize("other", [7, None, True, [], {}, ["x"], {"x": "y"}, "not a !value", "", "1 m"], ids=repr)
def test_another_value_is_refused_anywhere(samples: list[Json], other: Any) -> None:
    def with_other_value(mutant: Json, place: Place) -> Iterator[Json]:
        if place and not may_be(other, mutant, place):
            at(mutant, place[:-1])[place[-1]] = other
            yield mutant

    assert accepted(samples, with_other_value) == []


def may_be(value: Any, sample: Json, place: Place) -> bool:
    """Maps whose keys are free may hold others, and so may texts that are written for people or judged by promtool."""
    where = words(place)
    if isinstance(value, list):
        return value == ["x"] and (where[-1] == "matchNames" or where[-2:] == ("metricRelabelings", "sourceLabels"))
    if isinstance(value, dict):
        return where in FREE and (where != ("spec", "selector") or sample["kind"] == "Service")
    if not isinstance(value, str):
        return False
    is_label = where[-3:-1] == ("rules", "labels")
    is_text = where[-1] in ("expr", "description")
    return is_label or (is_text and value != "") or (value == "" and where[:-1] in FREE)


def test_every_alert_states_its_severity(samples: list[Json]) -> None:
    mutant = copy.deepcopy(samples[-1])
    for rule in at(mutant, ("spec", "groups", 0, "rules")):
        if "alert" in rule:
            del rule["labels"]["severity"]
    assert list(monitoring_problems([mutant])) != []


# ---- The operator's schema ------------------------------------------------------------------------------------


Validators = Mapping[str, jsonschema.Draft202012Validator]


@pytest.fixture(scope="session")
def operator_schemas() -> Validators:
    from cloudcoil.models.prometheus_operator import v1, v1alpha1  # seconds

    models: list[Any] = [v1.PodMonitor, v1.ServiceMonitor, v1.PrometheusRule, v1alpha1.ScrapeConfig]
    schemas = {model.__name__: closed(model.model_json_schema(by_alias=True)) for model in models}
    return {kind: jsonschema.Draft202012Validator(schema) for kind, schema in schemas.items()}


def test_the_operator_accepts_them(good: list[Json], operator_schemas: Validators) -> None:
    errors = [
        (each["metadata"]["name"], error.json_path, error.message)
        for each in good
        if each["kind"] in operator_schemas
        for error in operator_schemas[each["kind"]].iter_errors(each)
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("kind", "place", "value"),
    [
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "scrapeTimout"), "5s"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "interval"), "30 s"),
        ("PodMonitor", ("spec", "endpoints"), []),
        ("PodMonitor", ("spec", "sampleLimits"), 5),
        ("PodMonitor", ("spec", "sampleLimit"), "5"),
        ("PodMonitor", ("spec", "selector", "matchExpressions", 0, "operator"), 1),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "relabelings", 0, "action"), "kept"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "relabelings", 0, "source_labels"), ["x"]),
        ("PodMonitor", ("spec", "scrapeClassicHistograms"), "yes"),
        ("ServiceMonitor", ("spec", "scrapeClassicHistograms"), "yes"),
        ("ScrapeConfig", ("spec", "scrapeClassicHistograms"), "yes"),
        ("ScrapeConfig", ("spec", "interval"), "30s"),
        ("ScrapeConfig", ("spec", "scrapeInterval"), "30 s"),
        ("ScrapeConfig", ("spec", "staticConfigs", 0, "targets"), []),
        ("ScrapeConfig", ("spec", "staticConfigs", 0, "labels", "gateway"), 1),
        ("ScrapeConfig", ("apiVersion",), "monitoring.coreos.com/v1"),
        ("PodMonitor", ("spec", "namespaceSelector", "matchNames"), "ai"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "targetport"), 15020),
        ("ServiceMonitor", ("spec", "selector", "matchLabels", "a"), 1),
        ("ServiceMonitor", ("kind",), "PodMonitor"),
        ("PrometheusRule", ("spec", "groups", 0, "interval"), "1 minute"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "labels", "a"), 1),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "hold"), "5m"),
    ],
)
def test_the_operator_refuses_what_is_not_its_own(
    objects: list[Json], operator_schemas: Validators, kind: str, place: Place, value: Any
) -> None:
    """Otherwise its consent above would say nothing."""
    mutant = copy.deepcopy(of_kind(objects, kind)[0])
    at(mutant, place[:-1])[place[-1]] = value
    assert not operator_schemas[kind].is_valid(mutant)

"""The dashboard's other forms: each holds the dashboard that is imported, where its tool looks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from tollbook.gen import names, pipeline
from tollbook.gen.dashboard_forms import forms
from tollbook.gen.form_checks import LARGEST, problems
from tollbook.gen.headers import header
from tollbook.gen.spec import Spec

Json = dict[str, Any]

CONFIGMAP, OPERATOR, RESOURCE = FILES = (
    names.DASHBOARD_CONFIGMAP_FILE,
    names.DASHBOARD_OPERATOR_FILE,
    names.DASHBOARD_RESOURCE_FILE,
)


def held(file: str, form: Json) -> Json:
    """The dashboard as the tool reads it."""
    if file == RESOURCE:
        dashboard: Json = form["spec"]
        return dashboard
    text = next(iter(form["data"].values())) if file == CONFIGMAP else form["spec"]["json"]
    return dict(json.loads(text))


@pytest.fixture
def good_forms(good_spec: Spec, good: Json) -> Json:
    return forms(good_spec, good)


@pytest.fixture
def full_forms(full_spec: Spec, full: Json) -> Json:
    made: Json = json.loads(json.dumps(forms(full_spec, full)))
    return made


# ---- What they hold ----------------------------------------------------------------------------------------------


def test_every_good_spec_gives_forms_without_problems(good_forms: Json, good: Json) -> None:
    assert list(problems(good_forms, good)) == []


def test_the_panels_are_those_of_the_import_and_ask_the_same(good_forms: Json, good: Json) -> None:
    for file, form in good_forms.items():
        dashboard = held(file, form)
        assert dashboard.keys() == good.keys() - {"__elements", "__inputs", "__requires"}
        assert [panel["title"] for panel in dashboard["panels"]] == [panel["title"] for panel in good["panels"]]
        assert words_asked(dashboard) == words_asked(good)


def words_asked(dashboard: Json) -> list[list[str]]:
    """Queries without their line breaks."""
    exprs = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [expr.split() for expr in [*exprs, *(mark["expr"] for mark in dashboard["annotations"]["list"])]]


def test_they_open_on_grafanas_default_data_source(good_forms: Json) -> None:
    for file, form in good_forms.items():
        assert "DS_PROMETHEUS" not in json.dumps(form)
        chosen = held(file, form)["templating"]["list"][0]
        assert (chosen["type"], chosen["current"]["value"]) == ("datasource", "default")


def test_line_breaks_inside_of_a_text_of_promql_stay(full_spec: Spec, full: Json) -> None:
    """They are escaped there; a real one is between words."""
    full["panels"][1]["targets"][0]["expr"] = 'up{job="a\\n  b"}\n    or\n  up'
    packed = held(CONFIGMAP, forms(full_spec, full)[CONFIGMAP])
    assert packed["panels"][1]["targets"][0]["expr"] == 'up{job="a\\n  b"} or up'


def test_what_kubernetes_holds_is_smaller_than_kubectl_takes(good_forms: Json) -> None:
    """Also without `--server-side`: then the whole object is kept in an annotation as well."""
    annotations = 256 * 1024
    assert [file for file in (CONFIGMAP, OPERATOR) if len(annotated(good_forms[file])) > annotations] == []


def annotated(form: Json) -> bytes:
    """As kubectl writes it there: in one line, and without the characters that mean something in HTML."""
    line = json.dumps(form, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", line).encode()


# ---- Where their tools look --------------------------------------------------------------------------------------


def test_the_sidecar_finds_the_config_map_by_its_label(full_forms: Json) -> None:
    form = full_forms[CONFIGMAP]
    assert (form["apiVersion"], form["kind"]) == ("v1", "ConfigMap")
    assert form["metadata"] == {
        "name": "llm-cost-dashboard",
        "namespace": "observability",
        "labels": {
            "app.kubernetes.io/managed-by": "tollbook",
            "release": "kube-prometheus-stack",
            "app.kubernetes.io/part-of": "finops",
            "grafana_dashboard": "1",
        },
    }
    assert list(form["data"]) == ["llm-cost.json"]


def test_the_operator_finds_its_object_from_any_namespace(full_forms: Json) -> None:
    form = full_forms[OPERATOR]
    assert (form["apiVersion"], form["kind"]) == ("grafana.integreatly.org/v1beta1", "GrafanaDashboard")
    assert form["metadata"]["name"] == "llm-cost-dashboard"
    assert form["spec"]["instanceSelector"] == {"matchLabels": {"dashboards": "grafana"}}
    assert form["spec"]["allowCrossNamespaceImport"] is True


def test_grafana_itself_knows_the_dashboard_by_its_id(full_forms: Json) -> None:
    form = full_forms[RESOURCE]
    assert (form["apiVersion"], form["kind"]) == ("dashboard.grafana.app/v1beta1", "Dashboard")
    assert form["metadata"] == {"name": "llm-cost"}
    assert form["spec"]["uid"] == "llm-cost"


# ---- As files ----------------------------------------------------------------------------------------------------


def test_the_files_hold_these_forms_and_say_how_to_use_them(full_spec: Spec, full_forms: Json) -> None:
    outputs = pipeline.build(full_spec)
    assert yaml.safe_load(outputs[CONFIGMAP]) == full_forms[CONFIGMAP]
    assert yaml.safe_load(outputs[OPERATOR]) == full_forms[OPERATOR]
    assert json.loads(outputs[RESOURCE]) == full_forms[RESOURCE]
    for file in (CONFIGMAP, OPERATOR):
        assert outputs[file].startswith(header(file))
        assert f"kubectl apply --server-side -f out/{file}" in header(file)
    assert pipeline.verify(outputs) == []


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_does_not_fit_to_the_others_is_noticed(full_spec: Spec, file: str) -> None:
    outputs = pipeline.build(full_spec)
    outputs[file] = outputs[file].replace("This week", "That week")
    assert list(map(str, pipeline.verify(outputs))) == [
        f"{file}:1:1: error: its dashboard is not the one that is imported"
    ]


# ---- What is wrong is named --------------------------------------------------------------------------------------

SHAPE = "has not the shape that tollbook writes"

BROKEN: dict[str, tuple[Callable[[Json], Any], str, str]] = {
    "label that no sidecar looks for": (
        lambda forms: forms[CONFIGMAP]["metadata"]["labels"].pop("grafana_dashboard"),
        CONFIGMAP,
        f"metadata/labels {SHAPE}",
    ),
    "two dashboards": (
        lambda forms: forms[CONFIGMAP]["data"].update({"other.json": "{}"}),
        CONFIGMAP,
        f"data {SHAPE}",
    ),
    "no dashboard": (lambda forms: forms[CONFIGMAP]["data"].clear(), CONFIGMAP, f"data {SHAPE}"),
    "another name": (
        lambda forms: forms[CONFIGMAP].update(data={"other.json": "{}"}),
        CONFIGMAP,
        "its dashboard is not the one that is imported",
    ),
    "no instance": (lambda forms: forms[OPERATOR]["spec"].pop("instanceSelector"), OPERATOR, f"spec {SHAPE}"),
    "another dashboard": (
        lambda forms: forms[OPERATOR]["spec"].update(json="{}"),
        OPERATOR,
        "its dashboard is not the one that is imported",
    ),
    "version of the API that is none": (
        lambda forms: forms[RESOURCE].update(apiVersion="dashboard.grafana.app/v1"),
        RESOURCE,
        f"apiVersion {SHAPE}",
    ),
    "name that is not the id": (
        lambda forms: forms[RESOURCE]["metadata"].update(name="other"),
        RESOURCE,
        "its dashboard is not the one that is imported",
    ),
    "kind that nobody knows": (lambda forms: forms[RESOURCE].update(kind="Board"), RESOURCE, f"kind {SHAPE}"),
}


@pytest.mark.parametrize(("break_it", "file", "finding"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_named(
    full_forms: Json, full: Json, break_it: Callable[[Json], Any], file: str, finding: str
) -> None:
    break_it(full_forms)
    assert list(map(str, problems(full_forms, full))) == [f"{file}:1:1: error: {finding}"]


def test_a_dashboard_that_no_config_map_holds_is_named(full_spec: Spec, full: Json) -> None:
    full["description"] = "x" * LARGEST
    found = list(map(str, problems(forms(full_spec, full), full)))
    assert len(found) == len(FILES)
    assert found[0].startswith(f"{CONFIGMAP}:1:1: error: ")
    assert found[0].endswith(f" bytes are more than an object may have ({LARGEST})")


def test_names_of_objects_follow_the_spec(full_spec: Spec, full: Json) -> None:
    renamed = forms(replace(full_spec, name="spend", namespace="grafana"), full)
    assert [renamed[file]["metadata"]["name"] for file in (CONFIGMAP, OPERATOR)] == ["spend-dashboard"] * 2
    assert [renamed[file]["metadata"]["namespace"] for file in (CONFIGMAP, OPERATOR)] == ["grafana"] * 2

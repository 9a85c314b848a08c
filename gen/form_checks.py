"""Judges the dashboard's other forms before they are written: their shape, their size, and that each holds the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from tollbook.gen.dashboard_forms import packed, provisioned
from tollbook.gen.errors import Place, Problem
from tollbook.gen.reading import packaged_schema

#: What a ConfigMap can hold, and about what etcd can.
LARGEST = 1024 * 1024


def problems(forms: Mapping[str, Any], dashboard: Mapping[str, Any]) -> Iterator[Problem]:
    """File -> the object in it; `dashboard` is the one for the Import dialog."""
    validator = jsonschema.Draft202012Validator(packaged_schema("dashboard_forms"))
    for file, form in forms.items():
        if not validator.is_valid(form):
            error = jsonschema.exceptions.best_match(validator.iter_errors(form))
            where = "/".join(str(step) for step in error.absolute_path) or "the object"
            yield Problem(f"{where} has not the shape that tollbook writes", Place(file))
        else:
            yield from _content_problems(file, form, dashboard)


def _content_problems(file: str, form: Mapping[str, Any], dashboard: Mapping[str, Any]) -> Iterator[Problem]:
    size = len(json.dumps(form))
    if size > LARGEST:
        yield Problem(f"{size} bytes are more than an object may have ({LARGEST})", Place(file))
    if not _holds(form, dashboard):
        yield Problem("its dashboard is not the one that is imported", Place(file))


def _holds(form: Mapping[str, Any], dashboard: Mapping[str, Any]) -> bool:
    match form["kind"]:
        case "ConfigMap":
            return bool(form["data"] == {f"{dashboard['uid']}.json": packed(dashboard)})
        case "GrafanaDashboard":
            return bool(form["spec"]["json"] == packed(dashboard))
        case _:
            return bool((form["metadata"]["name"], form["spec"]) == (dashboard["uid"], provisioned(dashboard)))

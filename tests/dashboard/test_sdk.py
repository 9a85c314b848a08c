"""Grafana's own types as a second judge: the dashboard goes through grafana-foundation-sdk and must come out unchanged.

Two tricks make a judge of a library that validates nothing. What it does not know is lost on the way through; and what
it keeps can be held against the type hints of its classes, since it stores the JSON values as they came.
"""

from __future__ import annotations

import enum
import json
import types
import typing
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

with warnings.catch_warnings():
    # The SDK warns in the body of a class, which is as soon as it is imported, that a later format exists.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import units
    from grafana_foundation_sdk.models.dashboard import Dashboard

from tollbook.gen.reading import packaged_schema

Json = dict[str, Any]
Path = tuple[str | int, ...]

#: Keys of the file format of exported dashboards. Grafana's importer takes them off; the SDK types what it stores.
EXPORT_ONLY = {"__elements", "__inputs", "__requires"}

#: Places where the SDK keeps plain dicts although its hint names a class.
LEFT_AS_DICT = {"links", "transformations"}


@pytest.fixture(scope="module", autouse=True)
def panel_types() -> None:
    register_default_plugins()


def test_nothing_is_lost_or_changed_on_the_way_through_grafanas_types(good: Json) -> None:
    assert list(differences(good)) == []


def test_every_value_has_the_type_that_grafana_declares(good: Json) -> None:
    assert list(misfits_of(good)) == []


def test_every_unit_that_the_schema_allows_is_one_of_grafanas() -> None:
    """And Grafana puts whatever follows `prefix:` before the number."""
    known = {value for value in vars(units).values() if isinstance(value, str)}
    named = {unit for unit in packaged_schema("dashboard")["$defs"]["unit"]["enum"] if not unit.startswith("prefix:")}
    assert named - known == set()


GRAPH = ("fieldConfig", "defaults", "custom")
FIRST_STEP = ("fieldConfig", "defaults", "thresholds", "steps", 0)

#: What to break in which panel -> what the judges say.
MUTANTS: list[tuple[str, Path, Any, str]] = [
    ("Today", ("options", "colourMode"), "value", "lost options.colourMode"),
    ("Today", ("targets", 0, "exprr"), "up", "lost targets.0.exprr"),
    ("Today", ("fieldConfig", "defaults", "units"), "s", "lost fieldConfig.defaults.units"),
    ("Tokens per minute", (*GRAPH, "linewidth"), 1, "lost fieldConfig.defaults.custom.linewidth"),
    ("Today", ("options", "graphMode"), "lnie", "options.graph_mode: 'lnie' is no BigValueGraphMode"),
    ("Tokens per minute", (*GRAPH, "drawStyle"), "lnie", "draw_style: 'lnie' is no GraphDrawStyle"),
    ("Tokens per minute", ("options", "tooltip", "mode"), "all", "tooltip.mode: 'all' is no TooltipDisplayMode"),
    ("Today", ("gridPos", "h"), "8", "grid_pos.h: '8' is not int"),
    ("Today", (*FIRST_STEP, "value"), "null", "steps.0.value: 'null' is not float"),
    ("Today", ("fieldConfig", "defaults", "decimals"), "2", "decimals: '2' is not float"),
    ("Spend by gateway", ("options", "orientation"), "flat", "options.orientation: 'flat' is no VizOrientation"),
    ("Who spent what", ("options", "cellHeight"), "xl", "options.cell_height: 'xl' is no TableCellHeight"),
]


@pytest.mark.parametrize(("title", "path", "value", "finding"), MUTANTS)
def test_the_judges_find_what_is_wrong(minimal: Json, title: str, path: Path, value: Any, finding: str) -> None:
    broken: Any = next(panel for panel in minimal["panels"] if panel["title"] == title)
    for key in path[:-1]:
        broken = broken[key]
    broken[path[-1]] = value
    found = [*differences(minimal), *misfits_of(minimal)]
    assert [problem for problem in found if problem.endswith(finding.removeprefix("lost "))] == found != []


# ---- What is lost ------------------------------------------------------------------------------------------------


def differences(dashboard: Json) -> Iterator[str]:
    """Where what comes out of the SDK is not what went in; defaults that it adds do not count."""
    sent = {key: value for key, value in dashboard.items() if key not in EXPORT_ONLY}
    back = dict(leaves(json.loads(json.dumps(Dashboard.from_json(sent), cls=JSONEncoder))))
    for path, value in leaves(sent):
        if path not in back:
            yield f"lost {dotted(path)}"
        elif back[path] != value:
            yield f"changed {dotted(path)} from {value!r} to {back[path]!r}"


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items:
        yield path, value
    for key, item in items:
        yield from leaves(item, (*path, key))


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


# ---- What has the wrong type -----------------------------------------------------------------------------------------


def misfits_of(dashboard: Json) -> Iterator[str]:
    return misfits(Dashboard.from_json(dashboard), Dashboard, ())


def misfits(value: Any, hint: Any, path: Path) -> Iterator[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if all(any(misfits(value, alternative, path)) for alternative in arguments):
            yield from misfits(value, arguments[0], path)
    elif origin is list:
        yield from misfits_in_items(value, enumerate, list, arguments[0], path)
    elif origin is dict:
        yield from misfits_in_items(value, dict.items, dict, arguments[1], path)
    elif origin is typing.Literal or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        allowed = arguments or [member.value for member in hint]
        if isinstance(value, bool) or value not in allowed:
            yield f"{dotted(path)}: {value!r} is no {getattr(hint, '__name__', hint)}"
    elif hint in (str, bool, int, float, types.NoneType):
        fits = isinstance(value, (int, float) if hint is float else hint)
        if not fits or (isinstance(value, bool) and hint is not bool):
            yield f"{dotted(path)}: {value!r} is not {hint.__name__}"
    else:
        yield from misfits_in_object(value, hint, path)


def misfits_in_items(value: Any, items: Callable[[Any], Any], kind: type, hint: Any, path: Path) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{dotted(path)}: {value!r} is not a {kind.__name__}"
        return
    for key, item in items(value):
        yield from misfits(item, hint, (*path, key))


def misfits_in_object(value: Any, hint: Any, path: Path) -> Iterator[str]:
    """Where the hint says nothing, as for options, the class counts that the SDK chose by the type of the panel."""
    if isinstance(value, dict) and (hint in (Any, object) or LEFT_AS_DICT & set(path)):
        return
    if not isinstance(value, object if hint is Any else hint):
        yield f"{dotted(path)}: {value!r} is not {hint.__name__}"
    elif type(value).__module__.startswith("grafana_foundation_sdk"):
        for name, own_hint in typing.get_type_hints(type(value)).items():
            yield from misfits(getattr(value, name), own_hint, (*path, name))

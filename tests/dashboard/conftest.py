"""The specs that dashboards are built from here, and the dashboards as Grafana gets them: through JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tollbook import dashboards, rules
from tollbook.gen import names
from tollbook.gen.load import load
from tollbook.gen.model import Recording
from tollbook.gen.placeholders import fill_in
from tollbook.gen.spec import Spec

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "tests" / "specs" / "good"
GOOD = [ROOT / "tollbook.yaml", *sorted(SPECS.glob("*.yaml"))]

Json = dict[str, Any]


@cache
def spec_of(path: Path) -> Spec:
    return load(path.read_text(encoding="utf-8"), path.name).spec


@cache
def text_of(path: Path) -> str:
    return json.dumps(dashboards.build(spec_of(path)))


def dashboard_of(path: Path) -> Json:
    """A new one each time, for tests that break it."""
    dashboard: Json = json.loads(text_of(path))
    return dashboard


@cache
def recorded_by(path: Path) -> frozenset[str]:
    """What panels may read: the records of this spec's rules."""
    recordings = (rule for group in rules.build(spec_of(path)) for rule in group.rules if isinstance(rule, Recording))
    return frozenset(rule.record for rule in recordings) | names.SCRAPED


@pytest.fixture(params=GOOD, ids=lambda path: path.stem)
def good_path(request: pytest.FixtureRequest) -> Path:
    """Each good spec of the repository in turn."""
    path: Path = request.param
    return path


@pytest.fixture
def good_spec(good_path: Path) -> Spec:
    return spec_of(good_path)


@pytest.fixture
def good(good_path: Path) -> Json:
    return dashboard_of(good_path)


@pytest.fixture
def good_records(good_path: Path) -> frozenset[str]:
    return recorded_by(good_path)


@pytest.fixture
def full_spec() -> Spec:
    """Uses every key: budgets, attribution, keep labels, a step of two minutes."""
    return spec_of(SPECS / "full.yaml")


@pytest.fixture
def full() -> Json:
    return dashboard_of(SPECS / "full.yaml")


@pytest.fixture
def full_records() -> frozenset[str]:
    return recorded_by(SPECS / "full.yaml")


@pytest.fixture
def minimal_spec() -> Spec:
    """One gateway, one model, nothing else."""
    return spec_of(SPECS / "minimal.yaml")


@pytest.fixture
def minimal() -> Json:
    return dashboard_of(SPECS / "minimal.yaml")


@pytest.fixture(scope="session")
def two_gateways() -> Spec:
    return spec_of(Path(__file__).with_name("two-gateways.yaml"))


@pytest.fixture(scope="session")
def panels() -> dict[str, Json]:
    """Those of the spec of two gateways, by title."""
    dashboard = dashboard_of(Path(__file__).with_name("two-gateways.yaml"))
    return {panel["title"]: panel for panel in dashboard["panels"]}


@pytest.fixture(scope="session")
def sent() -> Callable[..., str]:
    """What Grafana sends for a time range, a distance of points, and what is chosen in the filters (or all)."""
    filters = dict.fromkeys(("cluster", "gateway", "gen_ai_system", "model", "team"), ".*") | {"group_by": "team"}

    def fill(expr: str, range_: str, interval: str = "1h", **chosen: str) -> str:
        return fill_in(expr, filters | {"__range": range_, "__interval": interval, "__rate_interval": "5m"} | chosen)

    return fill

"""The servers that this machine has. A play without its server is skipped, and says which one is missing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent.parent / ".tools"
VICTORIA = TOOLS / "victoria-metrics"
NEWEST, OLDEST = TOOLS / "prometheus-newest" / "prometheus", TOOLS / "prometheus-oldest" / "prometheus"
FETCH = "`make test-servers` fetches it"


def pytest_report_header() -> list[str]:
    wanted = {"newest Prometheus": NEWEST, "oldest Prometheus": OLDEST, "VictoriaMetrics": VICTORIA / "vmalert"}
    return [f"servers: SKIP the {name}, it is not in {path}" for name, path in wanted.items() if not path.exists()]


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session")
def newest() -> Path:
    """Prometheus."""
    if not NEWEST.exists():
        pytest.skip(f"the newest Prometheus is not there ({FETCH})")
    return NEWEST


@pytest.fixture(scope="session")
def prometheus_3(newest: Path) -> Path:
    if int(_version(newest).split(".")[0]) < 3:
        pytest.skip("the newest Prometheus is not of version 3")
    return newest


@pytest.fixture(scope="session")
def prometheuses(newest: Path) -> dict[str, Path]:
    """Version -> program, of the ends that there are."""
    return {_version(program): program for program in (OLDEST, newest) if program.exists()}


@pytest.fixture(scope="session")
def victoria() -> Path | None:
    """The folder of VictoriaMetrics' programs, if they are there."""
    return VICTORIA if (VICTORIA / "vmalert").exists() else None


def _version(program: Path) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r", version (\d[\w.]*)", said.stdout + said.stderr)
    assert match, f"{program} does not tell its version"
    return match[1]

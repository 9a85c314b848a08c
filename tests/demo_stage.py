"""What the tests of the demo share: its files, and the programs that it is run with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from conftest import free_port, programs

from demo import processes

if TYPE_CHECKING:
    from conftest import Api

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
COMPOSE: dict[str, Any] = yaml.safe_load((DEMO / "compose.yaml").read_text())

#: A moment of the story.
NOW = 1_795_014_000


def alertmanager_program() -> processes.Program | None:
    """None where there is none on this machine, which the top of the run says."""
    found = programs("alertmanager")
    return processes.Program(found[-1].path, f"127.0.0.1:{free_port()}") if found else None


def health_of_targets(api: Api) -> list[str]:
    return [target["health"] for target in api.get("/api/v1/targets", state="active")["activeTargets"]]

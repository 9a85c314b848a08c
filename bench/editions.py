"""Whose rules are measured: today's, and beside them those of a release, taken out of the repository's history."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench import billing, rulebook
from bench.fleets import NAMESPACE, SPEC_NAMESPACE, Fleet
from bench.rulebook import Group
from bench.target import EXPORTED_GATEWAY, Series
from tollbook.gen import names

ROOT = Path(__file__).parent.parent

#: The release beside which today's rules are measured, and its commit: a clone may have no tags.
RELEASE, RELEASE_COMMIT = "0.1.0", "00b0c0a"

#: Where its packages are unpacked, as `tollbook.gen` and `tollbook.rules`.
UNPACKED = ROOT / ".dev" / f"release-{RELEASE}"

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Edition:
    name: str
    groups: Callable[[Fleet], list[Group]]
    labels: Callable[[Labels], Labels]
    """What today's monitors label a series with -> what this edition's do."""

    def scraped(self, series: tuple[Series, ...]) -> tuple[Series, ...]:
        """The same samples, under this edition's labels."""
        return tuple(replace(each, labels=self.labels(each.labels)) for each in series)


class NoReleaseError(Exception):
    """The release's sources cannot be had."""


def today(fleet: Fleet) -> list[Group]:
    return rulebook.groups(billing.spec(fleet))


TODAY = Edition("tollbook", today, lambda labels: labels)


def release() -> Edition:
    """Raises NoReleaseError where this is no clone that has its commit."""
    _unpack()
    return Edition(f"tollbook {RELEASE}", _groups_of_release, release_labels)


def _groups_of_release(fleet: Fleet) -> list[Group]:
    new_rates = {model: [str(usd) for usd in rates] for model, rates in fleet.new_rates.items()}
    return release_groups(json.dumps({"spec": billing.text(fleet), "new_rates": new_rates}))


@cache
def release_groups(task: str) -> list[Group]:
    """`task` is what bench/rulebook.py reads."""
    program = [sys.executable, str(ROOT / "bench" / "rulebook.py")]
    environment = {**os.environ, "PYTHONPATH": str(UNPACKED)}
    done = subprocess.run(program, input=task, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(done.stdout)
    if UNPACKED not in Path(answer["sources"]).parents:
        raise RuntimeError(f"the rules came from {answer['sources']} instead of release {RELEASE}")
    found: list[Group] = answer["groups"]
    return found


def _unpack() -> None:
    if (UNPACKED / "tollbook" / "rules").is_dir():
        return
    command = ["git", "-C", str(ROOT), "archive", RELEASE_COMMIT, "gen", "rules"]
    try:
        archive = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise NoReleaseError(f"{RELEASE} (commit {RELEASE_COMMIT}) is not in this clone: {reason}") from error
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(UNPACKED / "tollbook", filter="data")


def release_labels(labels: Labels) -> dict[str, str]:
    """A job for each gateway, which the target names by a label of its pod and the metric by its own `gateway`."""
    gateway = labels[names.GATEWAY].removeprefix(f"{NAMESPACE}/")
    told = {name: value for name, value in labels.items() if name not in (names.GATEWAY, EXPORTED_GATEWAY)}
    told |= {names.JOB: f"{SPEC_NAMESPACE}/{NAMESPACE}-{gateway}", names.GATEWAY_NAME_TARGET_LABEL: gateway}
    return {**told, names.GATEWAY: labels[EXPORTED_GATEWAY]} if EXPORTED_GATEWAY in labels else told

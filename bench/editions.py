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

from bench import rulebook
from bench.fleets import SPEC_NAMESPACE
from bench.rulebook import Group, NewRates
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
    groups: Callable[[str, NewRates], list[Group]]
    """Of a spec, as bench/rulebook.py makes them."""
    labels: Callable[[Labels], Labels]
    """What today's monitors label a series with -> what this edition's do."""

    def scraped(self, series: tuple[Series, ...]) -> tuple[Series, ...]:
        """The same samples, under this edition's labels."""
        return tuple(replace(each, labels=self.labels(each.labels)) for each in series)


TODAY = Edition(
    "tollbook", lambda text, new_rates: rulebook.groups(rulebook.spec(text, new_rates)), lambda labels: labels
)


def editions() -> list[Edition]:
    """Today's alone where this is no clone that has the release's commit."""
    try:
        _unpack()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
        print(
            f"Only today's rules: {RELEASE} (commit {RELEASE_COMMIT}) is not in this clone: {reason}", file=sys.stderr
        )
        return [TODAY]
    return [TODAY, Edition(f"tollbook {RELEASE}", _groups_of_release, release_labels)]


def _groups_of_release(text: str, new_rates: NewRates) -> list[Group]:
    rates = {model: [str(usd) for usd in rates] for model, rates in new_rates.items()}
    return _answered(json.dumps({"spec": text, "new_rates": rates}))


@cache
def _answered(task: str) -> list[Group]:
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
    archive = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(UNPACKED / "tollbook", filter="data")


def release_labels(labels: Labels) -> dict[str, str]:
    """A job for each gateway, which the target names by a label of its pod and the metric by its own `gateway`."""
    namespace, _, gateway = labels[names.GATEWAY].partition("/")
    told = {name: value for name, value in labels.items() if name not in (names.GATEWAY, EXPORTED_GATEWAY)}
    told |= {names.JOB: f"{SPEC_NAMESPACE}/{namespace}-{gateway}", names.GATEWAY_NAME_TARGET_LABEL: gateway}
    return {**told, names.GATEWAY: labels[EXPORTED_GATEWAY]} if EXPORTED_GATEWAY in labels else told

"""Which targets the servers of a play are told of, and the configurations and rules that they are given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tollbook import rules
from tollbook.gen.load import load
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Gateway, Spec

SCRAPE_SECONDS, STEP_SECONDS, SETTLE_SECONDS = 2, 10, 5
#: On every scrape as long as the spec says.
_SCRAPES = {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s"}

Json = dict[str, Any]


def intervals(step: int = STEP_SECONDS) -> str:
    """Of a spec's section `prometheus`."""
    scraping = f"scrape_interval: {SCRAPE_SECONDS}s, scrape_timeout: {SCRAPE_SECONDS}s"
    return f"{scraping}, step: {step}s, settle: {SETTLE_SECONDS}s"


def spec_of(text: str) -> Spec:
    return load(text, "spec.yaml").spec


def gateway(spec: Spec, name: str, namespace: str, version: tuple[int, int] = (1, 5)) -> Gateway:
    """As its pods call it, whatever the spec does."""
    return replace(spec.gateways[0], name=name, namespace=namespace, version=version)


@dataclass(frozen=True)
class Listing:
    """A file of targets for each job, which servers read again as soon as it changes."""

    folder: Path
    jobs: tuple[str, ...]

    def __post_init__(self) -> None:
        for job in self.jobs:
            self._write(job, [])

    def add(self, job: str, address: str, **labels: str) -> None:
        self._write(job, [*self._read(job), {"targets": [address], "labels": labels}])

    def add_pod(self, spec: Spec, address: str, gateway: str, **labels: str) -> None:
        """As the spec's own monitor finds it: `gateway` stands on the target."""
        namespace, _, name = gateway.partition("/")
        own = {"gateway": gateway, "namespace": namespace, "pod": f"{name}-{address}", "container": "agentgateway"}
        self.add(spec.id, address, **own, **labels)

    def remove(self, address: str) -> None:
        for job in self.jobs:
            self._write(job, [entry for entry in self._read(job) if entry["targets"] != [address]])

    @property
    def count(self) -> int:
        return sum(len(self._read(job)) for job in self.jobs)

    def scrape_configs(self, **options: Any) -> list[Json]:
        return [
            {"job_name": job, **_SCRAPES, "file_sd_configs": [{"files": [str(self._file(job))]}], **options}
            for job in self.jobs
        ]

    def _file(self, job: str) -> Path:
        return self.folder / f"targets-{self.jobs.index(job)}.json"

    def _read(self, job: str) -> list[Json]:
        found: list[Json] = json.loads(self._file(job).read_text())
        return found

    def _write(self, job: str, targets: list[Json]) -> None:
        """Whole, whenever a server looks."""
        draft = self._file(job).with_suffix(".new")
        draft.write_text(json.dumps(targets))
        draft.replace(self._file(job))


def rule_file(spec: Spec, file: Path) -> Path:
    file.write_text(json.dumps({"groups": rule_groups(rules.build(spec))}, indent=1))
    return file


def prometheus_config(rule_files: Iterable[Path], scrape_configs: list[Json], **settings: str) -> Json:
    return {
        "global": {"evaluation_interval": f"{STEP_SECONDS}s", **settings},
        "rule_files": [str(file) for file in rule_files],
        "scrape_configs": scrape_configs,
    }

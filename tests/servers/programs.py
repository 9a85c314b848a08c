"""Servers as processes of this machine, on loopback ports; each is ended with its `with` block."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_WITHIN_SECONDS = ENDED_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Api:
    """What Prometheus and VictoriaMetrics both answer."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
            return json.load(answer)["data"]

    def values(self, query: str, *by: str) -> dict[tuple[str, ...], float]:
        """Of the labels named -> value, of one instant."""
        result = self.get("/api/v1/query", query=query)["result"]
        found = {tuple(each["metric"].get(name, "") for name in by): float(each["value"][1]) for each in result}
        assert len(found) == len(result), f"{query}: samples that {by} do not tell apart"
        return found

    def value(self, query: str) -> float:
        """Of a query with one answer at most; none is zero."""
        return self.values(query).get((), 0.0)

    def rule_faults(self) -> list[str]:
        """The rules that could not be evaluated, and why."""
        rules = [rule for group in self.get("/api/v1/rules")["groups"] for rule in group["rules"]]
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]


@contextmanager
def prometheus(program: Path, folder: Path, config: Any, *flags: str) -> Iterator[Api]:
    """`folder` is the server's own."""
    file = _written(folder / "prometheus.yml", config)
    address = _free_address()
    places = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with _started([program, *places, *flags], f"http://{address}/-/ready", folder / "prometheus.log"):
        yield Api(f"http://{address}")


@contextmanager
def victoria_metrics(
    home: Path, folder: Path, scrape_config: Any, rules: Path, interval: str
) -> Iterator[tuple[Api, Api]]:
    """The database, which scrapes, and vmalert, which evaluates the rules. To save time it looks ten seconds back
    instead of thirty, the database's answers are up to date, and changed lists of targets are read at once."""
    file = _written(folder / "scrape.yml", scrape_config)
    address = _free_address()
    url = f"http://{address}"
    database: list[str | Path] = [
        *(home / "victoria-metrics", f"-promscrape.config={file}", "-promscrape.fileSDCheckInterval=1s"),
        *(f"-storageDataPath={folder / 'data'}", f"-httpListenAddr={address}", "-search.latencyOffset=0s"),
    ]
    listen = _free_address()
    evaluator: list[str | Path] = [
        *(home / "vmalert", f"-rule={rules}", f"-evaluationInterval={interval}", f"-httpListenAddr={listen}"),
        *(f"-datasource.url={url}", f"-remoteWrite.url={url}", f"-remoteRead.url={url}", "-notifier.blackhole"),
        "-rule.evalDelay=10s",
    ]
    with (
        _started(database, f"{url}/-/ready", folder / "victoria-metrics.log"),
        _started(evaluator, f"http://{listen}/-/ready", folder / "vmalert.log"),
    ):
        yield Api(url), Api(f"http://{listen}")


@contextmanager
def _started(command: Sequence[str | Path], ready_url: str, log: Path) -> Iterator[None]:
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + READY_WITHIN_SECONDS
            while not _answers(ready_url):
                is_over = process.poll() is not None or time.monotonic() > deadline
                assert not is_over, f"{Path(command[0]).name} did not start:\n{log.read_text()}"
                time.sleep(0.05)
            yield
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def _written(file: Path, config: Any) -> Path:
    """JSON is YAML, too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return file


def _free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"

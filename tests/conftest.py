"""The programs the tests are run with: every promtool, Prometheus and Alertmanager found, the oldest first.

`make test` unpacks the two ends into .tools/prometheus-oldest/ (the machine's own release) and
.tools/prometheus-newest/, and so with Alertmanager; what is on PATH is tested too. A missing end is said at the top of
the run. Tests that find nothing at all are skipped, or fail where CI is set in the environment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from commandline import SPEC, contents, tollbook

# Machines are noisy: how long an example takes says nothing about what it tries.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")

ROOT = Path(__file__).resolve().parent.parent
ENDS = ("oldest", "newest")
#: Program -> the folder in .tools that holds it, without the end.
HOMES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "alertmanager",
    "alertmanager": "alertmanager",
}
READY_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Program:
    version: str
    path: Path


def end_of(name: str, end: str) -> Path:
    return ROOT / ".tools" / f"{HOMES[name]}-{end}" / name


@cache
def programs(name: str) -> tuple[Program, ...]:
    """One of each version that this machine has, the oldest first."""
    on_path = shutil.which(name)
    paths = [path for end in ENDS if (path := end_of(name, end)).exists()] + ([Path(on_path)] if on_path else [])
    found = {version: Program(version, path) for path in reversed(paths) if (version := version_of(path))}
    return tuple(sorted(found.values(), key=in_numbers))


def version_of(path: Path) -> str:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r", version (\S+)", said.stdout + said.stderr)
    assert match, f"{path} does not tell its version"
    return match[1]


def in_numbers(program: Program) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", program.version)]


def pytest_report_header() -> list[str]:
    lines = []
    for name in HOMES:
        found = ", ".join(f"{program.version} ({program.path})" for program in programs(name)) or "none"
        lines.append(f"{name}: {found}")
        lines += [
            f"{name}: SKIP the {end} one, it is not in .tools/{HOMES[name]}-{end}/ (`make test` fetches it)"
            for end in ENDS
            if not end_of(name, end).exists()
        ]
    return lines


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for one of these programs runs once with every version."""
    for name in HOMES:
        if name in metafunc.fixturenames:
            found = programs(name) or (None,)
            ids = [f"{name}-{program.version}" if program else f"no-{name}" for program in found]
            metafunc.parametrize(name, found, ids=ids, indirect=True)


def required(program: Program | None, name: str) -> Program:
    if program is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"there is no {name} (`make test` fetches one)")
    assert program is not None
    return program


@pytest.fixture(scope="session")
def promtools() -> list[tuple[str, Path]]:
    """Version and path of every promtool, the oldest first; at least one."""
    required(next(iter(programs("promtool")), None), "promtool")
    return [(program.version, program.path) for program in programs("promtool")]


@pytest.fixture
def promtool(request: pytest.FixtureRequest) -> Path:
    """Each promtool in turn."""
    return required(request.param, "promtool").path


@pytest.fixture
def amtool(request: pytest.FixtureRequest) -> Path:
    """Each amtool in turn."""
    return required(request.param, "amtool").path


@pytest.fixture
def alertmanager(request: pytest.FixtureRequest) -> Path:
    """Each Alertmanager in turn."""
    return required(request.param, "alertmanager").path


@dataclass(frozen=True)
class Api:
    """Of a Prometheus."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an API answer: `get("/api/v1/query", query="up", time="60")`."""
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
            return json.load(answer)["data"]


@dataclass(frozen=True)
class Server(Api):
    """A Prometheus on a loopback port, ready to answer."""

    process: subprocess.Popen[bytes]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self) -> None:
        """As a rollout stops it: asked to end, it writes down what it knows."""
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def prometheus(request: pytest.FixtureRequest) -> Path:
    """Each Prometheus in turn."""
    return required(request.param, "prometheus").path


@pytest.fixture
def prometheus_server(prometheus: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Each Prometheus in turn, as a function `start(config_text, *flags, storage=folder)` that returns a Server.

    The config may name files beside it: it is written to the test's tmp_path. Servers end with the test.
    """
    with ExitStack() as running:

        def start(config_text: str, *flags: str, storage: Path = tmp_path / "data") -> Server:
            config = tmp_path / "prometheus.yml"
            config.write_text(config_text, encoding="utf-8")
            address = f"127.0.0.1:{free_port()}"
            places = [f"--config.file={config}", f"--storage.tsdb.path={storage}", f"--web.listen-address={address}"]
            log = running.enter_context((tmp_path / "prometheus.log").open("w+"))
            process = running.enter_context(subprocess.Popen([prometheus, *places, *flags], stdout=log, stderr=log))
            running.callback(process.terminate)
            server = Server(f"http://{address}", process)
            deadline = time.monotonic() + READY_WITHIN_SECONDS
            while not server.is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"Prometheus did not start:\n{(tmp_path / 'prometheus.log').read_text()}")
                time.sleep(0.02)
            return server

        yield start


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# ---- The command line ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a spec and no outputs yet, on a machine without promtool."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("TOLLBOOK_PROMTOOL", raising=False)
    (tmp_path / "tollbook.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A promtool that does what the shell text says when it judges."""

    def of(judgement: str) -> str:
        path = tmp_path_factory.mktemp("bin") / "promtool"
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "promtool, version 2.42.0" && exit\n{judgement}\n')
        path.chmod(0o755)
        return str(path)

    return of


@pytest.fixture
def content(fake: Callable[[str], str]) -> str:
    """A promtool that is content with everything."""
    return fake("exit 0")


@pytest.fixture
def generated(folder: Path, content: str) -> dict[str, bytes]:
    """What lies in out/ when the spec was generated once."""
    assert tollbook("generate", "--promtool", content).exit_code == 0
    return contents(folder / "out")

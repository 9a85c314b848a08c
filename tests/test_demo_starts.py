"""The demo's commands, as the containers run them and as `make demo` does; and what they say where something is
missing."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from itertools import takewhile
from pathlib import Path

import pytest
from conftest import Api, free_port
from demo_stage import COMPOSE, DEMO, NOW, ROOT, alertmanager_program, health_of_targets
from stage import until

from demo import prepare, processes
from demo.fleet import fleet_of
from tollbook.gen import names
from tollbook.gen.promtool import HOW_TO_GET_IT

# What its fixtures prepare takes long: one process runs all tests of this file.
pytestmark = pytest.mark.xdist_group("demo starts")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds of the demo what the image holds."""
    folder = tmp_path_factory.mktemp("src")
    assert re.search(r"(?m)^COPY demo demo$", (DEMO / "Dockerfile").read_text())
    shutil.copytree(DEMO, folder / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def prepared(source: Path, promtools: list[tuple[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the container does it, but for less history, and where an earlier one was interrupted."""
    folder = tmp_path_factory.mktemp("prepared")
    data = folder / processes.DATA_FOLDER
    (data / "01GLEFTOVER").mkdir(parents=True)
    (data / prepare.UNFINISHED_FILE).touch()
    said = run_in(source, *prepare_command(folder, promtools[-1][1]))
    assert said == f"writing 0.02 days of history, this takes a minute or two\n{folder}: ready\n"
    return folder


def prepare_command(folder: Path, promtool: Path) -> list[str]:
    places = {"/tollbook": str(folder), "/prometheus": str(folder / processes.DATA_FOLDER)}
    command = [places.get(word, word) for word in COMPOSE["services"]["prepare"]["command"]]
    return [*command, "--days", "0.02", "--promtool", str(promtool)]


def run_in(source: Path, python: str, *arguments: str) -> str:
    assert python == "python"
    run = subprocess.run([sys.executable, *arguments], cwd=source, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_what_is_prepared_is_complete(prepared: Path, source: Path, promtools: list[tuple[str, Path]]) -> None:
    now = int((prepared / prepare.NOW_FILE).read_text())
    found = {path.name: path.read_text() for path in prepared.iterdir() if path.is_file()}
    assert found == prepare.files(fleet_of(now).spec, now)
    left = [path.name for path in (prepared / processes.DATA_FOLDER).iterdir() if not (path / "meta.json").exists()]
    assert left == []
    assert run_in(source, *prepare_command(prepared, promtools[-1][1])) == f"{prepared}: prepared before\n"


def test_preparing_without_promtool_says_what_to_do(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo.prepare", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
    run = subprocess.run(command, cwd=source, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr == f"error: promtool is not on PATH ({HOW_TO_GET_IT})\n"
    assert list(tmp_path.iterdir()) == []


def test_the_simulator_serves_every_pod(prepared: Path, source: Path) -> None:
    places = {"/tollbook/now": str(prepared / prepare.NOW_FILE), "0.0.0.0:15020": "127.0.0.1:0"}
    _, *arguments = (places.get(word, word) for word in COMPOSE["services"]["simulator"]["command"])
    assert set(places.values()) < set(arguments)
    with subprocess.Popen([sys.executable, *arguments], cwd=source, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout
            told = [simulator.stdout.readline().split(": ") for _ in fleet_of(NOW).pods]
            assert [pod for pod, _ in told] == [pod.name for pod in fleet_of(NOW).pods]
            for _, address in told:
                with urllib.request.urlopen(address.strip(), timeout=60) as answer:
                    assert names.TOKEN_USAGE_SUM in answer.read().decode()
        finally:
            simulator.terminate()


@pytest.mark.slow
def test_make_demo_runs_until_it_is_interrupted(prepared: Path, prometheus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(prepared, folder)
    address, alertmanager = f"127.0.0.1:{free_port()}", alertmanager_program()
    options = ["--prometheus", str(prometheus), "--prometheus-port", address.split(":")[1], "--pod-port", "0"]
    if alertmanager:
        options += ["--alertmanager", str(alertmanager.path)]
        options += ["--alertmanager-port", alertmanager.address.split(":")[1]]
    command = [sys.executable, "-m", "demo.processes", "--folder", str(folder), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout
            told = list(takewhile(lambda line: line != "Ctrl-C ends it\n", demo.stdout))
            assert told[:2] == [f"{folder}: prepared before\n", f"Prometheus: http://{address}\n"]
            known = f"Alertmanager: http://{alertmanager.address}\n" if alertmanager else "no Alertmanager on PATH\n"
            assert told[2] == known
            assert len(told) == 3 + 4 + 1
            assert [t for t in told[3:-1] if not re.fullmatch(r"pod \S+: http://127\.0\.0\.1:\d+/metrics\n", t)] == []
            assert told[-1] == f"dashboard to import into a Grafana of yours: {folder / names.DASHBOARD_FILE}\n"
            until("every target is up", lambda: health_of_targets(Api(f"http://{address}")) == ["up"] * 5)
            demo.send_signal(signal.SIGINT)
            assert (demo.stdout.read(), demo.wait(120)) == ("\nended\n", 0)
            for gone in (address, *([alertmanager.address] if alertmanager else [])):
                processes.refuse_taken(gone)
        finally:
            demo.terminate()


def test_what_the_demo_lacks_is_said(prepared: Path, prometheus: Path) -> None:
    command = [sys.executable, "-m", "demo.processes", "--folder", str(prepared)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = ["--prometheus", str(prometheus), "--prometheus-port", str(port), "--pod-port", "0"]
        run = subprocess.run([*command, *given], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert run.stderr == f"127.0.0.1:{port} cannot be listened on (Address already in use): see --help for ports\n"
    run = subprocess.run(command, cwd=ROOT, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr == (
        "there is no prometheus on PATH: name one with --prometheus ('make demo' fetches Debian's where it can)\n"
    )


def test_a_program_that_does_not_start_is_shown_with_its_log(prometheus: Path, tmp_path: Path) -> None:
    fleet = fleet_of(NOW)
    (tmp_path / "prometheus").touch()
    program = processes.Program(prometheus, f"127.0.0.1:{free_port()}")
    with (
        pytest.raises(processes.NotStartedError) as caught,
        processes.running(fleet, tmp_path, lambda: NOW, dict.fromkeys(fleet.pods, 0), program, None),
    ):
        pass
    shown, _, log = str(caught.value).partition("\n")
    assert shown == f"prometheus does not start. {tmp_path / 'prometheus.log'} ends with:"
    assert "not a directory" in log

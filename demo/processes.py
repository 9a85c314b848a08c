"""The demo without containers: its pods, Prometheus and Alertmanager as processes of this machine.

`python -m demo.processes --folder FOLDER` prepares what is missing, says where everything answers, and ends it all when
it is interrupted. `make demo` fetches the programs first.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo import history, simulator
from demo.fleet import Fleet, Pod, fleet_of
from demo.prepare import ALERTMANAGER_FILE, HERE, NOW_FILE, prepare_once
from demo.simulator import FIRST_PORT, Clock, Simulation, clock_of, ports_from
from tollbook.gen import names
from tollbook.gen.errors import MissingToolError

PROMETHEUS_FILE, DATA_FOLDER = "prometheus.yml", "prometheus"
HOST = "127.0.0.1"
READY_WITHIN_SECONDS = ENDED_WITHIN_SECONDS = 60


class NotStartedError(Exception):
    """Says which program does not run, and why."""


@dataclass(frozen=True)
class Program:
    path: Path
    address: str

    @property
    def name(self) -> str:
        return self.path.name


@contextmanager
def running(
    fleet: Fleet,
    folder: Path,
    clock: Clock,
    pods: Mapping[Pod, int],
    prometheus: Program,
    alertmanager: Program | None,
    *flags: str,
) -> Iterator[dict[Pod, int]]:
    """Until the end of the block, on what `folder` was prepared with. The ports of the pods; those asked for as zero
    are free ones. `flags` are Prometheus' own."""
    with ExitStack() as stack:
        simulation = Simulation(fleet, clock)
        addresses = [(pod, (HOST, port)) for pod, port in pods.items()]
        ports = stack.enter_context(simulator.running(simulation, addresses))
        config = prometheus_config(fleet, folder, ports, prometheus, alertmanager)
        (folder / PROMETHEUS_FILE).write_text(config, encoding="utf-8")
        if alertmanager:
            stack.enter_context(_alertmanager(alertmanager, folder))
        retention = f"--storage.tsdb.retention.time={fleet.spec.prometheus.retention}"
        stack.enter_context(_prometheus(prometheus, folder, retention, *flags))
        yield ports


def prometheus_config(
    fleet: Fleet, folder: Path, ports: Mapping[Pod, int], prometheus: Program, alertmanager: Program | None
) -> str:
    """That of the containers, with the paths and addresses of this machine and the intervals of the spec."""
    moves = {"/tollbook/": f"{folder}/", "localhost:9090": prometheus.address}
    moves |= {f"simulator:{FIRST_PORT + number}": f"{HOST}:{ports[pod]}" for number, pod in enumerate(fleet.pods)}
    if alertmanager:
        moves["alertmanager:9093"] = alertmanager.address
    config = _moved(yaml.safe_load((HERE / PROMETHEUS_FILE).read_text(encoding="utf-8")), moves)
    settings = fleet.spec.prometheus
    config["global"] = {
        "scrape_interval": str(settings.scrape_interval),
        "scrape_timeout": str(settings.scrape_timeout),
        "evaluation_interval": str(settings.step),
    }
    if not alertmanager:
        del config["alerting"]
    return yaml.safe_dump(config, sort_keys=False)


def _moved(value: Any, moves: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, moves) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, moves) for item in value]
    if isinstance(value, str):
        return next((value.replace(old, new) for old, new in moves.items() if value.startswith(old)), value)
    return value


@contextmanager
def _prometheus(program: Program, folder: Path, *flags: str) -> Iterator[None]:
    places = [f"--config.file={folder / PROMETHEUS_FILE}", f"--storage.tsdb.path={folder / DATA_FOLDER}"]
    with _started(program, [*places, f"--web.listen-address={program.address}", *flags], folder):
        yield


@contextmanager
def _alertmanager(program: Program, folder: Path) -> Iterator[None]:
    places = [f"--config.file={folder / ALERTMANAGER_FILE}", f"--storage.path={folder / 'alertmanager'}"]
    with _started(program, [*places, f"--web.listen-address={program.address}", "--cluster.listen-address="], folder):
        yield


@contextmanager
def _started(program: Program, arguments: Sequence[str], folder: Path) -> Iterator[None]:
    """Apart from our terminal: Ctrl-C is for us, who end one program after the other. Started in the program's own
    folder, because Debian's Alertmanager, where it is unpacked and not installed, looks for its templates there."""
    refuse_taken(program.address)
    log = folder / f"{program.name}.log"
    with log.open("w") as said:
        command: list[str | Path] = [program.path, *arguments]
        process = subprocess.Popen(command, cwd=program.path.parent, stdout=said, stderr=said, start_new_session=True)
    try:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not _is_ready(program.address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError(f"{program.name} does not start. {log} ends with:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(ENDED_WITHIN_SECONDS)
        finally:
            process.kill()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def refuse_taken(address: str) -> None:
    host, _, port = address.rpartition(":")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
        except OSError as error:
            raise NotStartedError(
                f"{address} cannot be listened on ({error.strerror}): see --help for ports"
            ) from error


# ---- The command -----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.processes", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps everything; going on where it ended")
    parser.add_argument("--days", type=float, default=history.DAYS, help=f"of history ({history.DAYS})")
    parser.add_argument("--promtool", help="the promtool to write it with (the one on PATH)")
    for name, port in (("prometheus", 9090), ("alertmanager", 9093)):
        parser.add_argument(f"--{name}", default=shutil.which(name), help="the program (the one on PATH)")
        parser.add_argument(f"--{name}-port", type=int, default=port, help=f"where it listens ({port})")
    parser.add_argument("--pod-port", type=int, default=FIRST_PORT, help=f"of the first pod ({FIRST_PORT})")
    # To be asked to end is as good as Ctrl-C, and a shell that runs us in the background would hide that from us.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, signal.default_int_handler)
    try:
        _run(parser.parse_args())
    except KeyboardInterrupt:
        print("\nended", flush=True)
    except (MissingToolError, NotStartedError) as error:
        print(error, file=sys.stderr)
        sys.exit(3)


def _run(options: argparse.Namespace) -> None:
    if not options.prometheus:
        raise NotStartedError(
            "there is no prometheus on PATH: name one with --prometheus ('make demo' fetches Debian's where it can)"
        )
    folder = options.folder.resolve()
    prepare_once(folder, folder / DATA_FOLDER, history.settled_now(), options.days, options.promtool)
    fleet = fleet_of(history.moment((folder / NOW_FILE).read_text(encoding="utf-8")))
    pods = ports_from(options.pod_port, fleet.pods)
    for port in pods.values():
        refuse_taken(f"{HOST}:{port}")
    prometheus = _program(options.prometheus, options.prometheus_port)
    alertmanager = _program(options.alertmanager, options.alertmanager_port) if options.alertmanager else None
    with running(fleet, folder, clock_of(speed=1), pods, prometheus, alertmanager) as ports:
        print(f"Prometheus: http://{prometheus.address}")
        print(f"Alertmanager: http://{alertmanager.address}" if alertmanager else "no Alertmanager on PATH")
        for pod, port in ports.items():
            print(f"pod {pod.name}: http://{HOST}:{port}/metrics")
        print(f"dashboard to import into a Grafana of yours: {folder / names.DASHBOARD_FILE}")
        print("Ctrl-C ends it", flush=True)
        threading.Event().wait()


def _program(path: str, port: int) -> Program:
    return Program(Path(path).resolve(), f"{HOST}:{port}")


if __name__ == "__main__":
    main()

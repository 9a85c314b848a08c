"""The fleet's pods, alive: each on a port of its own, showing what it has counted up to the moment of the scrape.

`python -m demo.simulator --listen 0.0.0.0:15020` serves the first pod there and the others on the ports after it.
"""

from __future__ import annotations

import argparse
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from demo.exposition import content_type
from demo.fleet import Fleet, Pod, fleet_of
from demo.history import moment, settled_now
from demo.pods import Pods

Clock = Callable[[], float]

#: Of the first pod; the others have the ports after it.
FIRST_PORT = 15020


class Simulation:
    """The pods as time goes by. Scrapes come at once and from several threads."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._clock = clock
        self._pods = Pods(fleet, int(clock()))
        self._playing = threading.Lock()

    def text(self, pod: Pod) -> str:
        with self._playing:
            self._pods.play(int(self._clock()))
            return self._pods.processes[pod].text()


def clock_of(speed: float, until: float = math.inf) -> Clock:
    """Unix seconds that pass so many times faster from now on, and then stand still."""
    begun = time.time()
    return lambda: min(begun + (time.time() - begun) * speed, until)


def ports_from(first: int, pods: Iterable[Pod]) -> dict[Pod, int]:
    """One after the other; from zero on, any that are free."""
    return {pod: first and first + number for number, pod in enumerate(pods)}


def handler(text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", content_type(self.headers["Accept"] or ""))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Silent."""

    return Handler


@contextmanager
def running(simulation: Simulation, addresses: list[tuple[Pod, tuple[str, int]]]) -> Iterator[dict[Pod, int]]:
    """The port of each pod; those asked for as zero are free ones."""
    servers = {}
    for pod, address in addresses:
        servers[pod] = ThreadingHTTPServer(address, handler(lambda pod=pod: simulation.text(pod)))  # type: ignore[misc]
        servers[pod].daemon_threads = True
        threading.Thread(target=servers[pod].serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield {pod: server.server_address[1] for pod, server in servers.items()}
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.simulator", description=__doc__)
    listen = f"127.0.0.1:{FIRST_PORT}"
    parser.add_argument("--listen", default=listen, help=f"of the first pod ({listen})")
    parser.add_argument("--now", type=moment, default=settled_now(), help="Unix seconds at which history ends (now)")
    parser.add_argument("--now-file", type=Path, help="where demo.prepare wrote it")
    parser.add_argument("--speed", type=float, default=1, help="how much faster time passes here (1)")
    options = parser.parse_args()
    now = moment(options.now_file.read_text()) if options.now_file else options.now
    fleet = fleet_of(now)
    host, _, port = options.listen.rpartition(":")
    addresses = [(pod, (host, number)) for pod, number in ports_from(int(port), fleet.pods).items()]
    with running(Simulation(fleet, clock_of(options.speed)), addresses) as ports:
        for pod, number in ports.items():
            print(f"{pod.name}: http://{host}:{number}/metrics", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""Pods of a gateway as Prometheus meets them: each an HTTP server on a loopback port that shows what it has served."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.exposition import Process, content_type
from tollbook.gen.oracle import Request
from tollbook.gen.spec import Gateway

SCRAPED_WITHIN_SECONDS = 30


class GatewayPod:
    """Its process can be replaced and its network cut; its address stays."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.gateway, self.name = gateway, name
        self._process = Process(gateway.version)
        self._reachable = True
        self._begun = self._answered = 0
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def serve(self, *requests: Request) -> None:
        with self._changed:
            for request in requests:
                self._process.serve(request)

    def restart(self) -> None:
        """In place: between two scrapes, if nobody waits for one."""
        with self._changed:
            self._process = Process(self.gateway.version)

    def cut_off(self) -> None:
        """From now on a connection is closed without an answer."""
        with self._changed:
            self._reachable = False

    def reconnect(self) -> None:
        with self._changed:
            self._reachable = True

    def wait_for_scrape(self) -> float:
        """Until a scrape that sees everything up to now has ended, in vain where the pod is cut off. The Unix time
        then: its samples are older."""
        with self._changed:
            wanted = self._begun + 1
            if not self._changed.wait_for(lambda: self._answered >= wanted, SCRAPED_WITHIN_SECONDS):
                raise TimeoutError(f"nobody scrapes {self.name}")
            return time.time()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pod = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with pod._changed:
                    pod._begun += 1
                    number = pod._begun
                    text = pod._process.text() if pod._reachable else ""
                if text and self.path == "/metrics":
                    self._answer(text.encode())
                with pod._changed:
                    pod._answered = max(pod._answered, number)
                    pod._changed.notify_all()

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", content_type(self.headers["Accept"]))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Silent."""

        return Handler

    def _run(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> GatewayPod:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running(pods: Iterable[GatewayPod]) -> Iterator[list[GatewayPod]]:
    with ExitStack() as stack:
        yield [stack.enter_context(pod) for pod in pods]

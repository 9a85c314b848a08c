"""A Prometheus that only answers, or also evaluates rules, over samples that were written before."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READY_SECONDS = 300

Json = dict[str, Any]


@contextmanager
def prometheus(program: str, data: Path, config: str = "") -> Iterator[str]:
    """Its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    file = data.parent / "prometheus.yml"
    file.write_text(config)
    flags = [f"--config.file={file}", f"--storage.tsdb.path={data}", f"--web.listen-address={address}"]
    flags.append("--storage.tsdb.retention.time=100y")
    with subprocess.Popen([program, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://{address}/-/ready")
            yield f"http://{address}"
        finally:
            server.terminate()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def get(url: str, path: str, parameters: dict[str, str]) -> Json:
    """Raises RuntimeError with what Prometheus says is wrong."""
    try:
        with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(parameters)}", timeout=600) as response:
            data: Json = json.load(response)["data"]
            return data
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{path} {parameters}: {error.read().decode()}") from error

"""A real Alertmanager on a loopback port: alerts that fire go in, what it does with each comes out."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import free_port

READY_WITHIN_SECONDS = 60


@contextmanager
def running(binary: Path, config: Path, folder: Path) -> Iterator[str]:
    """The address of an Alertmanager on a loopback port."""
    url = f"http://127.0.0.1:{free_port()}"
    places = [f"--config.file={config}", f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
    with (folder / "alertmanager.log").open("w+") as log:
        process = subprocess.Popen(
            [binary, *places, f"--web.listen-address={url.removeprefix('http://')}"],
            cwd=binary.parent,  # where its templates are
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + READY_WITHIN_SECONDS
            while not is_ready(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"Alertmanager did not start:\n{(folder / 'alertmanager.log').read_text()}")
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=60)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def post(url: str, alerts: list[dict[str, str]]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def states(url: str) -> dict[str, str]:
    """The `who` of each alert -> what Alertmanager does with it."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=60) as answer:
        alerts: list[dict[str, Any]] = json.load(answer)
    return {alert["labels"]["who"]: alert["status"]["state"] for alert in alerts}


def alert(who: str, alertname: str, **labels: str) -> dict[str, str]:
    return {"who": who, "alertname": alertname, "prometheus": "monitoring/k8s", **labels}


def settled_states(url: str, expected: Mapping[str, str]) -> dict[str, str]:
    """Alertmanager inhibits a moment after an alert came: as soon as they are as expected, or after a minute."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while (found := states(url)) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return found

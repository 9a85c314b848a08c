"""Pages that agentgateway itself has answered, read by a real Prometheus: each series that they show gets its dollars.

The figures are worked out by hand from the tables in samples/README.md, in USD for a million tokens:
gpt-4o 2.50 in, 10 out, 1.25 cached; claude-3-5-haiku 0.80 in, 4 out, 0.08 read from and 1 written to the cache.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from servers.books import COUNTED_WITHIN, wait_until_watched
from servers.programs import Api, prometheus
from servers.scraping import Listing, intervals, prometheus_config, rule_file, spec_of

SAMPLES = Path(__file__).resolve().parent / "samples"
OPENMETRICS = "application/openmetrics-text;charset=utf-8;version=1.0.0"
#: As it was sent: with another message's name than that of the messages in it.
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricSet;encoding=delimited;version=1.0.0"

SPEC = f"""
version: 1
prometheus: {{{intervals()}}}
gateways:
  - {{name: old, namespace: lab, version: "1.4"}}
  - {{name: new, namespace: lab, version: "1.5"}}
  - {{name: protobuf, namespace: lab, version: "1.5"}}
models:
  - {{provider: openai, name: gpt-4o, prices: [{{input: 2.5, output: 10, cache_read: 1.25}}]}}
  - {{provider: openai, name: gpt-4o-2024-08-06, prices: [{{input: 2.5, output: 10, cache_read: 1.25}}]}}
  - provider: anthropic
    name: claude-3-5-haiku
    aliases: [claude-3-5-haiku-20241022]
    prices: [{{input: 0.8, output: 4, cache_read: 0.08, cache_write: 1}}]
"""

#: Model and token type -> USD. It is the same for all three pages: they tell of the same requests.
EXPECTED = {
    ("gpt-4o-2024-08-06", "input"): 0.0025,  # (1,300 - 300 cached) * 2.50 / 1,000,000
    ("gpt-4o-2024-08-06", "input_cache_read"): 0.000375,  # 300 * 1.25 / 1,000,000
    ("gpt-4o-2024-08-06", "output"): 0.002,  # 200 * 10 / 1,000,000
    # The fault: 6,000 cached of 1,000 cannot be, so none of the 1,000 was cached.
    ("gpt-4o", "input"): 0.0025,  # 1,000 * 2.50 / 1,000,000
    ("gpt-4o", "input_cache_read"): 0.0075,  # 6,000 * 1.25 / 1,000,000
    ("gpt-4o", "output"): 0.002,  # 200 * 10 / 1,000,000
    # 1.4.1 shows 1,000; 1.5.0 shows 1,350 - 300 read - 50 written.
    ("claude-3-5-haiku", "input"): 0.0008,  # 1,000 * 0.80 / 1,000,000
    ("claude-3-5-haiku", "input_cache_read"): 0.000024,  # 300 * 0.08 / 1,000,000
    ("claude-3-5-haiku", "input_cache_write"): 0.00005,  # 50 * 1 / 1,000,000
    ("claude-3-5-haiku", "output"): 0.0008,  # 200 * 4 / 1,000,000
}

#: Of mystery-1.
UNPRICED = {("mystery-1", "input"): 10, ("mystery-1", "output"): 2}

GATEWAYS = ("lab/old", "lab/new", "lab/protobuf")


@dataclass
class Page:
    body: bytes
    content_type: str


@pytest.fixture(scope="module")
def prometheus_with_pages(newest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Every page begins with the build alone, as a gateway's does, and then shows what was recorded."""
    folder = tmp_path_factory.mktemp("pages")
    old, new = (SAMPLES / "agentgateway-1.4.1.txt").read_text(), (SAMPLES / "agentgateway-1.5.0.txt").read_text()
    protobuf = (SAMPLES / "agentgateway-1.5.0.pb").read_bytes()
    pages = {
        "lab/old": Page(build_of_text(old), OPENMETRICS),
        "lab/new": Page(build_of_text(new), OPENMETRICS),
        "lab/protobuf": Page(build_of_protobuf(protobuf), PROTOBUF),
    }
    with ExitStack() as stack:
        api = stack.enter_context(_scraping(newest, folder, pages))
        wait_until_watched(api, len(pages))
        pages["lab/old"].body, pages["lab/new"].body = old.encode(), new.encode()
        pages["lab/protobuf"].body = protobuf
        time.sleep(COUNTED_WITHIN)
        yield api


@contextmanager
def _scraping(program: Path, folder: Path, pages: Mapping[str, Page]) -> Iterator[Api]:
    spec = spec_of(SPEC)
    listing = Listing(folder, (spec.id,))
    config = prometheus_config([rule_file(spec, folder / "rules.yaml")], listing.scrape_configs())
    with ExitStack() as stack:
        for gateway, page in pages.items():
            listing.add_pod(spec, stack.enter_context(_served(page)), gateway)
        yield stack.enter_context(prometheus(program, folder, config))


@contextmanager
def _served(page: Page) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.body
            self.send_response(200)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def build_of_text(page: str) -> bytes:
    lines = [line for line in page.splitlines() if "agentgateway_build" in line]
    return "".join(f"{line}\n" for line in [*lines, "# EOF"]).encode()


def build_of_protobuf(page: bytes) -> bytes:
    return b"".join(message for message in delimited(page) if b"agentgateway_build_info" in message)


def delimited(page: bytes) -> Iterator[bytes]:
    """Each message, with its length before it: seven bits a byte, the lowest first, the last byte below 128."""
    start = 0
    while start < len(page):
        size, end = 0, start
        for shift in range(0, 64, 7):
            size |= (page[end] & 127) << shift
            end += 1
            if page[end - 1] < 128:
                break
        yield page[start : end + size]
        start = end + size


# ---- What came of it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_each_series_gets_its_dollars(prometheus_with_pages: Api, gateway: str) -> None:
    record = f'agentgateway:cost_usd:increase10s{{gateway="{gateway}"}}'
    query = f"sum by (model, gen_ai_token_type) (sum_over_time({record}[1h])) != 0"
    assert prometheus_with_pages.values(query, "model", "gen_ai_token_type") == pytest.approx(EXPECTED, rel=1e-9)


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_what_nobody_prices_is_told(prometheus_with_pages: Api, gateway: str) -> None:
    record = f'agentgateway:unpriced_tokens:increase10s{{gateway="{gateway}"}}'
    query = f"sum by (gen_ai_response_model, gen_ai_token_type) (sum_over_time({record}[1h])) != 0"
    assert prometheus_with_pages.values(query, "gen_ai_response_model", "gen_ai_token_type") == UNPRICED


def test_no_page_is_refused(prometheus_with_pages: Api) -> None:
    assert prometheus_with_pages.values("up", "gateway") == {(gateway,): 1 for gateway in GATEWAYS}
    assert prometheus_with_pages.rule_faults() == []

"""What one look at the dashboard costs Prometheus: the table of docs/dashboard-cost.md. `python -m bench.dashboard`.

Over each range it loads ours, what the article's nine panels ask, and what the panels of the gateway's own chart ask
that show its traffic, tokens and dollars: all of one made-up fleet, with counters and a ledger in every minute.
The article's figures are asked for as its rules work them out, by `increase()` over the whole window: its records are
these answers, worked out twice a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from bench.reference import CELL, FLAT_USD, total_usd
from bench.server import prometheus
from demo import history
from demo.exposition import DURATION, FIRST_TOKEN, PER_TOKEN, REQUESTS
from demo.fleet import DAY, HOUR, MINUTE, Fleet, fleet_of
from demo.grafana_requests import Asked, all_chosen, ask, asked, panels_of
from tollbook import dashboards
from tollbook.gen import names
from tollbook.gen.errors import MissingToolError
from tollbook.gen.promtool import find

#: 2026-11-18, 15:00 UTC.
NOW = 1_795_014_000
RANGES = {"1 hour": HOUR, "1 day": DAY, "7 days": 7 * DAY, "30 days": 30 * DAY, "90 days": 90 * DAY}

#: Of so many loads the fastest is told: what else runs on the machine only makes them slower.
LOADS = 12

Json = dict[str, Any]


def panel(title: str, expr: str, instant: bool = False) -> Json:
    return {"title": title, "gridPos": {"w": 12}, "targets": [{"expr": expr, "instant": instant}]}


def article() -> list[Json]:
    """Four sums of dollars, two of them over time too, and tokens."""
    recent = {kind: f'sum(increase({names.TOKEN_USAGE_SUM}{{{names.TOKEN_TYPE}="{kind}"}}[5m]))' for kind in FLAT_USD}
    return [
        *(panel(f"cost of {window}", total_usd(window), instant=True) for window in ("1h", "24h", "7d", "30d")),
        *(panel(f"cost of {window} over time", total_usd(window)) for window in ("1h", "24h")),
        *(panel(f"{kind} tokens", expr, instant=True) for kind, expr in recent.items()),
        panel("token rate", " + ".join(f"{expr} / 300" for expr in recent.values())),
    ]


def chart() -> list[Json]:
    by_model = f"{names.GATEWAY}, {names.REQUEST_MODEL}"
    panels = [
        panel(f"requests by {label}", f"sum by (gateway, {label}) (rate({REQUESTS.name}_total[$__rate_interval]))")
        for label in ("pod", "gateway", "status", "reason")
    ]
    tokens = f"sum by ({', '.join(CELL)}) (rate({names.TOKEN_USAGE_SUM}[$__rate_interval]))"
    panels += [
        panel("tokens", tokens),
        panel("dollars", f"sum by ({by_model}) (increase({names.REPORTED_USD}[$__rate_interval]))"),
    ]
    for family in (FIRST_TOKEN, DURATION, PER_TOKEN):
        rates = f"sum by (le, {by_model}) (rate({family.name}_bucket[$__rate_interval]))"
        panels.append(panel(family.name, f"histogram_quantile(0.5, {rates})"))
    return panels


def requests(panels: Sequence[Json], length: int, setting: dict[str, str]) -> Iterator[Asked]:
    moment = NOW + HOUR // 60
    for each in panels:
        for target in each.get("targets", ()):
            yield asked(each, target, length, moment, setting)


def load(url: str, panels: Sequence[Json], length: int, setting: dict[str, str]) -> tuple[int, int, float]:
    """Queries, samples read, and seconds, one query after another."""
    count = samples = 0
    begun = time.monotonic()
    for request in requests(panels, length, setting):
        answer = ask(url, request)
        if answer.problems and not answer.series:
            raise RuntimeError(f"{request.title}: {answer.problems}")
        count, samples = count + 1, samples + answer.samples
    return count, samples, time.monotonic() - begun


def report(url: str, fleet: Fleet, days: float) -> None:
    ours = json.loads(json.dumps(dashboards.build(fleet.spec)))
    loaded = {"tollbook": list(panels_of(ours)), "the article": article(), "the gateway's chart": chart()}
    print("| range | dashboard | queries | samples read | seconds |\n|---|---|---:|---:|---:|")
    for title, length in RANGES.items():
        if length > days * DAY:
            continue
        for name, panels in loaded.items():
            loads = [load(url, panels, length, all_chosen(ours)) for _ in range(LOADS)]
            count, samples, seconds = min(loads, key=itemgetter(2))
            print(f"| {title} | {name} | {count} | {samples:,} | {seconds:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--prometheus", default="prometheus", help="the server to ask (the one on PATH)")
    parser.add_argument("--promtool", help="the promtool to write the history with (the one on PATH)")
    parser.add_argument("--days", type=float, default=31, help="of history (31); 91 to measure 90 days, too")
    options = parser.parse_args()
    try:
        promtool = find(options.promtool)
    except MissingToolError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    fleet = fleet_of(NOW)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        every_minute = ((int(options.days * DAY), MINUTE),)
        history.write(fleet, options.days, data, promtool.path, raw=every_minute, with_idle=True)
        with prometheus(options.prometheus, data) as url:
            report(url, fleet, options.days)


if __name__ == "__main__":
    main()

"""The spec of the simulated gateways: what a user would write."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.fleets import NAMESPACE, SPEC_NAME, SPEC_NAMESPACE, TIMEZONE, Fleet
from bench.traffic import MODELS
from tollbook.gen import names


def text(fleet: Fleet) -> str:
    """Says nothing that a version of tollbook would not understand."""
    return "\n".join(_lines(fleet)) + "\n"


def _lines(fleet: Fleet) -> Iterator[str]:
    yield from ("version: 1", f"name: {SPEC_NAME}", f"namespace: {SPEC_NAMESPACE}")
    yield from (f"prometheus: {{timezone: {TIMEZONE}}}", "gateways:")
    for name, (major, minor) in fleet.spec_versions.items():
        yield f'  - {{name: {name}, namespace: {NAMESPACE}, version: "{major}.{minor}"}}'
    yield "models:"
    for model in MODELS:
        names_seen = {model.request_name, model.response_name} - {model.name, names.UNKNOWN}
        rates = zip(("input", "output", "cache_read", "cache_write"), model.rates, strict=True)
        price = ", ".join(f"{key}: {usd}" for key, usd in rates)
        yield (
            f"  - {{provider: {model.provider}, name: {model.name}, aliases: {json.dumps(sorted(names_seen))}, "
            f"prices: [{{{price}}}]}}"
        )

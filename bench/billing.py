"""The spec of the simulated gateways, and what their tokens cost: in plain Decimal arithmetic, apart from the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from bench.fleets import GATEWAYS, NAMESPACE
from bench.simulation import Cell
from bench.traffic import MODELS
from tollbook.gen import names
from tollbook.gen.load import load
from tollbook.gen.spec import Spec

PER_PRICE = 1_000_000

#: The order of a model's prices.
TYPES = (names.INPUT, names.OUTPUT, names.CACHE_READ, names.CACHE_WRITE)

_PRICES = {
    (model.provider, model.name, token_type): usd
    for model in MODELS
    for token_type, usd in zip(TYPES, model.usd_per_mtok, strict=True)
}


def spec() -> Spec:
    lines = ["version: 1", "gateways:"]
    for name, (major, minor) in GATEWAYS.items():
        lines.append(f'  - {{name: {name}, namespace: {NAMESPACE}, version: "{major}.{minor}"}}')
    lines.append("models:")
    for model in MODELS:
        names_seen = {model.request_name, model.response_name} - {model.name, names.UNKNOWN}
        rates = zip(("input", "output", "cache_read", "cache_write"), model.usd_per_mtok, strict=True)
        price = ", ".join(f"{key}: {usd}" for key, usd in rates)
        lines.append(
            f"  - {{provider: {model.provider}, name: {model.name}, aliases: {json.dumps(sorted(names_seen))}, "
            f"prices: [{{{price}}}]}}"
        )
    return load("\n".join(lines) + "\n", "bench.yaml").spec


def dollars(tokens: Mapping[Cell, int]) -> dict[Cell, Decimal]:
    return {
        cell: count * _PRICES[cell.provider, cell.model, cell.token_type] / PER_PRICE for cell, count in tokens.items()
    }

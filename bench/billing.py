"""The spec of the simulated gateways: what a user would write, and prices that change when promtool's clock begins."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from bench.fleets import NAMESPACE, TIMEZONE, Fleet
from bench.traffic import MODELS
from tollbook.gen import names
from tollbook.gen import spec as resolved
from tollbook.gen.load import load
from tollbook.gen.spec import Spec

#: Midnight of this day falls into the run. A spec may not name so early a year, so it is put into the resolved one.
NEW_PRICES_SINCE = date(1970, 1, 1)


def spec(fleet: Fleet) -> Spec:
    lines = ["version: 1", f"prometheus: {{timezone: {TIMEZONE}}}", "gateways:"]
    for name, (major, minor) in fleet.spec_versions.items():
        lines.append(f'  - {{name: {name}, namespace: {NAMESPACE}, version: "{major}.{minor}"}}')
    lines.append("models:")
    for model in MODELS:
        names_seen = {model.request_name, model.response_name} - {model.name, names.UNKNOWN}
        rates = zip(("input", "output", "cache_read", "cache_write"), model.rates, strict=True)
        price = ", ".join(f"{key}: {usd}" for key, usd in rates)
        lines.append(
            f"  - {{provider: {model.provider}, name: {model.name}, aliases: {json.dumps(sorted(names_seen))}, "
            f"prices: [{{{price}}}]}}"
        )
    stated = load("\n".join(lines) + "\n", "bench.yaml").spec
    return replace(stated, models=tuple(_repriced(model, fleet) for model in stated.models))


def _repriced(model: resolved.Model, fleet: Fleet) -> resolved.Model:
    if model.name not in fleet.new_rates:
        return model
    rates = resolved.Rates(*fleet.new_rates[model.name])
    return replace(model, prices=(*model.prices, replace(model.prices[0], since=NEW_PRICES_SINCE, rates=rates)))

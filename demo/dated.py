"""The demo's spec, with the dates that it has for whoever looks at it now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from string import Template

from tollbook.gen.load import load
from tollbook.gen.spec import Model, Spec
from tollbook.gen.timezones import zone

TEMPLATE = Path(__file__).with_name("tollbook.yaml")

DAYS_BEFORE = {"long_ago": 200, "price_change": 10, "lately": 5}


def spec_text(now: int) -> str:
    today = datetime.fromtimestamp(now, UTC).date()
    dates = {name: str(today - timedelta(days=days)) for name, days in DAYS_BEFORE.items()}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(dates)


def spec_of(now: int) -> Spec:
    return load(spec_text(now), TEMPLATE.name).spec


@cache
def local_day(second: int, timezone: str) -> date:
    return datetime.fromtimestamp(second, zone(timezone)).date()


def at_prices_of(spec: Spec, day: date) -> Spec:
    """As if no price had ever been another than that of this day: the oracle reads a model's first."""
    return replace(spec, models=tuple(_at_price_of(model, day) for model in spec.models))


def _at_price_of(model: Model, day: date) -> Model:
    in_force = [price for price in model.prices if price.since is None or price.since <= day]
    return replace(model, prices=(in_force[-1] if in_force else model.prices[0],))

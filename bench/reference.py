"""The usual ways to count: increase() as in the article's rules, or over short windows, and plain differences."""

from __future__ import annotations

from tollbook.gen import names

#: The article's price of every model, USD per 1M tokens.
FLAT_USD = {names.INPUT: "0.80", names.OUTPUT: "4.00"}

#: A cell, as far as the gateway's own labels tell it.
CELL = (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.TOKEN_TYPE)


def tokens(window: str) -> str:
    return f"sum by ({', '.join(CELL)}) (increase({names.TOKEN_USAGE_SUM}[{window}]))"


def differences() -> str:
    """Every minute the value less the one before, and all of it where there is none before."""
    now, before = f"last_over_time({names.TOKEN_USAGE_SUM}[1m])", f"{names.TOKEN_USAGE_SUM} offset 1m"
    return f"sum by ({', '.join(CELL)}) ({now} - {before} >= 0 or {now})"


def total_usd(window: str) -> str:
    """The article's `agentgateway:cost_usd:total_hourly`, `..._daily`, `..._weekly` or `..._monthly`, by the window."""
    return " + ".join(f"sum({_increase(token_type, window)}) / 1000000 * {usd}" for token_type, usd in FLAT_USD.items())


def _increase(token_type: str, window: str) -> str:
    return f'increase({names.TOKEN_USAGE_SUM}{{{names.TOKEN_TYPE}="{token_type}"}}[{window}])'

"""Lives of gateways minute by minute, as scrapes store them: to be played to all rules at once."""

from __future__ import annotations

from gateway_series import (
    build_info,
    lookups,
    of_requests,
    reported,
    requests,
    streamed,
    streamed_with_usage,
    tokens,
    up,
)

MINUTES = 240
ALWAYS = f"1x{MINUTES}"


def scraped(tag: str = "v1.5.0", values: str = ALWAYS, **labels: str) -> dict[str, str]:
    return {up(**labels): values, build_info(tag=tag, **labels): values}


def chats(values: str = f"0+1x{MINUTES}", pod: str = "gw-1", **labels: str) -> dict[str, str]:
    """As many requests so far as these, half of them streamed: each has 200 tokens of input and 800 of output, which
    costs 0.0082 USD here and by the gateway's own catalog."""

    def times(factor: float) -> str:
        return " ".join(_scaled(part, factor) for part in values.split())

    return {
        requests(pod, **labels): values,
        reported(pod, "input", **labels): values,
        reported(pod, "output", **labels): values,
        streamed(pod, **labels): times(0.5),
        streamed_with_usage(pod, **labels): times(0.5),
        tokens(pod, "input", **labels): times(200),
        tokens(pod, "output", **labels): times(800),
        lookups("Exact", pod, **labels): values,
        of_requests("agentgateway_gen_ai_client_cost_usd_total", pod, **labels): times(0.0082),
    }


def _scaled(part: str, factor: float) -> str:
    """Of a part of promtool's notation: start, perhaps +step, perhaps xtimes."""
    values, x, times = part.partition("x")
    if values in ("_", "stale"):
        return part
    return "+".join(f"{float(number) * factor:.10g}" for number in values.split("+")) + x + times

"""What the made-up pods answer is what agentgateway would: its names, its types, and nothing before its first value."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from spec_builders import spec_of

from demo.exposition import Process, Timing
from tollbook.gen.oracle import Request

SPEC = spec_of("gateways: [{name: gw, namespace: ai}, {name: old, namespace: ai, version: '1.3'}]")
NEW, OLD = SPEC.gateways
REQUEST = Request(NEW, "openai", "gpt", "gpt-2024", input=100, output=20, cache_read=5, labels={"team": "red"})


def values(process: Process, name: str, *labels: str) -> list[float]:
    lines = re.findall(rf"(?m)^{name}\{{(.*)\}} (\S+)$", process.text())
    return [float(value) for text, value in lines if all(label in text for label in labels)]


def test_a_process_shows_no_series_before_its_first_request() -> None:
    lines = [line for line in Process((1, 5)).text().splitlines() if not line.startswith("#")]
    assert lines == ['agentgateway_build_info{tag="1.5.0"} 1']
    assert Process((1, 5)).text().endswith("# EOF\n")


def test_tokens_are_counted_once_a_request_and_type_in_cumulative_buckets() -> None:
    process = Process((1, 5))
    process.serve(REQUEST, count=3)
    assert values(process, "agentgateway_gen_ai_client_token_usage_sum", '="input"', 'team="red"') == [315]
    assert values(process, "agentgateway_gen_ai_client_token_usage_count", '="input"') == [3]
    # 105 tokens: over 64, not over 256; fourteen bounds and infinity.
    buckets = values(process, "agentgateway_gen_ai_client_token_usage_bucket", '="input"')
    assert buckets == [0, 0, 0, 0] + [3] * 11
    assert values(process, "agentgateway_gen_ai_client_token_usage_sum", '="input_cache_write"') == [0]


def test_a_value_on_a_bound_is_within_it() -> None:
    process = Process((1, 5))
    process.serve(REQUEST, timing=Timing(seconds=0.32))
    within = values(process, "agentgateway_gen_ai_server_request_duration_bucket")
    assert within == [0] * 5 + [1] * 10


def test_only_streams_tell_when_their_first_token_came() -> None:
    process = Process((1, 5))
    process.serve(REQUEST)
    assert values(process, "agentgateway_gen_ai_server_time_to_first_token_count") == []
    process.serve(REQUEST, timing=Timing(2, 0.5, 0.01))
    assert values(process, "agentgateway_gen_ai_server_time_to_first_token_count") == [1]
    assert values(process, "agentgateway_gen_ai_server_time_per_output_token_sum") == [0.01]


@pytest.mark.parametrize(("version", "dollars"), [((1, 4), [0.5]), ((1, 3), [])])
def test_dollars_are_counted_from_1_4_on(version: tuple[int, int], dollars: list[float]) -> None:
    process = Process(version, has_catalog=True)
    process.serve(REQUEST, count=2, usd=Decimal("0.25"))
    assert values(process, "agentgateway_gen_ai_client_cost_usd_total") == dollars
    assert values(process, "agentgateway_cost_catalog_lookups_total", 'status="Exact"') == [2]


def test_a_model_that_is_not_in_the_catalog_is_looked_up_in_vain() -> None:
    process = Process((1, 5), has_catalog=True)
    process.serve(REQUEST)
    assert values(process, "agentgateway_cost_catalog_lookups_total", 'status="Missing"') == [1]
    assert values(process, "agentgateway_gen_ai_client_cost_usd_total") == []


def test_what_is_refused_is_a_request_over_http_and_nothing_else() -> None:
    process = Process((1, 5))
    process.refuse(REQUEST, 429)
    assert values(process, "agentgateway_requests_total", 'status="429"', 'team="red"') == [1]
    assert "gen_ai_request_model" not in process.text()


def test_every_version_means_input_in_its_own_way() -> None:
    old = Process((1, 3))
    claude = Request(OLD, "anthropic", "claude", "claude", input=100, cache_read=5)
    old.serve(claude)
    assert values(old, "agentgateway_gen_ai_client_token_usage_sum", '="input"') == [100]

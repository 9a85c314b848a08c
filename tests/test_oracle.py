"""The oracle, which knows what requests cost: checked by hand, and then against the rules on random specs and traffic.

Nothing of the oracle is in the rules and nothing of the rules in the oracle, so where both agree to the billionth of a
dollar, on every promtool, either is right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from promtool_cases import Case, Samples, failures, money_rules, unmet
from spec_builders import notation, spec_of

from tollbook.gen.oracle import (
    Cell,
    Request,
    bounds,
    day_until,
    dollars,
    exported,
    exported_provider,
    model_of,
    price_at,
    reported,
    shown_model,
    usd_per_mtok_at,
)
from tollbook.gen.spec import Gateway, Spec

# ---- By hand ---------------------------------------------------------------------------------------------------------

SPEC = """
    models:
      - provider: openai
        name: gpt
        aliases: [gpt-2024]
        prices:
          - {input: 1, output: 10, cache_read: 0.1, cache_write: 100}
          - {from: 2026-01-01, input: 7, output: 70}
      - {provider: openai, name: mini, prices: [{input: 0.000001, output: 0.5}]}
      - {provider: azure, name: gpt, prices: [{input: 3, output: 30}]}
      - {provider: ollama, name: llama, free: true}
"""


def gateway(version: str = "1.5") -> Gateway:
    return spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}]').gateways[0]


def request(asked: str, answered: str, provider: str = "openai", **used: int) -> Request:
    return replace(Request(gateway(), provider, asked, answered), **used)  # type: ignore[arg-type]


# What is shown of 1000 tokens of input that no cache knew, 200 of output, 30 read from a cache and 4 written to one.
@pytest.mark.parametrize(
    ("version", "provider", "model", "shown"),
    [
        ("0.11", "openai", "gpt", (1034, 200)),
        ("0.11", "anthropic", "claude", (1000, 200)),
        ("0.11", "gcp.vertex_ai", "claude", (1000, 200)),
        ("1.0", "openai", "gpt", (1034, 200, 30, 4)),
        ("1.4", "azure", "gpt", (1034, 200, 30, 4)),
        ("1.4", "azure", "claude-opus-4-1", (1000, 200, 30, 4)),
        ("1.4", "custom", "claude", (1034, 200, 30, 4)),
        ("1.4", "anthropic", "claude", (1000, 200, 30, 4)),
        ("1.4", "aws.bedrock", "amazon.nova", (1000, 200, 30, 4)),
        ("1.4", "gcp.vertex_ai", "gemini", (1034, 200, 30, 4)),
        ("1.4", "gcp.vertex_ai", "publishers/anthropic/claude", (1000, 200, 30, 4)),
        ("1.4", "copilot", "gpt", (1034, 200, 30, 4)),
        ("1.4", "copilot", "claude", (1000, 200, 30, 4)),
        ("1.5", "anthropic", "claude", (1034, 200, 30, 4)),
        ("1.10", "openai", "gpt", (1034, 200, 30, 4)),
    ],
)
def test_what_a_gateway_shows(version: str, provider: str, model: str, shown: tuple[int, ...]) -> None:
    used = Request(gateway(version), provider, model, model, input=1000, output=200, cache_read=30, cache_write=4)
    types = ("input", "output", "input_cache_read", "input_cache_write")
    assert exported(used) == dict(zip(types, shown, strict=False))


def test_what_a_gateway_shows_of_a_deployment_whose_answer_names_the_model() -> None:
    used = Request(gateway("1.4"), "azure", "my-deployment", "claude-opus-4-1", input=1000, cache_read=30)
    assert exported(used)["input"] == 1000


@pytest.mark.parametrize(
    ("version", "stated", "prompt"),
    [("1.4", "anthropic", 1000), ("1.4", "openai", 1034), ("1.5", "anthropic", 1034), ("0.11", "anthropic", 1000)],
)
def test_what_a_gateway_shows_of_a_format_that_the_spec_states(version: str, stated: str, prompt: int) -> None:
    used = Request(gateway(version), "custom", "kimi", "kimi", input=1000, cache_read=30, cache_write=4)
    assert exported(used, stated)["input"] == prompt


@pytest.mark.parametrize(
    ("provider", "asked", "answered", "model", "shown_as"),
    [
        ("openai", "gpt", "gpt-2024", "gpt", "gpt"),
        ("openai", "gpt", "mini", "mini", "mini"),
        ("openai", "mini", "mini-0731", "mini", "mini"),
        ("openai", "gpt-2024", "unknown", "gpt", "gpt"),
        ("ollama", "llama", "llama", "llama", "llama"),
        ("openai", "new", "new-2027", None, "new-2027"),
        ("openai", "new", "unknown", None, "new"),
        ("openai", "unknown", "unknown", None, "unknown"),
        ("openai", "gpt-2024-preview", "unknown", None, "gpt-2024-preview"),
        ("azure", "gpt-2024", "unknown", None, "gpt-2024"),
    ],
)
def test_which_model_it_was(provider: str, asked: str, answered: str, model: str | None, shown_as: str) -> None:
    spec, used = spec_of(SPEC), request(asked, answered, provider)
    found = model_of(spec, used)
    assert (found.name if found else None) == model
    assert found is None or found.provider == provider
    assert shown_model(spec, used) == shown_as


def test_what_requests_cost_at_the_first_price() -> None:
    """1,000,000 x 1 + 500,000 x 10 + 30 x 0.1 + 4 x 100 over a million; the alias and the name are one model."""
    spent = dollars(
        spec_of(SPEC),
        [
            request("gpt", "gpt", input=400_000, output=500_000, cache_read=30, cache_write=4),
            request("gpt", "gpt-2024", input=600_000),
            request("mini", "unknown", input=1),
            request("gpt", "gpt", "azure", output=1_000_000),
            request("llama", "llama", "ollama", input=5, output=5),
            request("new", "new", input=5, output=5),
        ],
    )
    assert spent == {
        Cell("ai/gw", "openai", "gpt", "input"): Decimal(1),
        Cell("ai/gw", "openai", "gpt", "output"): Decimal(5),
        Cell("ai/gw", "openai", "gpt", "input_cache_read"): Decimal("0.000003"),
        Cell("ai/gw", "openai", "gpt", "input_cache_write"): Decimal("0.0004"),
        Cell("ai/gw", "openai", "mini", "input"): Decimal("0.000000000001"),
        Cell("ai/gw", "azure", "gpt", "output"): Decimal(30),
        Cell("ai/gw", "ollama", "llama", "input"): Decimal(0),
        Cell("ai/gw", "ollama", "llama", "output"): Decimal(0),
    }


def test_who_spent_is_kept_apart_whatever_order_the_labels_came_in() -> None:
    def by(**labels: str) -> Request:
        return Request(gateway(), "openai", "gpt", "gpt", output=100_000, labels=labels)

    spent = dollars(spec_of(SPEC), [by(team="a", agent="x"), by(agent="x", team="a"), by(team="b", agent="x")])
    assert {cell.labels: usd for cell, usd in spent.items()} == {
        (("agent", "x"), ("team", "a")): Decimal(2),
        (("agent", "x"), ("team", "b")): Decimal(1),
    }


@pytest.mark.parametrize(
    ("version", "provider", "shown_as"),
    [
        ("0.11", "azure", "azure.openai"),
        ("1.1", "azure", "azure.openai"),
        ("1.2", "azure", "azure"),
        ("1.5", "azure", "azure"),
        ("1.1", "openai", "openai"),
    ],
)
def test_what_a_gateway_calls_a_provider(version: str, provider: str, shown_as: str) -> None:
    assert exported_provider(Request(gateway(version), provider, "gpt", "gpt")) == shown_as


@pytest.mark.parametrize(("version", "prompt"), [("1.4", 1000), ("1.5", 1000), ("1.6", 1034)])
def test_what_a_gateway_shows_that_is_told_to_count_as_before(version: str, prompt: int) -> None:
    told = replace(gateway(version), legacy_token_semantics=True)
    used = Request(told, "anthropic", "claude", "claude", input=1000, cache_read=30, cache_write=4)
    assert exported(used)["input"] == prompt


TIERED = """
    models:
      - provider: openai
        name: gpt
        prices:
          - input: 1
            output: 10
            cache_read: 0.5
            tiers: [{context_over: 1000, input: 2, output: 30}, {context_over: 5000, input: 4, output: 20}]
"""


@pytest.mark.parametrize(
    ("used", "millionths"),
    [
        ({"input": 1000, "output": 7}, 1000 + 70),
        ({"input": 1001, "output": 7}, 2002 + 210),
        ({"input": 5000, "output": 7}, 10_000 + 210),
        ({"input": 5001, "output": 7}, 20_004 + 140),
        # Cached tokens are part of the context. To write one costs what input does, in each tier.
        ({"input": 900, "cache_read": 100}, 900 + 50),
        ({"input": 900, "cache_read": 101}, Decimal("1850.5")),
        ({"input": 900, "cache_read": 50, "cache_write": 51}, 1800 + 25 + 102),
        ({"output": 9000}, 90_000),
    ],
)
def test_what_a_gateway_bills_for_one_request(used: dict[str, int], millionths: Decimal | int) -> None:
    assert reported(spec_of(TIERED), request("gpt", "gpt", "openai", **used)) == Decimal(millionths) / 1_000_000


def test_a_gateway_bills_nothing_that_has_no_price() -> None:
    assert reported(spec_of(TIERED), request("new", "new", input=1)) is None
    with pytest.raises(ValueError, match="without a price"):
        bounds(spec_of(TIERED), [request("new", "new", input=1)])


@pytest.mark.parametrize(
    ("prompts", "low", "high"),
    [
        ((1000,), 1000, 1000),
        ((1001,), 1001, 4004),  # the dearest of all tiers: the sum does not tell which
        ((600, 400), 1000, 1000),
        ((600, 401), 1001, 4004),
        ((6000,), 6000, 24_000),
    ],
)
def test_between_what_requests_must_have_cost(prompts: tuple[int, ...], low: int, high: int) -> None:
    requests = [request("gpt", "gpt", input=prompt, output=1) for prompt in prompts]
    outputs = len(prompts)
    dearest = 30 if high > low else 10
    expected = (Decimal(low + 10 * outputs) / 1_000_000, Decimal(high + dearest * outputs) / 1_000_000)
    assert bounds(spec_of(TIERED), requests) == expected


DATED = """
    models:
      - provider: openai
        name: gpt
        prices:
          - {from: 2024-05-01, input: 1.5, output: 10, cache_read: 0.15, cache_write: 7}
          - {from: 2026-01-01, input: 2, output: 10}
          - {from: 2026-03-01, input: 2.5, output: 9}
      - {provider: ollama, name: llama, free: true}
"""


@pytest.mark.parametrize(
    ("day", "input_usd"),
    [
        (date(1970, 1, 1), "1.5"),
        (date(2024, 4, 30), "1.5"),
        (date(2025, 12, 31), "1.5"),
        (date(2026, 1, 1), "2"),
        (date(2026, 2, 28), "2"),
        (date(2026, 3, 1), "2.5"),
        (date(2100, 1, 1), "2.5"),
    ],
)
def test_the_price_of_a_day_is_the_last_whose_date_has_come(day: date, input_usd: str) -> None:
    """The first holds before its date, too."""
    assert price_at(spec_of(DATED).models[0], day).rates.input == Decimal(input_usd)


def test_the_prices_of_a_day_by_token_type() -> None:
    """Without a price of their own cached tokens cost what input costs."""
    gpt, llama = spec_of(DATED).models
    types = ("input", "output", "input_cache_read", "input_cache_write")
    first, third = (usd_per_mtok_at(gpt, day) for day in (date(2025, 12, 31), date(2026, 3, 1)))
    assert first == dict(zip(types, map(Decimal, ("1.5", "10", "0.15", "7")), strict=True))
    assert third == dict(zip(types, map(Decimal, ("2.5", "9", "2.5", "2.5")), strict=True))
    assert usd_per_mtok_at(llama, date(2026, 3, 1)) == dict.fromkeys(types, Decimal(0))


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("UTC", datetime(2026, 7, 30, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 7, 29, 18, 15, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 7, 30, 4, tzinfo=UTC)),
    ],
)
def test_a_day_goes_to_midnight_of_its_zone_sharp(zone: str, midnight: datetime) -> None:
    second = int(midnight.timestamp())
    assert [day_until(second + after, zone) for after in (0, 1, 86_400, 86_401)] == [
        date(2026, 7, 29),
        date(2026, 7, 30),
        date(2026, 7, 30),
        date(2026, 7, 31),
    ]


# ---- Against the rules -----------------------------------------------------------------------------------------------
# A fleet of two gateways with two pods each is used for ten minutes; each pod's process restarts once. All of
# it is watched from the beginning, so all of it is to be billed.

SLOTS, LONGEST_PAUSE = 20, 4
PROVIDERS = ("openai", "anthropic", "gcp.vertex_ai")
LISTED = ("gpt", "claude", "claude-4", "mini", "gpt-2024", "mini-2024")
SHOWN = (*LISTED, "never-listed", "unknown")
TYPES = ("input", "output", "input_cache_read", "input_cache_write")


@dataclass(frozen=True)
class Use:
    """One request: half a minute in which it is seen, the pod that served it, and what it used."""

    slot: int
    pod: int
    request: Request


@dataclass(frozen=True)
class Scenario:
    text: str
    """The spec."""
    uses: Sequence[Use]
    restarts: Mapping[int, int] = field(default_factory=dict)
    """Pod -> the slot at which its old process is gone; the new one serves from four slots later on."""


@st.composite
def specs(draw: st.DrawFn) -> str:
    versions = draw(st.tuples(*[st.sampled_from(["0.11", "1.0", "1.3", "1.4.1", "1.5", "1.10"])] * 2))
    lines = [
        "attribution: [{label: team, expression: apiKey.team}]",
        "gateways:",
        *(f'  - {{name: gw{number}, namespace: ai, version: "{version}"}}' for number, version in enumerate(versions)),
        "models:",
    ]
    for provider in draw(st.permutations(PROVIDERS))[:2]:
        name, alias, other, other_alias, *_ = draw(st.permutations(LISTED))
        lines.append(f"  - {{provider: {provider}, name: {name}, aliases: [{alias}], {draw(PRICES)}}}")
        lines.append(f"  - {{provider: {provider}, name: {other}, aliases: [{other_alias}], {draw(PRICES | FREE)}}}")
    return "\n".join(lines)


def as_prices(stated: tuple[dict[str, str], dict[str, str]]) -> str:
    return f"prices: [{{{', '.join(f'{key}: {usd}' for part in stated for key, usd in part.items())}}}]"


USD = st.decimals(Decimal("0.000001"), Decimal(1000), places=6).map(lambda usd: f"{usd:f}")
CACHES = st.fixed_dictionaries({}, optional={"cache_read": USD, "cache_write": USD})
PRICES = st.tuples(st.fixed_dictionaries({"input": USD, "output": USD}), CACHES).map(as_prices)
FREE = st.just("free: true")

# In thousands, so that each price of six decimals gives whole billionths of a dollar.
THOUSANDS = st.integers(0, 50).map(lambda count: 1000 * count)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    text = draw(specs())
    gateways = spec_of(text).gateways
    restarts = {pod: draw(st.integers(6, 14)) for pod in (0, 1)}
    uses = []
    for _ in range(draw(st.integers(8, 16))):
        served_by, pod = draw(st.sampled_from(gateways)), draw(st.sampled_from([0, 1]))
        slot = draw(st.integers(4, SLOTS))
        if restarts[pod] <= slot < restarts[pod] + LONGEST_PAUSE:
            slot = restarts[pod] + LONGEST_PAUSE
        kinds = ("input", "output", "cache_read", "cache_write")[: 4 if served_by.version >= (1, 0) else 2]
        used = Request(
            served_by,
            draw(st.sampled_from(PROVIDERS)),
            draw(st.sampled_from(SHOWN)),
            draw(st.sampled_from(SHOWN)),
            **{kind: draw(THOUSANDS) for kind in kinds},
            labels={"team": draw(st.sampled_from(["ads", "search"]))},
        )
        uses.append(Use(slot, pod, used))
    return Scenario(text, uses, restarts)


def target(served_by: Gateway, pod: int) -> dict[str, str]:
    found = {"job": served_by.job, "instance": f"{served_by.name}-{pod}", "namespace": served_by.namespace}
    return {**found, "gateway": served_by.id}


def scraped(scenario: Scenario) -> dict[str, str]:
    """What the scrapes see: counters that begin with a request and with each process, in promtool's notation."""
    used: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    restarted = {}
    for use in scenario.uses:
        for token_type, count in exported(use.request).items():
            labels = {
                **target(use.request.gateway, use.pod),
                "exported_gateway": use.request.gateway.id,
                "gen_ai_system": use.request.provider,
                "gen_ai_request_model": use.request.request_model,
                "gen_ai_response_model": use.request.response_model,
                "gen_ai_token_type": token_type,
                **use.request.labels,
            }
            name = notation("agentgateway_gen_ai_client_token_usage_sum", **labels)
            used[name][use.slot] += count
            restarted[name] = scenario.restarts[use.pod]
    return {name: " ".join(values(by_slot, restarted[name])) for name, by_slot in used.items()}


def values(by_slot: Mapping[int, int], restart: int) -> Iterator[str]:
    total: int | None = None
    for slot in range(SLOTS + 10):
        if slot == restart:
            yield "stale" if total is not None else "_"
            total = None
            continue
        if slot in by_slot:
            total = (total or 0) + by_slot[slot]
        yield "_" if total is None else str(total)


def case_of(name: str, scenario: Scenario, rules: str = "") -> Case:
    spec = spec_of(scenario.text)
    by = "gateway, gen_ai_system, model, gen_ai_token_type, team"
    counted = f"sum by ({by}) (sum_over_time(agentgateway:tokens:increase1m[1h])) > 0"
    billed = f"round(sum by ({by}) (sum_over_time(agentgateway:cost_usd:increase1m[1h])) * 1000000000) > 0"
    series = {notation("up", **target(one, pod)): f"1x{SLOTS + 10}" for one in spec.gateways for pod in (0, 1)}
    samples = ((counted, "14m", tokens_by_cell(spec, scenario)), (billed, "14m", billionths_by_cell(spec, scenario)))
    return Case(name, rules or money_rules(spec), series | scraped(scenario), samples)


def in_notation(cell: Cell) -> str:
    known = {"gateway": cell.gateway, "gen_ai_system": cell.provider, "model": cell.model}
    return notation("", **known, gen_ai_token_type=cell.token_type, **dict(cell.labels))


def tokens_by_cell(spec: Spec, scenario: Scenario) -> Samples:
    counted: dict[str, int] = defaultdict(int)
    for request in (use.request for use in scenario.uses):
        for token_type, count in request.tokens.items():
            labels = tuple(request.labels.items())
            model = shown_model(spec, request)
            counted[in_notation(Cell(request.gateway.id, request.provider, model, token_type, labels))] += count
    return {name: count for name, count in counted.items() if count}


def billionths_by_cell(spec: Spec, scenario: Scenario) -> Samples:
    spent = dollars(spec, [use.request for use in scenario.uses])
    return {in_notation(cell): usd * 10**9 for cell, usd in spent.items() if usd}


@cache
def drawn() -> tuple[Scenario, ...]:
    """The same in every run; drawn first, so that promtool is started once for all of them."""
    found: list[Scenario] = []

    @settings(
        max_examples=16,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(scenarios())
    def collect(scenario: Scenario) -> None:
        found.append(scenario)

    collect()
    return tuple(found)


def test_the_rules_and_the_oracle_agree_to_the_billionth_of_a_dollar(promtool: Path) -> None:
    failed = failures(promtool, *(case_of(str(number), scenario) for number, scenario in enumerate(drawn())))
    assert {said: drawn()[int(number)] for number, said in failed.items()} == {}


def test_the_scenarios_hold_what_there_is_to_try() -> None:
    fleets = [spec_of(scenario.text) for scenario in drawn()]
    used = [(spec, use.request) for spec, scenario in zip(fleets, drawn(), strict=True) for use in scenario.uses]
    priced = [(spec, request) for spec, request in used if model_of(spec, request)]
    assert len(priced) > 50
    assert len(used) - len(priced) > 20
    assert {gateway.version for spec in fleets for gateway in spec.gateways} >= {(0, 11), (1, 4), (1, 5), (1, 10)}
    assert {model_of(spec, request).free for spec, request in priced} == {True, False}  # type: ignore[union-attr]
    assert {request.provider for _, request in priced} == set(PROVIDERS)
    assert {request.response_model for _, request in priced} == set(SHOWN)


def test_rules_that_count_a_little_otherwise_are_found_out(promtool: Path) -> None:
    """A price too high by a millionth shows wherever a cent was spent."""
    wrong = {}
    for number, scenario in enumerate(drawn()):
        right = money_rules(spec_of(scenario.text))
        dearer = right.replace("1000000", "999999")
        assert dearer != right, "the rules no longer divide by a million"
        if max(billionths_by_cell(spec_of(scenario.text), scenario).values(), default=0) > 10**7:
            wrong[str(number)] = case_of(str(number), scenario, dearer)
    assert len(wrong) > 3
    tried = dict(sorted(wrong.items())[:4])
    assert unmet(promtool, *tried.values()) == set(tried)

"""Prices hold from their day on, to the second, in the spec's time zone, and to the last digit.

promtool's clock starts in 1970 and goes on by its evaluation interval: so each instant is tried by a file of its own
whose interval is that instant. It evaluates twice, at the beginning of time and then.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from promtool_cases import Case, failures, rule_file, unmet
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen.model import Recording
from tollbook.gen.spec import Spec
from tollbook.rules import prices

PRICE = "agentgateway:price_usd_per_mtok"
ALIAS = "agentgateway:model:alias"
PRICE_HIGH = "agentgateway:price_high_usd_per_mtok"
LONG_CONTEXT_OVER = "agentgateway:long_context_over:tokens"
SETTLE_SECONDS = 30
OF_SPEC = 'spec="monitoring/agentgateway-cost"'
OF_GPT = f'{OF_SPEC},gen_ai_system="openai",model="gpt"'


def price_rules(spec: Spec) -> str:
    return rule_file(*prices.build(spec))


def expressions(spec: Spec) -> dict[tuple[str, str], str]:
    """Model and token type -> the price's expression."""
    cards = [rule for rule in recordings(spec) if rule.record == PRICE]
    return {(card.labels["model"], kind): text for card in cards for kind, text in on(card).items()}


def recordings(spec: Spec) -> list[Recording]:
    return [rule for group in prices.build(spec) for rule in group.rules if isinstance(rule, Recording)]


def on(card: Recording) -> dict[str, str]:
    """Token type -> expression, of one card."""
    terms = re.findall(r'label_replace\((.*?), "gen_ai_token_type", "(\w+)", "", ""\)(?: or |$)', card.expr.text)
    return {kind: text for text, kind in terms}


def at(unix_seconds: int, expected: dict[str, Decimal | int | float], rules: str, name: str) -> Case:
    instant = f"{unix_seconds}s"
    return Case(f"{name} at {instant}", rules, samples=((PRICE, instant, expected),), evaluated_every=instant)


# ---- When ----------------------------------------------------------------------------------------------------------

# Unix seconds of local midnight as `date --date='TZ="Europe/Berlin" 2026-07-01' +%s` prints them.
MIDNIGHTS = {
    ("UTC", "2026-07-01"): 1782864000,
    ("Europe/Berlin", "2026-07-01"): 1782856800,  # summer: two hours earlier
    ("Europe/Berlin", "2026-12-01"): 1796079600,  # winter: one
    ("Europe/Berlin", "2026-03-29"): 1774738800,  # the day that clocks are set forward
    ("Europe/Berlin", "2026-10-25"): 1792879200,  # the day that they are set back
    ("America/New_York", "2026-07-01"): 1782878400,
    ("America/New_York", "2026-12-01"): 1796101200,
    ("Asia/Kolkata", "2026-07-01"): 1782844200,  # five and a half hours earlier
    ("Asia/Kathmandu", "2026-07-01"): 1782843300,
    ("Africa/Cairo", "2026-04-24"): 1776981600,  # the day begins at one o'clock, which `date` refuses
    ("America/Havana", "2026-11-01"): 1793505600,  # the hour after midnight comes twice: the first
    ("America/Santiago", "2026-04-05"): 1775361600,  # the hour before midnight comes twice: after the second
    ("UTC", "2020-02-29"): 1582934400,
    ("UTC", "2000-01-01"): 946684800,
}


def changing(timezone: str, day: str) -> str:
    return price_rules(
        spec_of(f"""
            prometheus: {{timezone: {timezone}}}
            models:
              - provider: openai
                name: gpt
                prices: [{{input: 2, output: 5}}, {{from: {day}, input: 2, output: 7.5}}]
        """)
    )


def prices_of_gpt(output: float) -> dict[str, Decimal | int | float]:
    """What is not stated of caches costs what input costs."""
    usd = {"input": 2, "output": output, "input_cache_read": 2, "input_cache_write": 2}
    return {f'{PRICE}{{{OF_GPT},gen_ai_token_type="{kind}"}}': price for kind, price in usd.items()}


def test_a_price_changes_at_local_midnight_once_the_last_tokens_before_it_are_counted(promtool: Path) -> None:
    cases = []
    for (timezone, day), midnight in MIDNIGHTS.items():
        rules, name = changing(timezone, day), f"{timezone} {day}"
        settled = midnight + SETTLE_SECONDS
        cases += [at(second, prices_of_gpt(5), rules, name) for second in (60, midnight - 86_400, midnight, settled)]
        cases += [at(second, prices_of_gpt(7.5), rules, name) for second in (settled + 1, settled + 86_400)]
    assert failures(promtool, *cases) == {}


def test_a_midnight_of_another_zone_is_noticed(promtool: Path) -> None:
    rules = changing("UTC", "2026-07-01")
    case = at(MIDNIGHTS["Europe/Berlin", "2026-07-01"] + SETTLE_SECONDS + 1, prices_of_gpt(7.5), rules, "Berlin")
    assert unmet(promtool, case) == {case.name}


def test_each_of_many_prices_holds_until_the_next(promtool: Path) -> None:
    spec = spec_of("""
        models:
          - provider: openai
            name: gpt
            prices:
              - {from: 2020-01-01, input: 2, output: 40}
              - {from: 2021-01-01, input: 2, output: 30}
              - {from: 2022-01-01, input: 2, output: 20}
              - {from: 2023-01-01, input: 2, output: 30}
    """)
    starts = {1577836800: 40, 1609459200: 30, 1640995200: 20, 1672531200: 30}
    rules = price_rules(spec)
    cases = [at(start + 3600, prices_of_gpt(usd), rules, "an hour later") for start, usd in starts.items()]
    assert failures(promtool, at(3600, prices_of_gpt(40), rules, "long before"), *cases) == {}


def test_the_first_price_holds_before_its_date(promtool: Path) -> None:
    spec = spec_of("""
        models: [{provider: openai, name: gpt, prices: [{from: 2026-07-01, input: 2, output: 5}]}]
    """)
    rules = price_rules(spec)
    assert failures(promtool, *(at(second, prices_of_gpt(5), rules, "price") for second in (60, 1782864000))) == {}


# ---- What is written -------------------------------------------------------------------------------------------------


def test_equal_neighbours_are_one_price() -> None:
    spec = spec_of("""
        models:
          - provider: openai
            name: gpt
            prices:
              - {input: 2, output: 5}
              - {from: 2025-01-01, input: 2.0, output: 5.00}
              - {from: 2026-01-01, input: 3, output: 5}
              - {from: 2027-01-01, input: 2, output: 5}
    """)
    texts = expressions(spec)
    assert texts["gpt", "output"] == "vector(5)"
    assert texts["gpt", "input"].count("vector(2)") == 2  # it falls back to what it was, which is a change
    assert "1735689600" not in texts["gpt", "input"]  # 2025-01-01, when nothing changed


@pytest.mark.parametrize("text", ["0.0375", "0.000001", "123456789.123456", "3", "0.1", "0", "999999.999999"])
def test_a_price_is_written_as_it_was_stated(text: str, promtool: Path) -> None:
    spec = spec_of(f"models: [{{provider: openai, name: gpt, prices: [{{input: {text}, output: 5, cache_read: 1}}]}}]")
    assert expressions(spec)["gpt", "input"] == f"vector({text})"
    selected = f'{PRICE}{{gen_ai_token_type="input"}}'
    expected = {f'{PRICE}{{{OF_GPT},gen_ai_token_type="input"}}': Decimal(text)}
    assert failures(promtool, Case(text, price_rules(spec), samples=((selected, "1m", expected),))) == {}


@settings(max_examples=200, derandomize=True)
@given(st.decimals(min_value=0, max_value=Decimal("999999999.999999"), places=6, allow_nan=False, allow_infinity=False))
def test_every_price_that_a_spec_may_state_comes_out_as_the_same_number(usd: Decimal) -> None:
    spec = spec_of(f"models: [{{provider: openai, name: gpt, prices: [{{input: {usd:f}, output: 5}}]}}]")
    written = expressions(spec)["gpt", "input"].removeprefix("vector(").removesuffix(")")
    assert Decimal(written) == usd
    assert "e" not in written.lower()


def test_free_is_a_price_of_zero(promtool: Path) -> None:
    spec = spec_of("models: [{provider: ollama, name: llama, free: true}]")
    types = ("input", "output", "input_cache_read", "input_cache_write")
    labels = f'{OF_SPEC},gen_ai_system="ollama",model="llama"'
    expected = {f'{PRICE}{{{labels},gen_ai_token_type="{kind}"}}': 0 for kind in types}
    assert failures(promtool, Case("free", price_rules(spec), samples=((PRICE, "1m", expected),))) == {}


def test_a_card_is_a_model_s_whole_price_and_its_other_names_are_facts(promtool: Path) -> None:
    spec = spec_of("""
        models:
          - provider: openai
            name: gpt
            aliases: [gpt-1, gpt-2]
            prices: [{input: 1, output: 2, cache_read: 3, cache_write: 4}]
          - {provider: azure, name: gpt, prices: [{input: 5, output: 6}]}
    """)
    types = ("input", "output", "input_cache_read", "input_cache_write")
    usd = {"openai": (1, 2, 3, 4), "azure": (5, 6, 5, 5)}
    cards = {
        f'{PRICE}{{{OF_SPEC},gen_ai_system="{provider}",model="gpt",gen_ai_token_type="{kind}"}}': price
        for provider, stated in usd.items()
        for kind, price in zip(types, stated, strict=True)
    }
    aliases = {f'{ALIAS}{{{OF_GPT},gen_ai_response_model="{name}"}}': 1 for name in ("gpt-1", "gpt-2")}
    samples = ((PRICE, "1m", cards), (ALIAS, "1m", aliases))
    assert failures(promtool, Case("cards", price_rules(spec), samples=samples)) == {}


def test_every_price_and_every_name_is_there_however_many_there_are(promtool: Path) -> None:
    """A group holds twenty rules and a rule fifty names; providers do not share groups."""
    price = "prices: [{{input: {}, output: 1}}]"
    models = "".join(
        f"  - {{provider: {provider}, name: m{number}, aliases: [a{number}], {price.format(number)}}}\n"
        for provider in ("openai", "azure")
        for number in range(1, 62)
    )
    spec = spec_of(f"models:\n{models}")
    of_prices = [group for group in rules.build(spec) if group.name.startswith("tollbook.prices.")]
    assert {len(group.rules) for group in of_prices} == {20, 3}
    samples = (
        (f'sum by (gen_ai_system) ({PRICE}{{gen_ai_token_type="input"}})', "1m", of_both(61 * 62 // 2)),
        (f"count by (gen_ai_system) ({ALIAS})", "1m", of_both(61)),
    )
    assert failures(promtool, Case("many", price_rules(spec), samples=samples)) == {}


def of_both(count: int) -> dict[str, int]:
    return {f'{{gen_ai_system="{provider}"}}': count for provider in ("openai", "azure")}


def test_the_reader_of_the_rules_sees_dates_where_the_expression_has_seconds() -> None:
    spec = spec_of("""
        models:
          - provider: openai
            name: gpt
            prices:
              - {input: 2, output: 5}
              - {from: 2026-07-01, input: 2, output: 7.50}
              - {from: 2027-01-01, input: 2, output: 0.1}
    """)
    (card,) = recordings(spec)
    assert card.note == "output: 5 at first, 7.50 from 2026-07-01, 0.1 from 2027-01-01"


# ---- Long contexts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settled", [False, True])
def test_tiers_begin_and_end_with_their_price(settled: bool, promtool: Path) -> None:
    """On one day a model's tiers begin, another's end, and a third's threshold and rates change."""
    spec = """
models:
  - provider: openai
    name: begins
    prices: [{input: 1, output: 10}, {from: 2026-07-01, input: 1, output: 10, tiers: [{context_over: 1000, input: 2}]}]
  - provider: openai
    name: ends
    prices: [{input: 1, output: 10, tiers: [{context_over: 1000, input: 2}]}, {from: 2026-07-01, input: 1, output: 10}]
  - provider: openai
    name: moves
    prices:
      - {input: 1, output: 10, tiers: [{context_over: 1000, input: 2}]}
      - {from: 2026-07-01, input: 1, output: 10, tiers: [{context_over: 2000, input: 3}]}
"""
    before = {"begins": 1, "ends": 2, "moves": 2}
    after = {"begins": 2, "ends": 1, "moves": 3}
    thresholds = {"begins": 1000, "moves": 2000} if settled else {"ends": 1000, "moves": 1000}
    instant = f"{MIDNIGHTS['UTC', '2026-07-01'] + SETTLE_SECONDS + settled}s"
    usd = {
        f'{{gen_ai_system="openai",model="{name}",gen_ai_token_type="input"}}': price
        for name, price in (after if settled else before).items()
    }
    tokens = {f'{{gen_ai_system="openai",model="{name}"}}': count for name, count in thresholds.items()}
    samples = (
        (f'sum without (__name__, spec) ({PRICE_HIGH}{{gen_ai_token_type="input"}})', instant, usd),
        (f"sum without (__name__, spec) ({LONG_CONTEXT_OVER})", instant, tokens),
    )
    case = Case("prices", price_rules(spec_of(spec)), samples=samples, evaluated_every=instant)
    assert failures(promtool, case) == {}


def test_a_model_with_tiers_has_its_highest_prices_under_its_own_name_alone(promtool: Path) -> None:
    """Of each type the highest of any tier; what no tier states anew stays as it is."""
    spec = spec_of("""
        models:
          - provider: openai
            name: gpt
            aliases: [gpt-2024]
            prices:
              - input: 1
                output: 10
                cache_write: 4
                tiers: [{context_over: 2000, output: 30, cache_read: 3}, {context_over: 9000, input: 2, output: 20}]
          - {provider: openai, name: flat, prices: [{input: 1, output: 10}]}
    """)
    # cache_read is not stated at first: it costs what input does, and in the tiers 3, and again what input does, 2
    usd = {"input": 2, "output": 30, "input_cache_read": 3, "input_cache_write": 4}
    of_model = OF_GPT
    samples = (
        (PRICE_HIGH, "1m", {f'{PRICE_HIGH}{{{of_model},gen_ai_token_type="{kind}"}}': usd[kind] for kind in usd}),
        (LONG_CONTEXT_OVER, "1m", {f"{LONG_CONTEXT_OVER}{{{of_model}}}": 2000}),
    )
    assert failures(promtool, Case("highest", price_rules(spec), samples=samples)) == {}


def test_the_reader_sees_when_tiers_begin_and_end() -> None:
    spec = spec_of("""
        models:
          - provider: openai
            name: gpt
            prices:
              - {input: 2, output: 5}
              - {from: 2026-07-01, input: 2, output: 5, tiers: [{context_over: 200000, input: 4}]}
              - {from: 2027-01-01, input: 2, output: 5}
    """)
    (threshold,) = [rule for rule in recordings(spec) if rule.record == LONG_CONTEXT_OVER]
    assert threshold.note == "none at first, 200000 from 2026-07-01, none from 2027-01-01"

"""Long contexts: what a step cost lies between its bounds, and is exact where the gateway counts dollars itself.

The prices of most tests are these, so that whatever is billed can be followed by hand: a token of input costs a
millionth of a dollar and one of output ten, and in a context over 1000 tokens two and fifteen; over 5000 four and
fifteen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from promtool_cases import (
    NOTHING,
    Case,
    Samples,
    all_rules,
    fact_groups,
    failures,
    ledger_of,
    money_rules,
    rule_file,
    unmet,
)
from spec_builders import counter, notation, spec_of, up, usd_counter

from tollbook.gen import oracle
from tollbook.gen.model import RuleGroup
from tollbook.gen.oracle import Request
from tollbook.gen.promql import Expr
from tollbook.gen.spec import Spec
from tollbook.rules import LEDGER, tiers

LOW = "agentgateway:cost_usd_low:increase1m"
HIGH = "agentgateway:cost_usd_high:increase1m"
COST = "agentgateway:cost_usd:increase1m"
LONG = f'{COST}{{gen_ai_token_type="long_context"}}'
CELL = '{gateway="ai/gw",gen_ai_system="openai",model="gpt"}'
ALWAYS = "1x20"

TIERS = "tiers: [{context_over: 1000, input: 2, output: 15}, {context_over: 5000, input: 4}]"
TIERED = f"""
models:
  - {{provider: openai, name: gpt, aliases: [gpt-2024], prices: [{{input: 1, output: 10, cache_read: 0.5, {TIERS}}}]}}
  - {{provider: openai, name: flat, prices: [{{input: 1, output: 10}}]}}
"""


def summed(metric: str, *by: str) -> str:
    """All that was ever recorded, in billionths."""
    return f"round(sum by ({', '.join(by)}) (sum_over_time({metric}[1h])) * 1000000000)"


def use(input_tokens: int, output: int, usd: str = "", **labels: str) -> dict[str, str]:
    """Counters that begin with one step's use; `usd` is what the gateway counts for it."""
    series = {counter("input", **labels): f"_x5 {input_tokens}x20", counter("output", **labels): f"_x5 {output}x20"}
    return series | ({usd_counter(**labels): f"_x5 {usd}x20"} if usd else {})


def case_of(name: str, series: Mapping[str, str], spec: str = TIERED, **billionths: int | None) -> Case:
    """`low`, `high` and the surcharge `long` of all that was used; None: nothing may be recorded."""
    records = {"low": LOW, "high": HIGH, "long": LONG}
    samples = tuple(
        (summed(records[key]), "9m", NOTHING if expected is None else {"": expected})
        for key, expected in billionths.items()
    )
    return Case(name, money_rules(spec_of(spec)), {up(): ALWAYS, **series}, samples)


# ---- By hand -----------------------------------------------------------------------------------------------------

BY_HAND = [
    case_of("surely short", use(1000, 100, "0.002"), low=2_000_000, high=2_000_000, long=None),
    # 1001 x 1 + 100 x 10; the dearest: 1001 x 4 + 100 x 15; billed: 1001 x 2 + 100 x 15
    case_of("one long", use(1001, 100, "0.003502"), low=2_001_000, high=5_504_000, long=1_501_000),
    # Two of 600 may be one of 1200, and were not.
    case_of("two short ones", use(1200, 100, "0.0022"), low=2_200_000, high=6_300_000, long=None),
    # 6000 x 1 + 100 x 10, and 6000 x 4 + 100 x 15
    case_of("one in the dearest tier", use(6000, 100, "0.0255"), low=7_000_000, high=25_500_000, long=18_500_000),
    case_of("nobody counts dollars", use(6000, 100), low=7_000_000, high=25_500_000, long=None),
    case_of("the gateway's catalog is too dear", use(1001, 100, "9"), low=2_001_000, high=5_504_000, long=3_503_000),
    case_of("and where no context was long", use(1000, 100, "9"), low=2_000_000, high=2_000_000, long=None),
    case_of("the gateway's catalog is too cheap", use(1001, 100, "0.001"), low=2_001_000, high=5_504_000, long=None),
    case_of("the gateway's catalog has prices of zero", use(1001, 100, "0"), low=2_001_000, high=5_504_000, long=None),
    case_of("output alone", use(0, 100, "0.001"), low=1_000_000, high=1_000_000, long=None),
    case_of("nothing", use(0, 0, "0"), low=0, high=0, long=None),
    # Two names of one model: 600 + 600 x 1, and its dearest 1200 x 4, for together they may have been long. (No request
    # is answered by both, but steps are told by the model.)
    case_of(
        "two names are one model",
        {**use(600, 0), **use(600, 0, gen_ai_response_model="gpt-2024")},
        low=1_200_000,
        high=4_800_000,
        long=None,
    ),
    # Cached tokens are part of the context: 900 of input, of which 1.5 from it; `input` holds the 200 read. Base:
    # 900 + 200 x 0.5; dearest: 900 x 4 + 200 x 0.5, which no tier states anew; billed: 900 x 2 + 200 x 0.5.
    case_of(
        "cached tokens make a context long",
        {**use(1100, 0, "0.0019"), counter("input_cache_read"): "_x5 200x20"},
        low=1_000_000,
        high=3_700_000,
        long=900_000,
    ),
    case_of(
        "a model without tiers has no bounds",
        {**use(9000, 9000, "1", gen_ai_request_model="flat", gen_ai_response_model="flat")},
        low=None,
        high=None,
        long=None,
    ),
    case_of(
        "nor has one without a price",
        {**use(9000, 9000, "1", gen_ai_request_model="new", gen_ai_response_model="new")},
        low=None,
        high=None,
        long=None,
    ),
]
UNTIERED_BEFORE_1_4 = f'gateways: [{{name: gw, namespace: ai, version: "1.3"}}]\n{TIERED}'


def test_bounds_and_surcharge_by_hand(promtool: Path) -> None:
    before = case_of("before 1.4", use(1001, 100, "0.003502"), UNTIERED_BEFORE_1_4, low=2_001_000, high=5_504_000)
    assert failures(promtool, *BY_HAND, before) == {}


def test_without_tiers_there_are_no_bounds() -> None:
    assert tiers.rules(spec_of()) == ()


# The piece's text, what stands there instead, and the case that is then wrong.
MUTANTS = {
    "no longer than the threshold is not long": (") > on (gen_ai", ") >= on (gen_ai", "surely short"),
    "the bound holds": (" < last_over_time(agentgateway:cost_usd_high", " > last_over_time(agentgateway:cost_usd_high",
                        "the gateway's catalog is too dear"),
    "only what costs more": ("> 0.000000001", "> -1", "the gateway's catalog is too cheap"),
    "all of a context counts": ("input|input_cache_read|input_cache_write", "input|input_cache_write",
                                "cached tokens make a context long"),
    "models with tiers alone": ("and on (gen_ai_system, model) max by", "or on (gen_ai_system, model) max by",
                                "a model without tiers has no bounds"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_a_piece_some_case_is_wrong(mutant: str, promtool: Path) -> None:
    piece, instead, victim = MUTANTS[mutant]
    spec = spec_of(TIERED)
    case = next(case for case in BY_HAND if case.name == victim)
    right = until_tiers(spec)
    mutated = (replace(rule, expr=Expr(rule.expr.text.replace(piece, instead))) for rule in right.rules)
    wrong = replace(right, rules=tuple(mutated))
    assert wrong != right, "the rules no longer have this piece"
    assert unmet(promtool, replace(case, rules=rule_file(*fact_groups(spec), wrong))) == {victim}


def until_tiers(spec: Spec) -> RuleGroup:
    """What is recorded up to the bounds and the surcharge."""
    return ledger_of(spec, LEDGER[: LEDGER.index(tiers.rules) + 1])


# ---- Whose it is, and where it is added up -----------------------------------------------------------------------


def test_the_surcharge_is_that_of_who_had_the_long_context(promtool: Path) -> None:
    """Team a's 1001 tokens in one request, and b's as many in two; on gateways of their own, in clusters of their
    own."""
    spec = f"""
prometheus: {{keep_labels: [cluster]}}
attribution: [{{label: team, expression: apiKey.team}}]
{TIERED}"""
    series: dict[str, str] = {up(cluster="eu"): ALWAYS, up(cluster="us"): ALWAYS}
    series |= use(1001, 0, "0.002002", team="a", cluster="eu")
    series |= use(1001, 0, "0.001001", team="b", cluster="eu")
    series |= use(1001, 0, "0.001001", team="a", cluster="us")
    series |= use(9000, 0, "0.036", cluster="us")
    own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt", "gen_ai_token_type": "long_context"}
    expected = {
        notation("", **own, team="a", cluster="eu"): 1_001_000,
        notation("", **own, cluster="us"): 27_000_000,
    }
    samples = ((f"round(sum_over_time({LONG}[1h]) * 1000000000)", "9m", expected),)
    assert failures(promtool, Case("cells", money_rules(spec_of(spec)), series, samples)) == {}


def test_the_surcharge_of_those_beyond_a_limit_is_that_of_others(promtool: Path) -> None:
    """b and c are summed: 1001 + 3 tokens, of which b's cost double."""
    spec = f"attribution: [{{label: team, expression: apiKey.team, limit: 1}}]\n{TIERED}"
    series = {up(): ALWAYS, **use(7000, 0, "0.028", team="a"), **use(1001, 0, "0.002002", team="b")}
    series |= use(3, 0, "0.000003", team="c")
    by = summed(LONG, "team")
    samples = ((by, "9m", {'{team="a"}': 21_000_000, '{team="other"}': 1_001_000}),)
    assert failures(promtool, Case("others", money_rules(spec_of(spec)), series, samples)) == {}


def test_every_total_holds_the_surcharge_once(promtool: Path) -> None:
    """A long context of 6000 tokens and 100 of output: 0.0255 USD, of which 0.0185 are the surcharge."""
    budgets = """
budgets:
  - {name: all, amount: 50, period: month}
  - {name: gpt, amount: 50, period: day, match: {model: gpt}}
  - {name: hour, amount: 50, period: 1h}
"""
    usd = 25_500_000
    figures = [
        *("total_hourly", "total_daily", "total_weekly", "total_monthly", "by_gateway"),
        *("day_to_date", "week_to_date", "month_to_date"),
    ]
    samples = [(f"round(sum(agentgateway:cost_usd:{name}) * 1000000000)", "5m", {"": usd}) for name in figures]
    periods = {"all": "month", "gpt": "day", "hour": "1h"}
    spent = {f'{{budget="{name}",period="{period}"}}': usd for name, period in periods.items()}
    samples.append(("round(agentgateway:budget_usd:spent * 1000000000)", "5m", spent))
    samples.append(("round(agentgateway:cost_usd:minus_reported1h * 1000000000)", "5m", {CELL: 0}))
    series = {up(): ALWAYS, **use(6000, 100, "0.0255")}
    assert failures(promtool, Case("totals", all_rules(spec_of(TIERED + budgets)), series, tuple(samples))) == {}


def test_a_pod_that_restarts_and_one_that_joins_are_surcharged_like_any_other(promtool: Path) -> None:
    """The process had one long context in its last minute and its successor one in its first; a second pod came while
    nobody looked, and its first scrape shows a third."""
    series = {
        up(): "1x60",
        counter("input"): "_x3 500x3 1501 1001x60",
        usd_counter(): "_x3 0.0005x3 0.002502 0.002002x60",
        up("joins"): "_x41 1x30",
        counter("input", "joins"): "_x41 2000x30",
        usd_counter("joins"): "_x41 0.004x30",
    }
    # 1501 - 500 and 1001 in one minute: 2002 tokens at 1, of which the gateway billed 0.004004; then 2000 more.
    samples = tuple((summed(LONG), at, {"": usd}) for at, usd in (("9m", 2_002_000), ("24m", 4_002_000)))
    assert failures(promtool, Case("lives", money_rules(spec_of(TIERED)), series, samples)) == {}


def test_a_threshold_that_has_ended_bounds_nothing(promtool: Path) -> None:
    """It ends with its series, as every fact does while the rules run: here after eight minutes, when the highest price
    becomes the base price. The bounds are those of what was used until then."""
    spec = spec_of(TIERED)
    of_model = {"spec": spec.id, "gen_ai_system": "openai", "model": "gpt"}
    series = {
        up(): "1x60",
        counter("input"): "_x3 1500x16 3000x40",
        usd_counter(): "_x3 0.003x16 0.0045x40",
        notation("agentgateway:long_context_over:tokens", **of_model): "1000x15 stale",
    }
    flat = {**of_model, "model": "flat", "gen_ai_token_type": "input"}
    series[notation("agentgateway:price_usd_per_mtok", **flat)] = "1x60"
    series[notation("agentgateway:model:alias", **of_model, gen_ai_response_model="gpt-2024")] = "1x60"
    for kind in ("input", "output"):
        of_type = {**of_model, "gen_ai_token_type": kind}
        series[notation("agentgateway:price_usd_per_mtok", **of_type)] = "1x60"
        series[notation("agentgateway:price_high_usd_per_mtok", **of_type)] = "2x15 1x40"
    samples = (
        (f"round({HIGH} * 1000000000)", "2m", {CELL: 3_000_000}),
        (summed(LOW), "20m", {"": 1_500_000}),
        (summed(HIGH), "20m", {"": 3_000_000}),
        (summed(LONG), "20m", {"": 1_500_000}),
    )
    case = Case("an end", rule_file(until_tiers(spec)), series, samples)
    assert failures(promtool, case) == {}


# ---- Whatever was asked, the truth lies between the bounds -----------------------------------------------------------
# Four steps of one model's requests, up to three in each; the gateway counts each by the spec's own prices.

STEPS = 4


@dataclass(frozen=True)
class Fleet:
    text: str
    steps: Sequence[Sequence[Request]]


USD = st.integers(1, 1000).map(lambda cents: Decimal(cents) / 100)
RATES = ("input", "output", "cache_read", "cache_write")


@st.composite
def stated_prices(draw: st.DrawFn) -> str:
    """Tiers state some rates anew, each at least what the price states or what it means without."""
    base = {"input": draw(USD), "output": draw(USD)}
    base |= {kind: draw(USD) for kind in ("cache_read", "cache_write") if draw(st.booleans())}
    thresholds = sorted(draw(st.sets(st.integers(5, 90), min_size=1, max_size=3)))
    tiers = []
    for over in thresholds:
        anew = draw(st.sets(st.sampled_from(RATES), min_size=1))
        rates = {kind: base.get(kind, base["input"]) + draw(USD) for kind in sorted(anew)}
        tiers.append({"context_over": over * 1000, **rates})
    return f"{in_flow(base)[:-1]}, tiers: [{', '.join(map(in_flow, tiers))}]}}"


def in_flow(values: Mapping[str, object]) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in values.items())}}}"


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    text = f"models: [{{provider: anthropic, name: claude, prices: [{draw(stated_prices())}]}}]"
    (gateway,) = spec_of(text).gateways
    counts = st.integers(0, 30).map(lambda count: 1000 * count)
    one = st.builds(
        Request,
        st.just(gateway),
        st.just("anthropic"),
        st.just("claude"),
        st.just("claude"),
        **dict.fromkeys(RATES, counts),
    )
    return Fleet(text, draw(st.lists(st.lists(one, min_size=1, max_size=3), min_size=STEPS, max_size=STEPS)))


@cache
def drawn() -> tuple[Fleet, ...]:
    """The same in every run; drawn first, so that promtool is started once for all of them."""
    found: list[Fleet] = []

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(fleets())
    def collect(fleet: Fleet) -> None:
        found.append(fleet)

    collect()
    return tuple(found)


def cost_of(fleet: Fleet, step: Sequence[Request]) -> tuple[Decimal, Decimal, Decimal]:
    """The least, what it was, the most."""
    spec = spec_of(fleet.text)
    low, high = oracle.bounds(spec, step)
    truth = sum((oracle.reported(spec, one) or Decimal() for one in step), Decimal())
    return low, truth, high


def between_bounds(name: str, fleet: Fleet) -> Case:
    """Each step's bounds and surcharge, at an instant of its own."""
    of_model = {"gen_ai_system": "anthropic", "gen_ai_request_model": "claude", "gen_ai_response_model": "claude"}
    series: dict[str, list[str]] = defaultdict(list)
    totals: dict[str, Decimal] = defaultdict(Decimal)
    empty = Request(spec_of(fleet.text).gateways[0], "anthropic", "claude", "claude")
    samples: list[tuple[str, str, Samples]] = []
    cell = {"gateway": "ai/gw", "gen_ai_system": "anthropic", "model": "claude"}
    bounded, long = notation("", **cell), notation("", **cell, gen_ai_token_type="long_context")
    for number, step in enumerate(fleet.steps, start=2):
        low, truth, high = cost_of(fleet, step)
        for request in (empty, *step):
            for kind, tokens in oracle.exported(request).items():
                totals[counter(kind, **of_model)] += tokens
        totals[usd_counter(**of_model)] += truth
        for counted, total in totals.items():
            series[counted] += [f"{total:f}"] * 2
        at = f"{number}m"
        samples += [
            (f"round({LOW} * 1000000000)", at, {bounded: low * 10**9}),
            (f"round({HIGH} * 1000000000)", at, {bounded: high * 10**9}),
            (f"round({LONG} * 1000000000)", at, {long: (truth - low) * 10**9} if truth > low else NOTHING),
        ]
    texts = {counted: f"_x2 {' '.join(values)}" for counted, values in series.items()}
    return Case(name, money_rules(spec_of(fleet.text)), {up(): ALWAYS, **texts}, tuple(samples))


def test_the_truth_lies_between_the_bounds() -> None:
    costs = [cost_of(fleet, step) for fleet in drawn() for step in fleet.steps]
    assert [(low, truth, high) for low, truth, high in costs if not low <= truth <= high] == []
    # Each kind is drawn at all; how often differs with the version of hypothesis.
    assert any(low < truth < high for low, truth, high in costs)
    assert any(low < truth == high for low, truth, high in costs)
    assert any(low == truth < high for low, truth, high in costs)
    assert any(low == truth == high > 0 for low, truth, high in costs)


def test_the_rules_record_the_bounds_and_the_exact_surcharge_of_every_step(promtool: Path) -> None:
    failed = failures(promtool, *(between_bounds(str(number), fleet) for number, fleet in enumerate(drawn())))
    assert {said: drawn()[int(number)] for number, said in failed.items()} == {}

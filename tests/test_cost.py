"""Dollars of each step, and the figures of one gateway that the article's commands ask for."""

from __future__ import annotations

from pathlib import Path

from promtool_cases import Case, failures, ledger_of, money_rules, rule_file
from spec_builders import counter, spec_of, up

from tollbook.rules import cost, prices, totals

COST = "agentgateway:cost_usd:increase1m"
TOKENS = "agentgateway:tokens:increase1m"
PRICE = (
    'agentgateway:price_usd_per_mtok{spec="monitoring/agentgateway-cost",gen_ai_system="openai",model="gpt",'
    'gen_ai_token_type="output"}'
)
WATCHED = "1x300"  # two and a half hours

# The prices of spec_builders: input 1, output 10, cache read 0.1, cache write 100 USD per million.


def billionths(expr: str) -> str:
    return f"round({expr} * 1000000000)"


def of(token_type: str, **labels: str) -> str:
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f'{{gateway="ai/gw",gen_ai_system="openai",model="gpt",gen_ai_token_type="{token_type}"{more}}}'


def test_each_type_costs_its_own_price_in_the_step_it_was_used_in(promtool: Path) -> None:
    """Version 1.5, whose input holds the cached tokens: 5000 shown are 5000 - 300 - 20 billed as input."""
    case = Case(
        "types",
        money_rules(spec_of()),
        {
            up(): WATCHED,
            counter("input"): "_x7 5000x19 5001x20",
            counter("output"): "_x7 700x19 702x20",
            counter("input_cache_read"): "_x7 300x60",
            counter("input_cache_write"): "_x7 20x60",
        },
        (
            (
                billionths(COST),
                "4m",
                {
                    of("input"): 4680 * 1000,
                    of("output"): 700 * 10_000,
                    of("input_cache_read"): 300 * 100,
                    of("input_cache_write"): 20 * 100_000,
                },
            ),
            (
                billionths(COST),
                "14m",
                {
                    of("input"): 1 * 1000,
                    of("output"): 2 * 10_000,
                    of("input_cache_read"): 0,
                    of("input_cache_write"): 0,
                },
            ),
        ),
    )
    assert failures(promtool, case) == {}


def test_a_model_of_two_names_is_priced_once(promtool: Path) -> None:
    names = ("gpt", "gpt-2024")
    series = {counter(gen_ai_request_model="gpt", gen_ai_response_model=name): "_x7 1000x20" for name in names}
    samples = ((billionths(COST), "4m", {of("output"): 20_000_000}),)
    case = Case("aliases", money_rules(spec_of()), {up(): WATCHED, **series}, samples)
    assert failures(promtool, case) == {}


def test_dollars_keep_the_price_of_their_step(promtool: Path) -> None:
    """The same million tokens before and after a price change: what is recorded is never priced again."""
    case = Case(
        "a price that changes after ten minutes",
        rule_file(ledger_of(spec_of(), (prices.rules, cost.rules))),
        {
            PRICE: "2x19 3x60",
            f"{TOKENS}{of('output')}": "0x7 1000000 0x18 1000000 0x20",  # in the fourth minute and the fourteenth
        },
        (
            (COST, "4m", {f"{COST}{of('output')}": 2}),
            (COST, "14m", {f"{COST}{of('output')}": 3}),
            (f"sum(sum_over_time({COST}[1h]))", "20m", {"": 5}),
        ),
    )
    assert failures(promtool, case) == {}


def test_the_sliding_hour_holds_sixty_minutes_and_not_one_more(promtool: Path) -> None:
    """A dollar in the fourth minute is in the hour up to the 63rd, and no longer in the 64th."""
    by_gateway = 'agentgateway:cost_usd:by_gateway{gateway="ai/gw"}'
    case = Case(
        "an hour",
        money_rules(spec_of(), totals),
        {up(): WATCHED, counter("output"): "_x7 100000x290"},
        (
            ("agentgateway:cost_usd:by_gateway", "3m", {by_gateway: 0}),
            *(("agentgateway:cost_usd:by_gateway", at, {by_gateway: 1}) for at in ("4m", "63m")),
            ("agentgateway:cost_usd:by_gateway", "64m", {by_gateway: 0}),
        ),
    )
    assert failures(promtool, case) == {}


def test_tokens_by_gateway_are_those_of_five_minutes_all_input_and_all_output(promtool: Path) -> None:
    """Input is every token of the prompt, whether a cache knew it or not, as version 1.5 and OpenTelemetry say."""
    labels = '{gateway="ai/gw"}'
    prompt, output = "agentgateway:input_tokens:by_gateway", "agentgateway:output_tokens:by_gateway"
    shown = {"1.4": 5000, "1.5": 5320}  # of Anthropic, whose own figure is without the cached tokens
    model = {"gen_ai_system": "anthropic", "gen_ai_request_model": "claude", "gen_ai_response_model": "claude"}
    cases = [
        Case(
            version,
            money_rules(
                spec_of(f"""
                    gateways: [{{name: gw, namespace: ai, version: "{version}"}}]
                    models: [{{provider: anthropic, name: claude, prices: [{{input: 1, output: 10}}]}}]
                """),
                totals,
            ),
            {
                up(): WATCHED,
                counter("input", **model): f"_x7 {counted}x60",
                counter("output", **model): "_x7 700x60",
                counter("input_cache_read", **model): "_x7 300x60",
                counter("input_cache_write", **model): "_x7 20x60",
            },
            (
                (prompt, "3m", {f"{prompt}{labels}": 0}),
                *((prompt, at, {f"{prompt}{labels}": 5320}) for at in ("4m", "8m")),
                (prompt, "9m", {f"{prompt}{labels}": 0}),
                *((output, at, {f"{output}{labels}": 700}) for at in ("4m", "8m")),
                (output, "9m", {f"{output}{labels}": 0}),
            ),
        )
        for version, counted in shown.items()
    ]
    assert failures(promtool, *cases) == {}


def test_tokens_without_a_price_are_used_all_the_same(promtool: Path) -> None:
    output, by_gateway = "agentgateway:output_tokens:by_gateway", "agentgateway:cost_usd:by_gateway"
    case = Case(
        "unpriced",
        money_rules(spec_of(), totals),
        {up(): WATCHED, counter("output", gen_ai_request_model="new", gen_ai_response_model="new"): "_x7 700x60"},
        (
            (output, "4m", {f'{output}{{gateway="ai/gw"}}': 700}),
            (COST, "4m", {}),
            (by_gateway, "4m", {f'{by_gateway}{{gateway="ai/gw"}}': 0}),
        ),
    )
    assert failures(promtool, case) == {}


FIGURES = (
    "agentgateway:gateway_cost_usd:increase1m",
    "agentgateway:cost_usd:by_gateway",
    "agentgateway:input_tokens:by_gateway",
    "agentgateway:output_tokens:by_gateway",
)


def test_an_idle_gateway_has_spent_nothing_and_an_unknown_one_has_no_figures(promtool: Path) -> None:
    """A gateway whose pods cannot be scraped at present is still known."""
    rules = money_rules(spec_of(), totals)
    idle = {figure: {f'{figure}{{gateway="ai/gw"}}': 0} for figure in FIGURES}
    cases = [
        Case("idle", rules, {up(): WATCHED}, tuple((figure, "9m", idle[figure]) for figure in FIGURES)),
        Case("unreachable", rules, {up(): "0x60"}, tuple((figure, "9m", idle[figure]) for figure in FIGURES)),
        Case("unknown", rules, {up(job="other"): WATCHED}, tuple((figure, "9m", {}) for figure in FIGURES)),
    ]
    assert failures(promtool, *cases) == {}


def test_clusters_are_told_apart_where_the_spec_keeps_their_label(promtool: Path) -> None:
    spec = spec_of("prometheus: {keep_labels: [cluster]}")
    figure = "agentgateway:cost_usd:by_gateway"
    case = Case(
        "clusters",
        money_rules(spec, totals),
        {
            up(cluster="busy"): WATCHED,
            up(cluster="idle"): WATCHED,
            counter("output", cluster="busy"): "_x7 100000x290",
        },
        ((figure, "9m", {f'{figure}{{gateway="ai/gw",cluster="{c}"}}': usd for c, usd in (("busy", 1), ("idle", 0))}),),
    )
    assert failures(promtool, case) == {}


def test_dollars_recorded_before_a_restart_are_not_counted_again(promtool: Path) -> None:
    """Neither in the sum of the gateway nor priced once more: see the same of tokens."""
    rules = rule_file(ledger_of(spec_of(), (prices.rules, cost.rules, totals.rules)))
    cases = [
        Case(
            "tokens",
            rules,
            {PRICE: "10x20", f"{TOKENS}{of('output')}": "1000000"},
            ((f"sum(sum_over_time({COST}[1h]))", "5m", {"": 10}),),
        ),
        Case(
            "dollars",
            rules,
            {up(): WATCHED, f"{COST}{of('output')}": "10"},
            (("sum(sum_over_time(agentgateway:gateway_cost_usd:increase1m[1h]))", "5m", {"": 10}),),
        ),
    ]
    assert failures(promtool, *cases) == {}

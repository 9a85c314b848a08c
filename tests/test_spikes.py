"""Sudden spend is told against the same hours of the days before, and neither of newcomers nor of what comes often."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from promtool_cases import NOTHING, Case, failures, rule_file
from spec_builders import notation, spec_of

from tollbook.gen import promql
from tollbook.rules import spikes

SPIKE = "LLMSpendSpike"
BY_OWNER = "agentgateway:cost_usd:by_owner"
USUAL = "agentgateway:cost_usd:usual1h"

KEEP = "prometheus: {keep_labels: [cluster]}\n"
OWNERS = "attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]\n"


def case(name: str, text: str, series: dict[str, str], *moments: tuple[str, tuple[dict[str, str], ...]]) -> Case:
    """One evaluation every five minutes, twelve an hour, 288 a day."""
    alerts = tuple((SPIKE, at, expected) for at, expected in moments)
    rules = rule_file(*spikes.build(spec_of(text)))
    return Case(name, rules, series, alerts=alerts, scraped_every="5m", evaluated_every="5m")


def hour(gateway: str = "ai/gw", **labels: str) -> str:
    """Dollars of the last hour."""
    return notation("agentgateway:cost_usd:by_gateway", gateway=gateway, **labels)


def step(gateway: str = "ai/gw", **labels: str) -> str:
    """Dollars of a step; here there is one in five minutes, a twelfth of an hour."""
    return notation("agentgateway:gateway_cost_usd:increase1m", gateway=gateway, **labels)


def spent(gateway: str = "ai/gw", **labels: str) -> str:
    own = {"gateway": gateway, "gen_ai_system": "openai", "model": "gpt", "gen_ai_token_type": "output", **labels}
    return notation("agentgateway:cost_usd:increase1h", **own)


def spent_lately(gateway: str = "ai/gw", **labels: str) -> str:
    return spent(gateway, **labels).replace("increase1h", "increase1m")


def words(usd: str, usual: str, *spenders: str) -> str:
    return (
        f"spent {usd} USD in the last hour, and goes on. At this time of day, give or take an hour, the dearest hour "
        f"of the last 7 days was {usual} USD; more than 3 times as much, and over 10 USD above it, is told. Likely "
        "causes, in order: an agent in a loop or a job that retries, a dearer model or longer prompts, more traffic. "
        "If this is not meant, stop or limit those who spend; if it is, nothing need be done, for tomorrow it is "
        "usual. Top spenders of the last hour:" + "".join(f"\n- {spender}" for spender in spenders)
    )


def of_gateway(usd: str, usual: str, *spenders: str, gateway: str = "ai/gw", **labels: str) -> dict[str, str]:
    where = "".join(f", {name} {value}" for name, value in labels.items())
    return {
        "severity": "warning",
        "gateway": gateway,
        **labels,
        "annotation:summary": "An AI gateway spends far more than is usual at this time of day.",
        "annotation:description": f"Gateway {gateway}{where} {words(usd, usual, *spenders)}",
    }


def of_owner(usd: str, usual: str, *spenders: str, label: str, owner: str) -> dict[str, str]:
    return {
        "severity": "warning",
        "attribution": label,
        label: owner,
        "annotation:summary": "An owner of LLM spend spends far more than is usual at this time of day.",
        "annotation:description": f"Owner {owner} ({label}) {words(usd, usual, *spenders)}",
    }


# ---- Gateways --------------------------------------------------------------------------------------------------------


def test_more_than_three_times_the_usual_and_ten_dollars_is_told_after_a_quarter_of_an_hour(promtool: Path) -> None:
    """Each gateway and cluster by itself: one is told for its factor, one, half an hour later, for its dollars."""
    series = {
        hour(cluster="eu"): "20x576 60x11 60.01x60",  # over three times from 2d1h5m on
        step(cluster="eu"): "5.01x700",
        hour(cluster="us"): "1x582 11x11 11.01x60",  # over ten above from 2d1h35m on
        step(cluster="us"): "0.92x700",
        hour("ai/other", cluster="us"): "0.5x576 10.4x70",
        step("ai/other", cluster="us"): "9x700",
        spent(cluster="eu", team="search"): "40x700",
        spent(cluster="eu", team="ads"): "20x700",
        spent(cluster="us", team="shop"): "11x700",
    }
    eu = of_gateway(
        "60.01",
        "20.00",
        "40.00 USD: provider openai, model gpt, team search",
        "20.00 USD: provider openai, model gpt, team ads",
        cluster="eu",
    )
    us = of_gateway("11.01", "1.00", "11.00 USD: provider openai, model gpt, team shop", cluster="us")
    moments = (("2d1h15m", ()), ("2d1h20m", (eu,)), ("2d1h45m", (eu,)), ("2d1h50m", (eu, us)))
    assert failures(promtool, case("boundaries", KEEP + OWNERS, series, *moments)) == {}


def test_what_does_not_go_on_is_not_told(promtool: Path) -> None:
    """Its hour is over the usual for an hour; its last five minutes are for ten. The other one's are for fifteen."""
    series = {
        hour(): "20x576 100x11 20x60",
        step(): "1x576 40x1 5x60",  # 12 x 5 is just three times the usual
        hour("ai/other"): "20x576 100x11 20x60",
        step("ai/other"): "1x576 20x3 5x60",
    }
    told = of_gateway("100.00", "20.00", gateway="ai/other")
    moments = (("2d15m", ()), ("2d20m", (told,)), ("2d25m", ()), ("2d1h", ()))
    assert failures(promtool, case("a batch", "", series, *moments)) == {}


def test_the_usual_is_the_dearest_hour_at_this_time_of_the_last_seven_days(promtool: Path) -> None:
    """An hour of 80 dollars ended at 1d1h; all others are of one. It counts from an hour before to an hour after."""
    moments = {
        "1d23h55m": 1,
        "2d": 80,
        "2d1h": 80,
        "2d1h55m": 80,
        "2d2h5m": 1,
        "7d23h55m": 1,
        "8d": 80,
        "8d1h55m": 80,
        "8d2h5m": 1,
        "9d1h": 1,
    }
    samples = tuple((USUAL, at, {notation(USUAL, gateway="ai/gw"): usd}) for at, usd in moments.items())
    series = {hour(): "1x299 80 1x2400"}
    assert failures(promtool, replace(case("usual", "", series), samples=samples)) == {}


def test_a_ledger_younger_than_a_day_knows_nothing_usual(promtool: Path) -> None:
    """It begins at the third hour. From a day later on there is something to compare with."""
    series = {hour(): "_x36 1x144 50x400", step(): "5x700"}
    told = of_gateway("50.00", "1.00")
    samples = tuple((USUAL, at, expected) for at, expected in (("1d2h", NOTHING), ("1d2h55m", NOTHING)))
    samples += ((USUAL, "1d4h", {notation(USUAL, gateway="ai/gw"): 1}),)
    moments = (("23h", ()), ("1d3h10m", ()), ("1d3h15m", (told,)), ("1d14h", (told,)), ("1d16h", ()))
    assert failures(promtool, replace(case("young", "", series, *moments), samples=samples)) == {}


def test_a_gateway_that_spent_nothing_until_a_day_ago_is_not_told(promtool: Path) -> None:
    """It was watched for a day and a half, and idle. One that spent a cent before is known."""
    series = {
        hour(): "0x431 50x400",  # from 1d12h on
        step(): "0x431 5x400",
        hour("ai/known"): "0x10 0.01x12 0x407 10x11 10.01x400",
        step("ai/known"): "0x431 5x400",
        hour("ai/new"): "_x431 50x400",
        step("ai/new"): "_x431 5x400",
    }
    told = of_gateway("10.01", "0.00", gateway="ai/known")
    moments = (("1d12h45m", ()), ("1d13h10m", ()), ("1d13h15m", (told,)), ("2d11h", ()))
    assert failures(promtool, case("new", "", series, *moments)) == {}


def test_a_record_that_is_there_twice_does_not_stop_the_alert(promtool: Path) -> None:
    series: dict[str, str] = {}
    for replica in ("a", "b"):
        series |= {hour(replica=replica): "20x576 61x100", step(replica=replica): "6x700"}
    told = of_gateway("61.00", "20.00")
    assert failures(promtool, case("twice", "", series, ("2d15m", ()), ("2d20m", (told,)))) == {}


# ---- Owners ----------------------------------------------------------------------------------------------------------


def test_an_owner_is_compared_with_itself_whatever_the_gateway_and_cluster(promtool: Path) -> None:
    """Teams and agents each have their own usual; on neither of its gateways does the team spend enough."""
    eu = {"team": "search", "agent": "crawler", "cluster": "eu"}
    us = {"team": "search", "agent": "bot", "cluster": "us", "gen_ai_system": "anthropic", "model": "claude"}
    ads = {"team": "ads", "agent": "bot", "cluster": "us"}
    series = {
        spent(**eu): "8x576 24.5x200",
        spent_lately(**eu): "3x800",
        spent("ai/other", **us): "12x576 35.5x11 35.75x200",  # 60.25 together from 2d1h5m on, just 60 before
        spent_lately("ai/other", **us): "4x800",
        spent(**ads): "2x590 20x200",  # from 2d1h15m on
        spent_lately(**ads): "1x590 0.5x200",
    }
    search = of_owner(
        "60.25",
        "20.00",
        "35.75 USD: gateway ai/other, provider anthropic, model claude, agent bot, cluster us",
        "24.50 USD: gateway ai/gw, provider openai, model gpt, agent crawler, cluster eu",
        label="team",
        owner="search",
    )
    bot = of_owner(
        "55.75",
        "14.00",
        "35.75 USD: gateway ai/other, provider anthropic, model claude, team search, cluster us",
        "20.00 USD: gateway ai/gw, provider openai, model gpt, team ads, cluster us",
        label="agent",
        owner="bot",
    )
    crawler = of_owner(
        "24.50",
        "8.00",
        "24.50 USD: gateway ai/gw, provider openai, model gpt, team search, cluster eu",
        label="agent",
        owner="crawler",
    )
    moments = (
        ("2d15m", ()),
        ("2d20m", (crawler,)),
        ("2d1h15m", (crawler,)),
        ("2d1h20m", (crawler, search)),
        ("2d1h25m", (crawler, search)),
        ("2d1h30m", (crawler, search, bot)),
    )
    assert failures(promtool, case("owners", KEEP + OWNERS, series, *moments)) == {}


def test_an_owner_that_is_idle_at_night_is_watched_then_and_a_new_one_is_not_told(promtool: Path) -> None:
    """The office works from the tenth to the twelfth hour. Nobody's dollars are not compared, nor those of a newcomer;
    those that the gateway could not name are."""
    series = {
        hour(): "5x900",
        spent(team="office"): "_x120 9x23 _x264 9x23 _x192 10x11 10.01x100",
        spent_lately(team="office"): "2x900",
        spent(team="newcomer"): "_x624 90x200",
        spent_lately(team="newcomer"): "8x900",
        spent(): "1x623 90x200",
        spent_lately(): "8x900",
        spent(team="unknown"): "1x623 90x200",
        spent_lately(team="unknown"): "8x900",
    }
    office = of_owner(
        "10.01", "0.00", "10.01 USD: gateway ai/gw, provider openai, model gpt", label="team", owner="office"
    )
    unknown = of_owner("90.00", "1.00", "90.00 USD: gateway ai/gw, provider openai, model gpt", label="team",
                       owner="unknown")  # fmt: skip
    moments = (("2d4h10m", ()), ("2d4h15m", (unknown,)), ("2d5h10m", (unknown,)), ("2d5h15m", (unknown, office)))
    idle = notation(BY_OWNER, attribution="team", team="office")
    samples = (
        (f'{BY_OWNER}{{team="office"}}', "9h", NOTHING),
        (f'{BY_OWNER}{{team="office"}}', "1d", NOTHING),
        (f'{BY_OWNER}{{team="office"}}', "1d11h", {idle: 9}),
    )
    text = "attribution: [{label: team, expression: apiKey.team}]"
    assert failures(promtool, replace(case("night", text, series, *moments), samples=samples)) == {}


def test_the_rules_of_an_attribution_label_are_three_whatever_there_is() -> None:
    gateways = "gateways: [" + ", ".join(f"{{name: gw-{number}, namespace: ai}}" for number in range(40)) + "]\n"
    built = (spikes.build(spec_of(text)) for text in ("", OWNERS, gateways + OWNERS))
    counts = [sum(len(group.rules) for group in groups) for groups in built]
    assert counts == [2, 8, 8]


def test_no_name_breaks_out_of_the_queries_in_the_text(promtool: Path) -> None:
    """Owners' names come from callers."""
    names = ['"}', "%s", "%", "{{ end }}", "$1", "a|b", ".*", "\N{SNOWMAN}", "`", "$labels.team"]
    series, told = {}, []
    for number, name in enumerate(names, start=1):
        bearing = promql.quote(name)
        for series_of, values in ((spent, f"{number}x576 {100 + number}x100"), (spent_lately, "20x800")):
            series[series_of().replace("}", f",team={bearing}}}")] = values
        usd = f"{100 + number}.00"
        row = f"{usd} USD: gateway ai/gw, provider openai, model gpt"
        told.append(of_owner(usd, f"{number}.00", row, label="team", owner=name))
    text = "attribution: [{label: team, expression: apiKey.team}]"
    assert failures(promtool, case("hostile", text, series, ("2d20m", tuple(told)))) == {}

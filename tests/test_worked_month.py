"""docs/worked-month.md, figure by figure: its tables are read, its traffic runs through the generated rules, and both
promtool and the oracle must come to what it says.

All steps of a month are too many for promtool. So it is proved in two parts that meet at the dollars of an hour: days
of every kind from the counters to these dollars, step by step, and from there on the whole month to its alerts.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from math import prod
from pathlib import Path

import pytest
from promtool_cases import Case, Samples, failures
from spec_builders import notation

from bench.measure import groups_for
from tollbook.gen import alert_names, names, oracle
from tollbook.gen.load import load
from tollbook.gen.oracle import Request
from tollbook.gen.spec import Gateway, Model, Price, Spec

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "worked-month.md").read_text(encoding="utf-8")

FIRST_DAY, PROMTOOLS_FIRST_DAY = date(2027, 7, 1), date(1970, 1, 1)
DAYS, ARCHIVE_DAY = 31, 21
MILLION = 1_000_000

#: A working day before the new price, its first day, and the day of the archive: no other day is different.
KINDS = (15, 16, ARCHIVE_DAY)

#: In steps of three minutes: a day, and from midnight until 08:00 and from then until 18:00.
DAY, MORNING, WORK, HOUR = 480, 160, 200, 20

COLUMNS = {
    "input": names.INPUT,
    "read from cache": names.CACHE_READ,
    "written to cache": names.CACHE_WRITE,
    "output": names.OUTPUT,
}
PERIODS = (names.DAY_TO_DATE, names.WEEK_TO_DATE, names.MONTH_TO_DATE)


SPEC = load((DOCS / "worked-month" / "tollbook.yaml").read_text(encoding="utf-8"), "tollbook.yaml").spec
COST = names.cost(SPEC.prometheus.step)
GATEWAYS = {gateway.name: gateway for gateway in SPEC.gateways}
MODELS = {model.name: model for model in SPEC.models}


# ---- The page ----------------------------------------------------------------------------------------------------


def tables(header: str) -> list[list[list[str]]]:
    """The cells of each table whose header line begins so, without the header."""
    found = re.findall(rf"^\| {re.escape(header)}.*\n\| -.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [
        [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines()] for table in found
    ]


def traffic(table: int) -> list[Request]:
    """A day's, of the first table or the second."""
    rows = ((row[:2], map(tokens, row[2:])) for row in tables("gateway | model | input")[table])
    return [
        Request(GATEWAYS[gateway], MODELS[model].provider, model, model, prompt, output, cache_read, cache_write)
        for (gateway, model), (prompt, cache_read, cache_write, output) in rows
    ]


def tokens(millions: str) -> int:
    return int(Decimal(millions) * MILLION)


def used_on(day: int) -> list[Request]:
    """Of the month that begins on a Thursday, the 1st."""
    if (day + 2) % 7 in (5, 6):
        return []
    return traffic(0) + (traffic(1) if day == ARCHIVE_DAY else [])


# ---- By hand and by the oracle -----------------------------------------------------------------------------------


@cache
def billed(day: int) -> dict[oracle.Cell, Decimal]:
    prices_then = tuple(replace(model, prices=(price_on(model, day),)) for model in SPEC.models)
    return oracle.dollars(replace(SPEC, models=prices_then), used_on(day))


def price_on(model: Model, day: int) -> Price:
    begun = [price for price in model.prices if price.since is None or price.since <= FIRST_DAY.replace(day=day)]
    return begun[-1]


def total(first: int, last: int) -> Decimal:
    return sum((usd for day in range(first, last + 1) for usd in billed(day).values()), Decimal(0))


INVOICE = [row for row in tables("gateway | model | tokens")[0] if row[0]]


@pytest.mark.parametrize("row", INVOICE, ids=lambda row: "-".join(row[:4]))
def test_each_line_of_the_invoice_is_tokens_times_price(row: list[str]) -> None:
    gateway, model, kind, days, used, price, usd = row
    first, last = map(int, days.split(" to "))
    token_type = COLUMNS[kind]
    counted = sum(
        request.tokens[token_type]
        for day in range(first, last + 1)
        for request in used_on(day)
        if (request.gateway.name, request.request_model) == (gateway, model)
    )
    assert counted == tokens(used)
    assert Decimal(used) * Decimal(price) == Decimal(usd)
    cell = oracle.Cell(GATEWAYS[gateway].id, MODELS[model].provider, model, token_type)
    assert sum(billed(day).get(cell, Decimal(0)) for day in range(first, last + 1)) == Decimal(usd)


def test_the_invoice_is_complete() -> None:
    *_, last = tables("gateway | model | tokens")[0]
    assert last[-2:] == ["total", "440.00"]
    assert sum(Decimal(row[-1]) for row in INVOICE) == total(1, DAYS) == Decimal("440.00")


def test_the_periods_of_the_page_are_those_of_the_oracle() -> None:
    for at, *usd, _ in tables("at the end of")[0]:
        weekday, day = at.split()[0], int(at.split()[1])
        date_of_day = FIRST_DAY.replace(day=day)
        assert date_of_day.strftime("%a") == weekday
        monday = max(1, day - date_of_day.weekday())
        assert [Decimal(each) for each in usd] == [total(day, day), total(monday, day), total(1, day)], at


def test_what_the_page_says_of_the_counters() -> None:
    shown = {
        request.gateway.name: oracle.exported(request) for request in traffic(0) if "claude" in request.request_model
    }
    assert {gateway: counted[names.INPUT] for gateway, counted in shown.items()} == {
        "front": tokens("10.4"),
        "batch": tokens("1"),
    }
    [too_much] = re.findall(r"22 days . 8\.4 . 1\.00 = ([\d.]+) USD", PAGE)
    assert Decimal(too_much) == 22 * (Decimal("10.4") - 2) * MODELS["claude-haiku-4-5"].prices[0].rates.input


def test_the_arithmetic_of_the_text_is_right() -> None:
    equations = re.findall(r"((?:[\d.]+ (?:days )?[+\u00d7] )+[\d.]+) = ([\d.]+)", PAGE)
    assert len(equations) >= 5
    for left, right in equations:
        products = [map(Decimal, re.findall(r"[\d.]+", product)) for product in left.split("+")]
        assert sum(map(prod, products)) == Decimal(right), left


def test_the_days_of_the_text_cost_what_it_says() -> None:
    assert f"= {total(15, 15):.2f} USD until the 15th, and {total(16, 16):.2f} from the 16th" in PAGE
    assert f"together {total(ARCHIVE_DAY, ARCHIVE_DAY):.2f}" in PAGE
    assert f"= {11 * (total(15, 15) - total(16, 16)):.2f} USD off an invoice" in PAGE


def test_the_month_has_the_days_of_promtools_first_month() -> None:
    assert (FIRST_DAY - PROMTOOLS_FIRST_DAY).days % 7 == 0
    assert sum(bool(used_on(day)) for day in range(1, DAYS + 1)) == 22


def test_every_other_day_is_like_one_of_those_that_are_run_from_the_counters() -> None:
    kinds = [{}, *map(billed, KINDS)]
    assert [billed(day) for day in range(1, DAYS + 1) if billed(day) not in kinds] == []
    assert SPEC.prometheus.step.seconds * HOUR == 3600


# ---- By promtool: from the counters to the dollars of an hour ----------------------------------------------------


def hourly(day: int) -> dict[int, dict[oracle.Cell, Decimal]]:
    """By the hour at whose end the ledger holds them: it is one step behind."""
    steps_in_use = range(MORNING + 1, MORNING + WORK + 1)
    billed_at = [-(-(step + 1) // HOUR) for step in steps_in_use]
    return {
        hour: {cell: usd * billed_at.count(hour) / WORK for cell, usd in billed(day).items()} for hour in {*billed_at}
    }


def scraped() -> Iterator[tuple[str, str]]:
    steps = len(KINDS) * DAY
    for gateway in SPEC.gateways:
        tag = "v{}.{}.1".format(*gateway.version)
        yield notation(names.UP, **target(gateway)), f"1x{steps}"
        yield notation(names.BUILD_INFO, **target(gateway), tag=tag), f"1x{steps}"
    for (gateway_name, model, token_type), by_day in counted().items():
        labels = {
            f"{names.EXPORTED_PREFIX}{names.GATEWAY}": GATEWAYS[gateway_name].id,
            names.PROVIDER: MODELS[model].provider,
            names.REQUEST_MODEL: model,
            names.RESPONSE_MODEL: model,
            names.TOKEN_TYPE: token_type,
        }
        yield notation(names.TOKEN_USAGE_SUM, **target(GATEWAYS[gateway_name]), **labels), risen(by_day)


def target(gateway: Gateway) -> dict[str, str]:
    return {
        names.JOB: gateway.job,
        names.INSTANCE: f"{gateway.name}-pod",
        names.NAMESPACE: gateway.namespace,
        names.GATEWAY: gateway.id,
    }


def counted() -> dict[tuple[str, str, str], list[int]]:
    """What each counter rises by on each of the days."""
    found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * len(KINDS))
    for place, day in enumerate(KINDS):
        for request in used_on(day):
            for token_type, count in oracle.exported(request).items():
                if count:
                    found[request.gateway.name, request.request_model, token_type][place] += count
    return found


def risen(by_day: list[int]) -> str:
    """A counter that is scraped once a step. It is not shown before its first request."""
    words, value = [], 0
    for count in by_day:
        each, rest = divmod(count, WORK)
        assert (each > 0, rest) == (True, 0)
        words.append(f"{value}x{MORNING}" if value else f"_x{MORNING + 1}")
        words.append(f"{value + each}+{each}x{WORK - 1}")
        value += count
        words.append(f"{value}x{DAY - MORNING - WORK - 2}")
    return " ".join(words)


def with_new_prices_on_the_second_day() -> Spec:
    """promtool's second day, which is the 16th here."""
    earlier = FIRST_DAY.replace(day=KINDS[0]) - PROMTOOLS_FIRST_DAY
    models = (
        replace(
            model, prices=tuple(replace(price, since=price.since and price.since - earlier) for price in model.prices)
        )
        for model in SPEC.models
    )
    return replace(SPEC, models=tuple(models))


@pytest.mark.slow
def test_counters_become_the_dollars_of_each_hour(promtool: Path) -> None:
    by = "gateway, gen_ai_system, model, gen_ai_token_type"
    samples: list[tuple[str, str, Samples]] = []
    for place, day in enumerate(KINDS):
        hours = hourly(day)
        for hour in range(1, 25):
            # A millisecond less than an hour, because some Prometheus counts both edges of a range.
            query = f"round(1e9 * sum by ({by}) (sum_over_time({COST}[3599999ms])) > 0)"
            expected = {of_cell("", cell): usd * 10**9 for cell, usd in hours.get(hour, {}).items()}
            samples.append((query, f"{24 * place + hour}h", expected))
    rules = json.dumps({"groups": groups_for(with_new_prices_on_the_second_day(), [COST])})
    case = Case("three days", rules, dict(scraped()), tuple(samples), (), "3m", "3m")
    assert failures(promtool, case) == {}


def of_cell(metric: str, cell: oracle.Cell) -> str:
    labels = {
        names.GATEWAY: cell.gateway,
        names.PROVIDER: cell.provider,
        names.MODEL: cell.model,
        names.TOKEN_TYPE: cell.token_type,
    }
    return notation(metric, **labels)


# ---- By promtool: from the dollars of an hour to the month and its alerts ----------------------------------------


def ledger() -> dict[str, str]:
    """What was billed in each hour of the month, a value an hour."""
    hours: dict[str, dict[int, Decimal]] = defaultdict(dict)
    for day in range(1, DAYS + 1):
        for hour, by_cell in hourly(day).items():
            for cell, usd in by_cell.items():
                hours[of_cell(COST, cell)][24 * (day - 1) + hour] = usd
    return {series: " ".join(str(usd.get(hour, "_")) for hour in range(24 * DAYS + 1)) for series, usd in hours.items()}


def promised() -> Iterator[tuple[str, str, Samples]]:
    of_model: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for gateway, model, *_, line_usd in INVOICE:
        of_model[gateway, model] += Decimal(line_usd)
    for (gateway, model), dollars in of_model.items():
        line = notation(names.MONTH_TO_DATE, gateway=GATEWAYS[gateway].id, model=model)
        yield in_cents(line), f"{DAYS}d", {of_model_at(gateway, model): 100 * dollars}
    for at, *usd, _ in tables("at the end of")[0]:
        for record, each in zip(PERIODS, usd, strict=True):
            yield in_cents(f"sum({record}) or vector(0)"), f"{at.split()[1]}d", {"": 100 * Decimal(each)}
    for at, firing in tables("at | alerts")[0]:
        alerts = [alert.split() for alert in firing.split(", ") if alert != "none"]
        fired = {notation("", budget=budget, threshold=percent): 1 for budget, percent in alerts}
        query = f'sum by (budget, threshold) (ALERTS{{alertname="{alert_names.BUDGET}",alertstate="firing"}})'
        yield query, instant(at), fired


def in_cents(dollars: str) -> str:
    """To a ten-thousandth of a cent: floats add up no closer."""
    return f"round(1e6 * ({dollars})) / 1e4"


def of_model_at(gateway: str, model: str) -> str:
    return notation("", gateway=GATEWAYS[gateway].id, gen_ai_system=MODELS[model].provider, model=model)


def instant(at: str) -> str:
    """`Thu 22, 13:00` or `Sun 1 August, 01:00`."""
    match = re.fullmatch(r"\w+ (\d+)( August)?, (\d+):00", at)
    assert match, at
    day = int(match[1]) - 1 + (DAYS if match[2] else 0)
    return f"{24 * day + int(match[3])}h"


@pytest.mark.slow
def test_the_dollars_of_each_hour_become_the_months_figures_and_alerts(promtool: Path) -> None:
    rules = json.dumps({"groups": groups_for(SPEC, [*PERIODS, alert_names.BUDGET], given=[COST])})
    case = Case("July", rules, ledger(), tuple(promised()), (), "1h", "1h")
    assert failures(promtool, case) == {}

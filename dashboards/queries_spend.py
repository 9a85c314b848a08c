"""What the panels of spend ask: who spent what within the dashboard's range, what for, and what caching spared."""

from __future__ import annotations

from tollbook.dashboards.queries import by_group, cost, ledger_labels, or_zero, share, shown
from tollbook.dashboards.queries_tokens import prompt_tokens, tokens
from tollbook.dashboards.queries_traffic import requests
from tollbook.dashboards.sums import in_range, per_bar
from tollbook.gen import names
from tollbook.gen.placeholders import GROUP_LABEL, chosen
from tollbook.gen.promql import Expr, aggregate, binary, call, eq, scalar, series, sum_by, total
from tollbook.gen.spec import Spec

#: Rows in a ranking: more bars than this cannot be read.
RANKED = 10

TOKENS_PER_PRICE = 1_000_000


def spend_in_range(spec: Spec) -> Expr:
    return or_zero(spec, total(in_range(cost(spec))))


def spend_in_range_by(spec: Spec, label: str) -> Expr:
    return call("sort_desc", call("topk", str(RANKED), sum_by([label], in_range(cost(spec)))))


def spend_in_range_by_everything(spec: Spec) -> Expr:
    return sum_by(ledger_labels(spec), in_range(cost(spec)))


def spend_per_bar_by_group(spec: Spec) -> Expr:
    return shown(by_group(per_bar(cost(spec), spec.prometheus.step)))


# ---- Spenders ------------------------------------------------------------------------------------------------


def spend_by_group(spec: Spec) -> Expr:
    return shown(_dollars(spec))


def share_by_group(spec: Spec) -> Expr:
    whole = call("scalar", total(in_range(cost(spec))))
    return shown(binary(binary(_dollars(spec), ">", scalar(0)), "/", whole))


def tokens_by_group(spec: Spec) -> Expr:
    return shown(_tokens(spec))


def requests_by_group(spec: Spec) -> Expr:
    return shown(_requests(spec))


def usd_per_request_by_group(spec: Spec) -> Expr:
    return shown(binary(_dollars(spec), "/", binary(_requests(spec), ">", scalar(0))))


def usd_per_mtok_by_group(spec: Spec) -> Expr:
    per_token = binary(_dollars(spec), "/", binary(_tokens(spec), ">", scalar(0)))
    return shown(binary(per_token, "*", scalar(TOKENS_PER_PRICE)))


def cache_share_by_group(spec: Spec) -> Expr:
    read, prompt = prompt_tokens(spec)
    return shown(share((GROUP_LABEL,), in_range(read), in_range(prompt)))


def _dollars(spec: Spec) -> Expr:
    return by_group(in_range(cost(spec)))


def _tokens(spec: Spec) -> Expr:
    return by_group(in_range(tokens(spec)))


def _requests(spec: Spec) -> Expr:
    return by_group(in_range(requests(spec)))


# ---- Caching -------------------------------------------------------------------------------------------------


def saved_in_range(spec: Spec) -> Expr:
    return or_zero(spec, total(_saved(spec)))


def saved_by_group(spec: Spec) -> Expr:
    return shown(by_group(_saved(spec)))


def _saved(spec: Spec) -> Expr:
    """What was read from a cache, times what input costs more than that at the end of the range."""
    read, _ = prompt_tokens(spec)
    sold_as = (names.PROVIDER, names.MODEL)
    spared = binary(binary(_price(names.INPUT), "-", _price(names.CACHE_READ)), "/", scalar(TOKENS_PER_PRICE))
    return binary(sum_by(ledger_labels(spec), in_range(read)), "*", spared, on=sold_as, group_left=())


def _price(token_type: str) -> Expr:
    price = series(names.PRICE, chosen(names.PROVIDER), chosen(names.MODEL), eq(names.TOKEN_TYPE, token_type))
    return aggregate("max", price.now(), (names.PROVIDER, names.MODEL))

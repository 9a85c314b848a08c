"""What the panels of tokens ask."""

from __future__ import annotations

from tollbook.dashboards.queries import filtered, ledger, or_zero, share
from tollbook.dashboards.sums import in_range, per_bar
from tollbook.gen import names
from tollbook.gen.promql import Expr, Selector, binary, eq, one_of, scalar, sum_by, total
from tollbook.gen.spec import Spec

FIVE_MINUTES = 5


def tokens(spec: Spec) -> Selector:
    return ledger(spec, names.tokens(spec.prometheus.step))


def prompt_tokens(spec: Spec) -> tuple[Selector, Selector]:
    """What was read from a cache, and every token that went into a model."""
    read = tokens(spec).where(eq(names.TOKEN_TYPE, names.CACHE_READ))
    return read, tokens(spec).where(one_of(names.TOKEN_TYPE, names.PROMPT_TYPES))


def recent_tokens(spec: Spec, record: str) -> Expr:
    """Of the last five minutes: `record` is one of the by-gateway records."""
    return total(filtered(spec, record, names.GATEWAY).now())


def tokens_per_minute(spec: Spec, record: str) -> Expr:
    return binary(recent_tokens(spec, record), "/", scalar(FIVE_MINUTES))


def tokens_in_range(spec: Spec) -> Expr:
    return or_zero(spec, total(in_range(tokens(spec))))


def tokens_per_bar_by(spec: Spec, label: str) -> Expr:
    return sum_by([label], per_bar(tokens(spec), spec.prometheus.step))


def cache_share_in_range(spec: Spec) -> Expr:
    read, prompt = prompt_tokens(spec)
    return share((), in_range(read), in_range(prompt))


def cache_share_per_bar_by(spec: Spec, label: str) -> Expr:
    read, prompt = (per_bar(of_type, spec.prometheus.step) for of_type in prompt_tokens(spec))
    return share((label,), read, prompt)

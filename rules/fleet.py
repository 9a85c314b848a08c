"""The targets of the gateways, each under its gateway's name."""

from __future__ import annotations

from tollbook.gen.promql import Expr, Selector
from tollbook.gen.spec import Spec
from tollbook.rules.scrapes import of_gateways, scraped, targets

__all__ = ["of_gateways", "of_targets", "targets"]


def of_targets(spec: Spec, metric: str) -> Selector:
    return scraped(spec, metric)


def shown(selector: Selector) -> Expr:
    return of_gateways(selector.now())

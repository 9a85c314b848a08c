"""Tokens without a price, told by name and by their share, and prices that are not where they should be."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, listed, own, row_label, row_value, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    copy_label,
    either,
    eq,
    labelled,
    largest,
    none_of,
    one_of,
    one_of_each,
    scalar,
    series,
    sum_by,
    sum_of_steps,
    unless,
    vector,
)
from tollbook.gen.spec import Spec
from tollbook.rules.increase import risen, under_figures_gateway
from tollbook.rules.selectors import by_gateway, scraped

#: Long enough to see a model that is used rarely, short enough that the alert ends soon after the price was added.
UNPRICED_WITHIN = Duration.parse("1h")

#: Beyond this the dollars are of no use: an invoice that is five percent off is disputed.
SHARE_PERCENT = 5
#: Fewer tokens than this are somebody trying a model; they are told by name, but nobody need hurry.
SHARE_OF_TOKENS = 10_000
#: After an installation one minute may be counted before its prices are there. It is under the share by then.
SHARE_FOR = Duration.parse("20m")

#: Prices are recorded every step, and again within five minutes of a restart of Prometheus.
PRICES_FOR = Duration.parse("10m")

LOOKUPS_WITHIN = Duration.parse("1h")
#: Fewer are somebody trying a name that no provider knows.
LOOKUPS_ENOUGH = 5
#: Pods that were just replaced may have read their catalog a moment later than they served.
CATALOG_FOR = Duration.parse("15m")

_ASKED, _ANSWERED = (names.PROVIDER, names.REQUEST_MODEL), (names.PROVIDER, names.RESPONSE_MODEL)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = [_unpriced(spec), _answered_by_unlisted(spec), _share(spec), _prices_missing(spec)]
    alerts += [_not_listed(spec), _no_catalog(spec)]
    return (RuleGroup(f"{names.GROUP_PREFIX}.unpriced", spec.prometheus.step, tuple(alerts), home="unpriced"),)


def _by_names(spec: Spec) -> tuple[str, ...]:
    return (*by_gateway(spec), names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)


def _unpriced(spec: Spec) -> Alert:
    used = sum_by(_by_names(spec), sum_of_steps(series(names.unpriced_tokens(spec.prometheus.step)), UNPRICED_WITHIN))
    return Alert(
        alert=alert_names.UNPRICED,
        expr=binary(used, ">", scalar(0)),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "LLM tokens are used that have no price, so spend is understated.",
            "description": (
                f"Gateway {label(names.GATEWAY)} used {value(decimals=0)} tokens in the last hour of provider "
                f"{label(names.PROVIDER)}, request model {label(names.REQUEST_MODEL)}, response model "
                f"{label(names.RESPONSE_MODEL)}. Add the model, or this name as an alias, to models in the spec."
            ),
        },
    )


def _answered_by_unlisted(spec: Spec) -> Alert:
    """A model that only its request names: it has that one's price, whatever its own is. An answer that names none is
    no other model."""
    # Without cached ones, which `input` may include.
    types = one_of(names.TOKEN_TYPE, (names.INPUT, names.OUTPUT))
    named = scraped(spec, names.TOKEN_USAGE_SUM, types, none_of(names.RESPONSE_MODEL, [names.UNKNOWN]))
    used = binary(sum_by(_by_names(spec), risen(spec, named, UNPRICED_WITHIN)), ">", scalar(0))
    unlisted = unless(used, _listed(names.RESPONSE_MODEL), on=_ANSWERED)
    billed = binary(unlisted, "*", _listed(names.REQUEST_MODEL), on=_ASKED, group_left=(names.MODEL,))
    price = series(names.PRICE_NOW, own(names.PROVIDER), own(names.MODEL))
    row = f"\n- {row_label('', names.TOKEN_TYPE)}: {row_value(decimals=4)} USD per 1,000,000 tokens"
    return Alert(
        alert=alert_names.ANSWERED_BY_UNLISTED,
        # Providers make up names of answers: so many of a gateway are told as are kept apart.
        expr=largest(spec.limits.models_per_gateway, billed, by_gateway(spec)),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "A model that the spec does not list answers for one that it lists, and is billed at its price.",
            "description": (
                f"Gateway {label(names.GATEWAY)}, provider {label(names.PROVIDER)}: {label(names.REQUEST_MODEL)} was "
                f"asked for and {label(names.RESPONSE_MODEL)} answered, with {value(decimals=0)} input and output "
                f"tokens in the last {UNPRICED_WITHIN}. No model of the spec has the latter name, so its tokens are "
                f"billed at the price of {label(names.MODEL)}, and whether it costs more or less is not known here. "
                "Look its price up at the provider. If it is the same, add the name to the aliases of "
                f"{label(names.MODEL)}; if not, add it to models with its own price. What was billed until then stays. "
                f"Price of {label(names.MODEL)}:" + listed(price.now(), row, names.TOKEN_TYPE)
            ),
        },
    )


def _listed(name: str) -> Expr:
    """The model of each name that the spec lists, to be looked up under this label."""
    shown = copy_label(series(names.MODEL_NAMES).now(), name, names.RESPONSE_MODEL)
    return one_of_each((names.PROVIDER, name), aggregate("group", shown, (names.PROVIDER, name, names.MODEL)))


def _share(spec: Spec) -> Alert:
    by, step = by_gateway(spec), spec.prometheus.step
    unpriced = sum_by(by, sum_of_steps(series(names.unpriced_tokens(step)), UNPRICED_WITHIN))
    used = sum_by(by, sum_of_steps(series(names.tokens(step)), UNPRICED_WITHIN))
    percent = binary(binary(scalar(100), "*", unpriced), "/", used)
    many = binary(unpriced, ">=", scalar(SHARE_OF_TOKENS))
    return Alert(
        alert=alert_names.UNPRICED_SHARE,
        expr=both(binary(percent, ">", scalar(SHARE_PERCENT)), many),
        hold=SHARE_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "So many LLM tokens have no price that the dollars are no longer usable.",
            "description": (
                f"{value(decimals=1)} percent of the tokens that gateway {label(names.GATEWAY)} used in the last hour "
                f"have no price, and up to {SHARE_PERCENT} percent are tolerated. Budgets and totals leave them out, "
                f"and a price that is added later does not count backwards. {alert_names.UNPRICED} names the models: "
                "add them to models in the spec."
            ),
        },
    )


def _prices_missing(spec: Spec) -> Alert:
    stated = len({(model.provider, model.name) for model in spec.models})
    # A millisecond back, or no test could withhold a price: at its own instant promtool has always just recorded it.
    recorded = series(names.PRICE, eq(names.SPEC, spec.id)).now(Duration(1))
    models = aggregate("count", aggregate("group", recorded, (names.PROVIDER, names.MODEL)))
    return Alert(
        alert=alert_names.PRICES_STALE,
        expr=binary(either(models, vector(0)), "<", scalar(stated)),
        hold=PRICES_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "Prices of the spec are not recorded, so what is used at them is not billed.",
            "description": (
                f"Prometheus has the prices of {value(decimals=0)} of the {stated} models in the spec. Tokens of the "
                "others count as unpriced, and are not billed later. Look on Prometheus' page Status > Rules for "
                f"groups {names.GROUP_PREFIX}.prices that fail or are not there, and apply {names.MONITORING_FILE} "
                "again."
            ),
        },
    )


def _not_listed(spec: Spec) -> Alert:
    """Of models that used tokens and are not free: the gateway's dollars lack nothing of others."""
    by = _by_names(spec)
    lookups = scraped(spec, names.CATALOG_LOOKUPS).where(none_of(names.STATUS, [names.EXACT, names.NO_CATALOG]))
    many = binary(sum_by((*by, names.STATUS), risen(spec, lookups, LOOKUPS_WITHIN)), ">=", scalar(LOOKUPS_ENOUGH))
    used = binary(under_figures_gateway(spec, series(names.USAGE_SEEN).now()), ">", scalar(0))
    return Alert(
        alert=alert_names.CATALOG,
        expr=unless(both(many, used, on=by), _free(), on=by),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway's own price catalog has no price for a model, so its own dollars are too low.",
            "description": (
                f"{value(decimals=0)} requests through gateway {label(names.GATEWAY)} in the last {LOOKUPS_WITHIN} to "
                f"provider {label(names.PROVIDER)}, request model {label(names.REQUEST_MODEL)}, response model "
                f"{label(names.RESPONSE_MODEL)}, found no price in its catalog: {label(names.STATUS)} (Missing: the "
                "model is not listed, Unpriced: it is listed without rates). The gateway's own dollars lack them. The "
                f"figures here are made of the prices in the spec: they lack them too where {alert_names.UNPRICED} "
                "names this model, and nowhere else. Add the model to the gateway's catalog."
            ),
        },
    )


def _free() -> Expr:
    """Usage of models that cost nothing by the spec."""
    price = aggregate("max", series(names.PRICE_NOW).now(), (names.PROVIDER, names.MODEL))
    booked = copy_label(series(names.USAGE_BOOKED).now(), names.GATEWAY, names.BOOKED_GATEWAY)
    return both(booked, binary(price, "==", scalar(0)), on=(names.PROVIDER, names.MODEL))


def _no_catalog(spec: Spec) -> Alert:
    """Only where other look-ups find a catalog: to have none is the default, and nothing here needs one."""
    kept, lookups = by_gateway(spec), scraped(spec, names.CATALOG_LOOKUPS)
    without, found = (
        binary(sum_by(kept, risen(spec, lookups.where(matcher), LOOKUPS_WITHIN)), ">=", scalar(LOOKUPS_ENOUGH))
        for matcher in (eq(names.STATUS, names.NO_CATALOG), none_of(names.STATUS, [names.NO_CATALOG]))
    )
    return Alert(
        alert=alert_names.CATALOG,
        expr=labelled(both(without, found), names.STATUS, names.NO_CATALOG),
        hold=CATALOG_FOR,
        labels={names.SEVERITY: "info"},
        annotations={
            "summary": "Some pods of an AI gateway have no price catalog, so its own dollars are too low.",
            "description": (
                f"{value(decimals=0)} requests through gateway {label(names.GATEWAY)} in the last {LOOKUPS_WITHIN} "
                "met no catalog at all (NoCatalog), while others met one. The gateway's own dollars lack what these "
                "cost. The figures here are made of the prices in the spec and need no catalog. Likely causes, in "
                "order: pods from before the catalog was mounted (restart them); a gateway class or a route of the "
                "rollout whose pods do not mount it."
            ),
        },
    )

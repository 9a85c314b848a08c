"""Facts of this spec that say two things of one: most often an object of an older spec that was never deleted.

No fact stops a rule: of two prices the higher counts, a name of two models stands for itself and is unpriced, and of
two gateways or versions one is taken. So the figures go on, and are wrong until somebody is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, listed, own, row_label, row_value, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import Expr, aggregate, binary, call, copy_label, count_values, either, eq, scalar, series
from tollbook.gen.spec import Spec
from tollbook.rules.prices import PRICED
from tollbook.rules.selectors import facts

#: When rules are applied anew, what the old ones recorded is in sight for five minutes more.
CONTRADICTED_FOR = Duration.parse("10m")

#: Two rules that write one series by turns change it at every step; a new price does so once.
ALTERNATING_WITHIN = Duration.parse("15m")
ALTERNATING_TIMES = 3

#: A label that lives inside one expression only: what is claimed.
_CLAIM = "claim"

_WHY = (
    "Likely causes, in order: an object with rules of an older spec was not deleted when a new one was applied; two "
    f"folders made from specs of one name and namespace are applied. Look for PrometheusRules or rule files that the "
    f"present {names.MONITORING_FILE} does not have, and delete them."
)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = tuple(_alerts(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.contradictions", spec.prometheus.step, alerts, home="contradictions"),)


def _alerts(spec: Spec) -> Iterator[Alert]:
    yield _price(spec)
    yield _alternating_price(spec)
    yield _model(spec)
    yield _gateway(spec)
    if any(gateway.instances for gateway in spec.gateways):
        yield _instance(spec)


def _alert(fact: str, expr: Expr, severity: str, hold: Duration, description: str) -> Alert:
    return Alert(
        alert=alert_names.FACT_CONTRADICTED,
        expr=expr,
        hold=hold,
        labels={names.SEVERITY: severity, names.FACT: fact},
        annotations={"summary": "Rules say two things of one price, model or gateway.", "description": description},
    )


def _claims(claimed: Expr, by: tuple[str, ...]) -> Expr:
    """How many different things are said of each, where it is more than one."""
    return binary(aggregate("count", claimed, by), ">", scalar(1))


# ---- Prices ----------------------------------------------------------------------------------------------------------


def _which_price() -> str:
    return f"{label(names.MODEL)} of provider {label(names.PROVIDER)}, {label(names.TOKEN_TYPE)} tokens,"


def _price(spec: Spec) -> Alert:
    cards = facts(spec, names.PRICE)
    shown = call("sort_desc", cards.where(*(own(each) for each in PRICED)).now())
    row = f"\n- {row_value(decimals=4)} USD per 1M tokens{row_label(', format ', names.STATED_FORMAT)}"
    return _alert(
        "price",
        _claims(count_values(_CLAIM, cards.now(), (*PRICED, names.STATED_FORMAT)), PRICED),
        "critical",
        CONTRADICTED_FOR,
        f"Model {_which_price()} has {value(decimals=0)} price cards at one time. The highest counts, so spend may be "
        f"overstated, and a format that is in dispute is not used. {_WHY} The cards:{listed(shown, row)}",
    )


def _alternating_price(spec: Spec) -> Alert:
    changes = aggregate("max", call("changes", facts(spec, names.PRICE).range(ALTERNATING_WITHIN)), PRICED)
    return _alert(
        "alternating price",
        binary(changes, ">=", scalar(ALTERNATING_TIMES)),
        "critical",
        Duration(0),
        f"The price of model {_which_price()} changed {value(decimals=0)} times in the last {ALTERNATING_WITHIN}: two "
        f"rules record it by turns, and which one counts is chance. {_WHY}",
    )


# ---- Names -----------------------------------------------------------------------------------------------------------


def _model(spec: Spec) -> Alert:
    by = (names.PROVIDER, names.RESPONSE_MODEL)
    cards = facts(spec, names.PRICE, eq(names.TOKEN_TYPE, names.INPUT)).now()
    shown = either(copy_label(cards, names.RESPONSE_MODEL, names.MODEL), facts(spec, names.MODEL_ALIAS).now())
    # A card whose format is in dispute is told by its price.
    named = aggregate("group", shown, (*by, names.MODEL))
    of_name = (own(each) for each in by)
    row = row_label("\n- ", names.MODEL)
    aliases = facts(spec, names.MODEL_ALIAS, *of_name).now()
    return _alert(
        "name",
        _claims(named, by),
        "warning",
        CONTRADICTED_FOR,
        f"The name {label(names.RESPONSE_MODEL)} of provider {label(names.PROVIDER)} stands for {value(decimals=0)} "
        f"models. It is taken for none of them: what is used under it has no price, unless it is a model's own name. "
        f"{_WHY} It is an alias of:{listed(aliases, row)}",
    )


# ---- Gateways --------------------------------------------------------------------------------------------------------


def _gateway(spec: Spec) -> Alert:
    said = (names.JOB, names.VERSION, names.SEMANTICS, names.LEGACY)
    shown = facts(spec, names.GATEWAY_INFO, own(names.GATEWAY)).now()
    row = f"\n- version{row_label(' ', names.VERSION)}{row_label(', job ', names.JOB)}"
    return _alert(
        "gateway",
        _claims(aggregate("group", facts(spec, names.GATEWAY_INFO).now(), (names.GATEWAY, *said)), (names.GATEWAY,)),
        "warning",
        CONTRADICTED_FOR,
        f"Gateway {label(names.GATEWAY)} is stated in {value(decimals=0)} ways. One is taken, whichever comes first: "
        "pods whose build tells no release may be counted by the wrong version, and a gateway of another job may be "
        f"left out. {_WHY} It is stated as:{listed(shown, row)}",
    )


def _instance(spec: Spec) -> Alert:
    by = (names.JOB, names.INSTANCE)
    shown = series(names.GATEWAY_INSTANCE, eq(names.SPEC, spec.id), *(own(each) for each in by)).now()
    named = aggregate("group", facts(spec, names.GATEWAY_INSTANCE).now(), (*by, names.GATEWAY))
    return _alert(
        "target",
        _claims(named, by),
        "warning",
        CONTRADICTED_FOR,
        f"Target {label(names.INSTANCE)} of job {label(names.JOB)} is given to {value(decimals=0)} gateways. Its spend "
        f"is booked under one of them, whichever comes first. {_WHY} They are:"
        f"{listed(shown, row_label(f'{chr(10)}- ', names.GATEWAY))}",
    )

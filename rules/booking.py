"""Under which labels usage is booked: its gateway, its model, its owner; and what its pod's token counts mean.

Callers choose the names of models and of owners, so both are folded here, before anything is joined: what is beyond a
limit is summed as `other`, and no total loses it. The values kept apart are those that used most. That needs no memory,
so a restart or a second Prometheus finds the same ones.
"""

from __future__ import annotations

from functools import reduce

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import ANTHROPIC, OPENAI, RENAMED_PROVIDERS, SPEAKS_ANTHROPIC
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    copy_label,
    either,
    either_on,
    eq,
    join_labels,
    label_replace,
    labelled,
    largest,
    matches,
    matches_not,
    over_time,
    regex_literal,
    scalar,
    series,
    sum_by,
    unless,
    without_label,
)
from tollbook.gen.spec import Attribution, Spec
from tollbook.rules import budget_facts, owners, semantics
from tollbook.rules.selectors import (
    Stage,
    by_gateway,
    carried,
    existing,
    fact,
    facts,
    pod,
    recorded,
    scraped,
    settled,
    usage,
)

#: Values that name nobody. They do not compete for a place and are never summed as others.
NOBODY = f"{names.UNKNOWN}|"

#: The model's name in figures, and its names in the metrics where the spec does not list it.
MODEL_LABELS = (names.MODEL, names.BOOKED_REQUEST_MODEL, names.BOOKED_RESPONSE_MODEL)

_BY_RESPONSE = (names.PROVIDER, names.RESPONSE_MODEL)
_BY_REQUEST = (names.PROVIDER, names.REQUEST_MODEL)

#: The provider's present name, until series are summed.
_BOOKED_PROVIDER = f"booked_{names.PROVIDER}"

#: Between two texts that are joined to be matched as one; no name holds a tab.
_TAB = "\t"


def rules(spec: Spec) -> tuple[Recording, ...]:
    shares = [_share(spec, entry) for entry in spec.attribution]
    return (
        Recording(
            names.USAGE_SEEN,
            _seen(spec),
            note="Tokens so far, of each pod, pair of model names and owner that shows usage.",
        ),
        Recording(
            names.MODEL_NAMES, _names(spec), note="The model of each name in the metrics; a name of two has none."
        ),
        *([Recording(names.ATTRIBUTION_BOOKED, either(*shares), note="Owners that are kept apart.")] if shares else []),
        Recording(
            names.USAGE_BOOKED,
            _booked(spec),
            note="How each of these is booked: under which names, and what its pod's token counts mean.",
        ),
    )


# ---- Labels ----------------------------------------------------------------------------------------------------------


def identity(spec: Spec) -> tuple[str, ...]:
    """What usage is known by in the metrics: pod, gateway, model names, and who spends."""
    owners = (entry.label for entry in spec.attribution)
    return (*pod(spec), names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, *owners)


def _renamed(spec: Spec) -> dict[str, str]:
    """Label of figures -> the label under which its value stands until series are summed: before that, two values may
    not become one."""
    renamed = {entry.label: f"booked_{entry.label}" for entry in spec.attribution}
    if _renamed_providers(spec):
        renamed[names.PROVIDER] = _BOOKED_PROVIDER
    if owners.names_standalone(spec):
        renamed[names.GATEWAY] = names.BOOKED_GATEWAY
    return renamed


def booked_labels(spec: Spec) -> tuple[str, ...]:
    return tuple(_renamed(spec).values())


def placed(spec: Spec) -> list[str]:
    """Gateway, provider and owner as they stand in what is summed by pod."""
    renamed = _renamed(spec)
    owners = (entry.label for entry in spec.attribution)
    return [renamed[each] if each in renamed else each for each in (names.GATEWAY, names.PROVIDER, *owners)]


def in_figures(spec: Spec, expr: Expr) -> Expr:
    """Summed usage under the labels of figures."""
    for label, booked in _renamed(spec).items():
        expr = without_label(copy_label(expr, label, booked), booked)
    return expr


def own_labels(spec: Spec, usage: Expr) -> Expr:
    """With the metric's own owner where a label of its target hides it."""
    for entry in spec.attribution:
        usage = copy_label(usage, entry.label, f"{names.EXPORTED_PREFIX}{entry.label}")
    return usage


# ---- What is seen ----------------------------------------------------------------------------------------------------


def _seen(spec: Spec) -> Expr:
    """Also of requests that used no tokens: they count as requests."""
    by = identity(spec)
    used = sum_by(by, own_labels(spec, settled(spec, scraped(spec, names.TOKEN_USAGE_SUM))))
    others = (
        binary(scalar(0), "*", aggregate("group", own_labels(spec, existing(spec, scraped(spec, metric))), by))
        for metric in (names.LLM_REQUESTS, names.REPORTED_USD)
    )
    return both(either(used, *others), _is_open(spec), on=())


def _is_open(spec: Spec) -> Expr:
    """The ledger begins when every model has its price and its names: the first evaluation after the rules were loaded
    may come before that of a fact. It waits for no more than one."""
    models = len({(model.provider, model.name) for model in spec.models})
    priced = aggregate("group", facts(spec, names.PRICE).now(), (names.PROVIDER, names.MODEL))
    complete = binary(aggregate("count", priced), ">=", scalar(models))
    if aliases := sum(len(model.aliases) for model in spec.models):
        known = aggregate("count", facts(spec, names.MODEL_ALIAS).now())
        complete = both(complete, binary(known, ">=", scalar(aliases)), on=())
    ran_before = over_time("last", series(names.TARGET_MAY_BEAR), spec.prometheus.gap, Duration(1))
    return either_on((), complete, aggregate("group", ran_before))


# ---- Models ----------------------------------------------------------------------------------------------------------


def _names(spec: Spec) -> Expr:
    """A model's own name, and its aliases. A name of two models, left behind by a spec of before for example, is
    ambiguous: it stands for itself, so what bears it is unpriced, and nothing else is. Each stands under its provider's
    former name too."""
    cards = facts(spec, names.PRICE, eq(names.TOKEN_TYPE, names.INPUT)).now()
    by = (*_BY_RESPONSE, names.MODEL, names.STATED_FORMAT)
    own_names = copy_label(cards, names.RESPONSE_MODEL, names.MODEL)
    shown = either(own_names, facts(spec, names.MODEL_ALIAS).now())
    for former, present in _renamed_providers(spec).items():
        shown = either(shown, label_replace(shown, names.PROVIDER, former, names.PROVIDER, regex_literal(present)))
    named = aggregate("group", shown, by)
    twice = binary(aggregate("count", named, _BY_RESPONSE), ">", scalar(1))
    itself = copy_label(aggregate("group", twice, _BY_RESPONSE), names.MODEL, names.RESPONSE_MODEL)
    known = either(unless(named, twice, on=_BY_RESPONSE), itself)
    return carried(spec, names.MODEL_NAMES, known)


def _responses(spec: Spec) -> Expr:
    return recorded(spec, series(names.MODEL_NAMES), of=Stage.SEEN, at=Stage.BOOKED)


def _requests(spec: Spec) -> Expr:
    """The same names, to be looked up as those that were asked for."""
    return copy_label(_responses(spec), names.REQUEST_MODEL, names.RESPONSE_MODEL)


def _model_of(spec: Spec) -> Expr:
    """Each usage with its model: by the response model, else by the request model, and by exact names only; what has
    neither, under its own name."""
    one = binary(usage(spec, Stage.BOOKED), ">= bool", scalar(0))
    by_names = (names.MODEL, names.STATED_FORMAT)
    answered = binary(one, "*", _responses(spec), on=_BY_RESPONSE, group_left=by_names)
    asked_for = binary(one, "*", _requests(spec), on=_BY_REQUEST, group_left=by_names)
    by = (*by_gateway(spec), names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
    kept = both(_under_its_own_name(one), _unlisted(spec, by), on=by)
    return either_on(identity(spec), answered, asked_for, kept, reduce(_as_other, MODEL_LABELS, one))


def _unlisted(spec: Spec, by: tuple[str, ...]) -> Expr:
    """The names that the spec does not list, as many as are kept apart."""
    by_response = unless(usage(spec, Stage.BOOKED), _responses(spec), on=_BY_RESPONSE)
    used = sum_by(by, unless(by_response, _requests(spec), on=_BY_REQUEST))
    return largest(spec.limits.models_per_gateway, used, by_gateway(spec))


def _under_its_own_name(usage: Expr) -> Expr:
    """The response model, or where it is unknown the request model."""
    named = join_labels(usage, names.MODEL, _TAB, names.RESPONSE_MODEL, names.REQUEST_MODEL)
    named = label_replace(named, names.MODEL, "$2", names.MODEL, f"({names.UNKNOWN})?{_TAB}(.*)")
    named = label_replace(named, names.MODEL, "$1", names.MODEL, f"([^{_TAB}]+){_TAB}.*")
    named = copy_label(named, names.BOOKED_REQUEST_MODEL, names.REQUEST_MODEL)
    return copy_label(named, names.BOOKED_RESPONSE_MODEL, names.RESPONSE_MODEL)


def _as_other(expr: Expr, label: str) -> Expr:
    return labelled(expr, label, names.OTHER)


# ---- Owners ----------------------------------------------------------------------------------------------------------


def _share(spec: Spec, entry: Attribution) -> Expr:
    """A series for each value of the label, with the value under which it is booked. Each gateway and cluster has the
    limit for itself, and the values that budgets name have places of their own."""
    by = (*by_gateway(spec), entry.label)
    named, nobody = (
        sum_by(by, usage(spec, Stage.SHARES, matcher))
        for matcher in (matches_not(entry.label, NOBODY), matches(entry.label, NOBODY))
    )
    competing = [named]
    if budget_facts.named(spec, entry.label):
        budgeted = fact(spec, names.BUDGET_NAMED, eq(names.ATTRIBUTION, entry.label))
        competing = [unless(named, budgeted, on=(entry.label,)), both(named, budgeted, on=(entry.label,))]
    biggest = largest(entry.limit, competing[0], by_gateway(spec))
    apart = aggregate("group", either(biggest, *competing[1:], nobody), by)
    booked = _renamed(spec)[entry.label]
    others = labelled(aggregate("group", usage(spec, Stage.SHARES), by), booked, names.OTHER)
    shares = either_on(by, copy_label(apart, booked, entry.label), others)
    return labelled(shares, names.ATTRIBUTION, entry.label)


# ---- Everything together ---------------------------------------------------------------------------------------------


def _booked(spec: Spec) -> Expr:
    booked = binary(
        _with_format(_model_of(spec)), "*", semantics.of_pods(spec), on=pod(spec), group_left=(names.SEMANTICS,)
    )
    if renamed := _renamed_providers(spec):
        booked = _under_present_names(booked, renamed)
    if owners.names_standalone(spec):
        owner = owners.of_pods(spec)
        booked = binary(booked, "*", owner, on=(*pod(spec), names.GATEWAY), group_left=(_renamed(spec)[names.GATEWAY],))
    for entry in spec.attribution:
        matcher = eq(names.ATTRIBUTION, entry.label)
        share = recorded(spec, series(names.ATTRIBUTION_BOOKED, matcher), of=Stage.SHARES, at=Stage.BOOKED)
        on = (*by_gateway(spec), entry.label)
        booked = binary(booked, "*", share, on=on, group_left=(_renamed(spec)[entry.label],))
    return owners.counted_here(spec, booked)


def _renamed_providers(spec: Spec) -> dict[str, str]:
    """Former name -> present name, of the providers in the spec."""
    providers = {model.provider for model in spec.models}
    return {former: present for former, present in RENAMED_PROVIDERS.items() if present in providers}


def _with_format(usage: Expr) -> Expr:
    """In which format the provider reports usage: by its name, by the model's where it serves several, or as stated."""
    joined = join_labels(usage, names.FORMAT, _TAB, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
    anthropic = label_replace(joined, names.FORMAT, ANTHROPIC, names.FORMAT, SPEAKS_ANTHROPIC)
    either_one = label_replace(anthropic, names.FORMAT, OPENAI, names.FORMAT, f".*{_TAB}.*")
    return without_label(copy_label(either_one, names.FORMAT, names.STATED_FORMAT), names.STATED_FORMAT)


def _under_present_names(usage: Expr, renamed: dict[str, str]) -> Expr:
    shown = copy_label(usage, _BOOKED_PROVIDER, names.PROVIDER)
    for former, present in renamed.items():
        shown = label_replace(shown, _BOOKED_PROVIDER, present, names.PROVIDER, regex_literal(former))
    return shown

"""Under which label values increments are summed: providers by their present names, and no more values of an
attribution label than its limit allows. What is beyond is summed as `other`: nothing is lost from a total.

The values kept apart are those whose counters stand highest on the gateway's pods. That needs no memory, so a restart
or a second Prometheus finds the same ones, and it settles on the largest spenders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tollbook.gen import names
from tollbook.gen.gateways import RENAMED_PROVIDERS
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    copy_label,
    either,
    either_on,
    label_replace,
    labelled,
    largest,
    matches,
    matches_not,
    regex_literal,
    scalar,
    sum_by,
    sum_without,
)
from tollbook.gen.spec import Attribution, Spec
from tollbook.rules.scrapes import existing, scraped, settled

#: Values that name nobody. They do not compete for a place and are never summed as others.
NOBODY = f"{names.UNKNOWN}|"


def summed(
    spec: Spec, by: Sequence[str], increments: Expr, counter: Selector, without_tokens: bool = False
) -> Expr:
    """The increments of a counter, summed by these labels. Where it also counts what used no tokens, whoever used none
    at all has one of the places that are left."""
    renamed = _renamed_providers(spec)
    shown = {entry.label: _shown(entry.label) for entry in spec.attribution}
    if renamed:
        shown[names.PROVIDER] = _shown(names.PROVIDER)
        increments = _under_present_names(increments, renamed)
    for entry in spec.attribution:
        places = _places(spec, entry, counter, without_tokens)
        on = (names.GATEWAY, entry.label, *spec.prometheus.keep_labels)
        increments = binary(increments, "*", places, on=on, group_left=[_shown(entry.label)])
    # Two values may become one, which no series may do before it is summed: until then they stand under another label.
    total = sum_by([shown[label] if label in shown else label for label in by], increments)
    for label, other_label in shown.items():
        total = copy_label(total, label, other_label)
    return sum_without(sorted(shown.values()), total) if shown else total


def _shown(label: str) -> str:
    return f"shown_{label}"


def _renamed_providers(spec: Spec) -> Mapping[str, str]:
    """Former name -> present name, of the providers in the spec."""
    providers = {model.provider for model in spec.models}
    return {former: present for former, present in RENAMED_PROVIDERS.items() if present in providers}


def _under_present_names(increments: Expr, renamed: Mapping[str, str]) -> Expr:
    shown = copy_label(increments, _shown(names.PROVIDER), names.PROVIDER)
    for former, present in renamed.items():
        shown = label_replace(shown, _shown(names.PROVIDER), present, names.PROVIDER, regex_literal(former))
    return shown


def _places(spec: Spec, entry: Attribution, counter: Selector, without_tokens: bool) -> Expr:
    """A series for each value that the counter has now, at the least, with the value under which it is shown. Each
    cluster has the limit for itself, as it has a gateway of its own."""
    clusters, by = (names.GATEWAY, *spec.prometheus.keep_labels), (names.GATEWAY, entry.label, *spec.prometheus.keep_labels)
    named, nobody = matches_not(entry.label, NOBODY), matches(entry.label, NOBODY)
    used = sum_by(by, settled(spec, scraped(spec, names.TOKEN_USAGE_SUM).where(named)))
    if without_tokens:
        used = either(used, binary(scalar(0), "*", sum_by(by, settled(spec, counter.where(named)))))
    nobodys = aggregate("group", existing(spec, counter.where(nobody)), by)
    own_place = aggregate("group", either(largest(entry.limit, used, clusters), nobodys), by)
    others = labelled(aggregate("group", existing(spec, counter), by), _shown(entry.label), names.OTHER)
    return either_on(by, copy_label(own_place, _shown(entry.label), entry.label), others)

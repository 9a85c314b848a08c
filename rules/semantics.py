"""What `input` means on each pod that shows usage: by the release it runs, else by the version that the spec states."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import (
    BEFORE_LEGACY,
    LAST_WITH_LEGACY_SEMANTICS,
    TokenSemantics,
    semantics_by_tag,
    tag_of,
    token_semantics,
    unlisted_semantics,
)
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    either_on,
    eq,
    labelled,
    matches,
    one_of_each,
    over_time,
)
from tollbook.gen.spec import Spec
from tollbook.rules import owners
from tollbook.rules.selectors import Stage, fact, pod, scraped, step_end, usage


def of_pods(spec: Spec) -> Expr:
    """One meaning for each pod: of its release, else as the spec says of its gateway, else as it says of those that it
    does not name."""
    pods = aggregate("group", usage(spec, Stage.BOOKED), (*pod(spec), names.GATEWAY))
    by_release = [_labelled(spec, _shows(spec, regex), row) for regex, row in semantics_by_tag()]
    unlisted = _labelled(spec, pods, unlisted_semantics(spec))
    legacy = [_legacy(spec, pods)] if any(gateway.legacy_token_semantics for gateway in spec.gateways) else []
    return one_of_each(pod(spec), either_on(pod(spec), *legacy, *by_release, _stated(spec, pods), unlisted))


def _stated(spec: Spec, pods: Expr) -> Expr:
    by = (names.GATEWAY, names.SEMANTICS)
    stated = one_of_each((names.GATEWAY,), aggregate("group", fact(spec, names.GATEWAY_INFO), by))
    on_pods = binary(owners.owned(spec, pods), "*", stated, on=(names.GATEWAY,), group_left=(names.SEMANTICS,))
    return aggregate("group", on_pods, (*pod(spec), names.SEMANTICS))


def _labelled(spec: Spec, pods: Expr, row: TokenSemantics) -> Expr:
    return labelled(aggregate("group", pods, pod(spec)), names.SEMANTICS, row.name)


def _shows(spec: Spec, regex: str) -> Expr:
    """In a millisecond less than the step: Prometheus 2 would also read what stood at the very end of the one before,
    which may be the release that a container ran before it was replaced."""
    build = scraped(spec, names.BUILD_INFO, matches(names.TAG, regex))
    return over_time("present", build, spec.prometheus.step - Duration(1), step_end(spec, Stage.BOOKED))


def _legacy(spec: Spec, pods: Expr) -> Expr:
    """Pods of the one release that can be told to count as those before it did."""
    told = fact(spec, names.GATEWAY_INFO, eq(names.LEGACY, "true"))
    of_gateways = both(owners.owned(spec, pods), told, on=(names.GATEWAY,))
    release = _shows(spec, tag_of(LAST_WITH_LEGACY_SEMANTICS))
    return _labelled(spec, both(of_gateways, release, on=pod(spec)), token_semantics(BEFORE_LEGACY))

"""What the spec says of gateways, as series: which are expected, what their tokens mean, whose a target is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.gateways import stated_semantics
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import Expr, either, labelled, vector
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules.selectors import fact

#: Prometheus evaluates a rule of fifty terms in milliseconds; it refuses one of thousands.
TERMS_PER_RULE = 50

Labels = Mapping[str, str]


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    return (group(spec, "facts", "facts", [*_expected(spec), *_instances(spec)]),)


def group(spec: Spec, name: str, home: str, rules: Iterable[Recording]) -> RuleGroup:
    return RuleGroup(f"{names.GROUP_PREFIX}.{name}", spec.prometheus.step, tuple(rules), home=home)


def packed(spec: Spec, record: str, rows: Iterable[tuple[Labels, Labels]], note: str = "") -> Iterator[Recording]:
    """Series of value one, packed: rows whose first labels are equal share rules, in which the second ones differ."""
    return packed_values(spec, record, ((shared, own, Decimal(1)) for shared, own in rows), note)


def packed_values(
    spec: Spec, record: str, rows: Iterable[tuple[Labels, Labels, Decimal]], note: str = ""
) -> Iterator[Recording]:
    """The same of any values."""
    packs: dict[tuple[tuple[str, str], ...], list[tuple[Labels, Decimal]]] = {}
    for shared, own, amount in rows:
        packs.setdefault(tuple(shared.items()), []).append((own, amount))
    for labels, series in packs.items():
        for number, start in enumerate(range(0, len(series), TERMS_PER_RULE), start=1):
            expr = either(*(_one(*each) for each in series[start : start + TERMS_PER_RULE]))
            # No two rules record the same series: promtool calls rules of equal labels duplicates.
            pack = {names.PACK: str(number)} if number > 1 else {}
            yield Recording(record, expr, {names.SPEC: spec.id, **dict(labels), **pack}, note)


def _one(labels: Labels, amount: Decimal) -> Expr:
    expr = vector(amount)
    for label, text in labels.items():
        expr = labelled(expr, label, text)
    return expr


# ---- Gateways --------------------------------------------------------------------------------------------------------


def _expected(spec: Spec) -> Iterator[Recording]:
    rows = ((_stated(gateway), {names.GATEWAY: gateway.id}) for gateway in spec.gateways)
    return packed(spec, names.GATEWAY_INFO, rows, "The gateways that the spec names.")


def _stated(gateway: Gateway) -> Labels:
    version = ".".join(map(str, gateway.version))
    legacy = {names.LEGACY: "true"} if gateway.legacy_token_semantics else {}
    return {names.JOB: gateway.job, names.VERSION: version, names.SEMANTICS: stated_semantics(gateway).name, **legacy}


def _instances(spec: Spec) -> Iterator[Recording]:
    rows = (
        ({names.JOB: gateway.job, names.GATEWAY: gateway.id}, {names.INSTANCE: instance})
        for gateway in spec.gateways
        for instance in gateway.instances
    )
    return packed(spec, names.GATEWAY_INSTANCE, rows, "The targets of gateways that do not know their own names.")


def instances(spec: Spec) -> Expr | None:
    """One series for each target that the spec names by its address; None: it names none."""
    return fact(spec, names.GATEWAY_INSTANCE) if any(gateway.instances for gateway in spec.gateways) else None

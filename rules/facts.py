"""What the spec says of gateways, as series: which are expected, what their tokens mean, whose a target is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tollbook.gen import names
from tollbook.gen.gateways import stated_semantics
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import Expr, either, labelled, vector
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules.selectors import fact

#: Prometheus evaluates a rule of fifty terms in milliseconds; it refuses one of thousands.
TERMS_PER_RULE = 50

#: Mimir's ruler accepts no more in a group.
RULES_PER_GROUP = 20

Labels = Mapping[str, str]


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    return groups(spec, "facts", "facts", [*_expected(spec), *_instances(spec)])


def groups(spec: Spec, name: str, home: str, rules: Sequence[Recording]) -> tuple[RuleGroup, ...]:
    """In their order, as few as hold them."""
    parts = [rules[start : start + RULES_PER_GROUP] for start in range(0, len(rules), RULES_PER_GROUP)]
    return tuple(
        RuleGroup(
            f"{names.GROUP_PREFIX}.{name}" + (f".{number}" if number > 1 else ""),
            spec.prometheus.step,
            tuple(part),
            home=home,
        )
        for number, part in enumerate(parts, start=1)
    )


def packed(spec: Spec, record: str, rows: Iterable[tuple[Labels, Labels]], note: str = "") -> Iterator[Recording]:
    """Series of value one, packed: rows whose first labels are equal share rules, in which the second ones differ."""
    packs: dict[tuple[tuple[str, str], ...], list[Labels]] = {}
    for shared, own in rows:
        packs.setdefault(tuple(shared.items()), []).append(own)
    for labels, owns in packs.items():
        for start in range(0, len(owns), TERMS_PER_RULE):
            expr = either(*map(_one, owns[start : start + TERMS_PER_RULE]))
            yield Recording(record, expr, {names.SPEC: spec.id, **dict(labels)}, note)


def _one(labels: Labels) -> Expr:
    expr = vector(1)
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

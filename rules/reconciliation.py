"""Our dollars against the gateway's own: two ways from the same requests, which must meet."""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, listed, own, row_value, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, RuleGroup
from tollbook.gen.promql import binary, both, call, either, scalar, series, sum_by, sum_of_steps, total
from tollbook.gen.spec import Spec
from tollbook.rules.cost import recorded_cost
from tollbook.rules.selectors import Stage, just_recorded, recorded

HOUR = Duration.parse("1h")

#: Both sides count the same scrapes, so they differ by floats alone where the prices agree. What is left for is a price
#: that changed a minute earlier on one side.
SHARE = Decimal("0.02")
#: A cent: below it nobody wants to be told.
LEAST_USD = Decimal("0.01")
HOLD = Duration.parse("15m")


def rules(spec: Spec) -> tuple[Recording, ...]:
    """In the ledger, step by step: in the hour in which a gateway is given its catalog, what it did not count before is
    no difference."""
    by = (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.prometheus.keep_labels)
    ours = sum_by(by, recorded_cost(spec))
    own = series(names.reported_usd(spec.prometheus.step))
    reported = sum_by(by, recorded(spec, own, of=Stage.METERED, at=Stage.TOTALS))
    # What has no price here has none of our dollars, which is a difference and not a gap.
    difference = binary(either(ours, binary(scalar(0), "*", reported)), "-", reported)
    note = "Where the gateway counted dollars: ours less the gateway's own."
    return (Recording(names.minus_reported(spec.prometheus.step), difference, note=note),)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    step = spec.prometheus.step
    reported, difference = series(names.reported_usd(step)), series(names.minus_reported(step))
    rules = (
        Recording(names.REPORTED_1H, sum_of_steps(reported, HOUR), note="The gateway's own dollars of the last hour."),
        Recording(names.RECONCILIATION, sum_of_steps(difference, HOUR), note="Ours less them."),
        _alert(spec),
    )
    return (RuleGroup(f"{names.GROUP_PREFIX}.reconciliation", step, rules, home="reconciliation"),)


def _alert(spec: Spec) -> Alert:
    by = (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.prometheus.keep_labels)
    difference = sum_by(by, just_recorded(spec, series(names.RECONCILIATION)))
    size = call("abs", difference)
    tolerated = binary(scalar(SHARE), "*", sum_by(by, just_recorded(spec, series(names.REPORTED_1H))))
    worth_telling = both(binary(size, ">", scalar(LEAST_USD)), binary(size, ">", tolerated))
    return Alert(
        alert=alert_names.RECONCILIATION,
        expr=both(difference, worth_telling),
        hold=HOLD,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "Recorded LLM spend is not what the gateway itself counts.",
            "description": (
                f"Gateway {label(names.GATEWAY)}, provider {label(names.PROVIDER)}, model {label(names.MODEL)}: in the "
                f"last hour the dollars recorded here less the gateway's own are {value(decimals=2)}, more than "
                f"{SHARE * 100:.0f} percent of them. Likely causes, in order: (1) tokens are meant otherwise: cached "
                f"ones are counted twice or left out, because the gateway reports them wrong ({alert_names.MISREAD}), "
                "the model's format in the spec is not its provider's, or the pods run a build of which the spec says "
                f"another version ({alert_names.VERSION_UNKNOWN}); (2) one side knows a condition that the "
                "other does not: a tier for long contexts, a service tier; (3) the model's prices in the spec and in "
                "the gateway's catalog differ, or are only in one of them. Compare the gateway's log of one request "
                "with the provider's invoice, then the prices." + _both_sides(spec)
            ),
        },
    )


def _both_sides(spec: Spec) -> str:
    """The dollars of each, as the end of a text."""
    labels = (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.prometheus.keep_labels)
    same = [own(each) for each in labels]
    reported, difference = (total(series(record, *same).now()) for record in (names.REPORTED_1H, names.RECONCILIATION))
    sides = (("here", binary(reported, "+", difference)), ("by the gateway", reported))
    return "".join(listed(dollars, f"\n- counted {where}: {row_value(decimals=2)} USD") for where, dollars in sides)

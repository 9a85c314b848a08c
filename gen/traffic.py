"""Made-up traffic for the generated tests: from requests to the series that scraping the gateway would have stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tollbook.gen import names, oracle
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Cell, Request
from tollbook.gen.promtest import absent, constant, input_series, values
from tollbook.gen.spec import Budget, Gateway, Model, Monitor, Spec

#: The step at which the first request arrives: the earliest that is known to come after a scrape without it. promtool
#: evaluates all rules at every step, so tests begin as early and end as soon as they can.
BORN = 1

#: Tokens come in thousands: with prices of six decimals every cost is then a whole number of billionths of a dollar.
TOKENS = 1000

UNLISTED_MODEL = "tollbook-test-model-without-price"


def instant(spec: Spec, steps: int) -> Duration:
    return Duration(spec.prometheus.step.milliseconds * steps)


def ending(spec: Spec, moment: Duration, *samples: str) -> str:
    """These samples, a step apart, of which the last comes at this moment or less than a step before it."""
    index = moment.milliseconds // spec.prometheus.step.milliseconds
    return values(absent(index + 1 - len(samples)), *samples)


def steps_in(spec: Spec, duration: Duration) -> int:
    """How many steps hold the whole duration."""
    return -(-duration.milliseconds // spec.prometheus.step.milliseconds)


def counted(spec: Spec, born: int = BORN) -> int:
    """The step at which the ledger holds what a scrape saw at another one."""
    return born + steps_in(spec, spec.prometheus.settle)


#: Where settling is shorter than this, there are more instants in a test than promtool should read.
_SHORTEST_SETTLE = Duration.parse("1s")


def within_settling(spec: Spec) -> Duration:
    """So far apart that two samples lie between the end of a step and its evaluation, and three in a step."""
    return Duration(min(spec.prometheus.settle, spec.prometheus.step).milliseconds // 3)


def is_fine_enough(spec: Spec) -> bool:
    return spec.prometheus.settle >= _SHORTEST_SETTLE


def spend_labels(spec: Spec) -> dict[str, str]:
    """A value for every label that the ledger keeps besides the gateway's own."""
    return {label: f"test-{label}" for label in spec.spend_labels}


def priced_models(spec: Spec) -> list[Model]:
    return [model for model in spec.models if not model.free]


def counts_cached_tokens(gateway: Gateway) -> bool:
    """Whether this version exports what was read from and written to a provider's cache."""
    return gateway.version >= (1, 0)


def card(spec: Spec, model: Model) -> dict[str, str]:
    """What a model's prices are recorded under."""
    return {names.SPEC: spec.id, names.PROVIDER: model.provider, names.MODEL: model.name}


def stated_format(model: Model) -> dict[str, str]:
    return {names.STATED_FORMAT: model.format} if model.format else {}


def target(gateway: Gateway, pod: str) -> dict[str, str]:
    """Of one pod. Only our own monitors say on the target whose it is."""
    labels = {names.JOB: gateway.job, names.INSTANCE: f"{pod}.{gateway.slug}:15020"}
    if gateway.monitor is Monitor.NONE:
        return labels
    return {**labels, names.GATEWAY: gateway.id, names.NAMESPACE: gateway.namespace}


def found(spec: Spec, gateway_id: str = "tollbook-test/gateway") -> Gateway:
    """A gateway that the spec does not name, but selects."""
    namespace, _, name = gateway_id.partition("/")
    selection = spec.selections[0]
    return Gateway(
        name=name,
        namespace=namespace,
        version=selection.version,
        monitor=Monitor.POD,
        job=spec.id,
        instances=(),
        targets=(),
        backends=(),
        histograms=selection.histograms,
        legacy_token_semantics=False,
    )


def owner(gateway: Gateway) -> dict[str, str]:
    """What the gateway's own metrics say of it; where the target says so too, under another name."""
    own = names.GATEWAY if gateway.monitor is Monitor.NONE else f"{names.EXPORTED_PREFIX}{names.GATEWAY}"
    return {own: gateway.id}


def up(spec: Spec, gateway: Gateway, pod: str = "pod", scraped: str = "") -> dict[str, str]:
    """`scraped`: the values of `up`; one all along where it is left out."""
    labels = {**target(gateway, pod), **kept_labels(spec)}
    return input_series(names.UP, labels, scraped or constant(1, counted(spec) + 1))


def known(spec: Spec, gateway: Gateway, pod: str = "pod", steps: int = 0) -> Iterator[dict[str, str]]:
    """What the ledger once recorded of a pod, so many steps after the beginning: in somebody else's job its target does
    not say whose it is."""
    if gateway.monitor is Monitor.NONE:
        labels = {**target(gateway, pod), names.GATEWAY: gateway.id, **kept_labels(spec)}
        yield input_series(names.USAGE_BOOKED, labels, values(absent(steps), "1"))


def counter(spec: Spec, request: Request, token_type: str, seen: str, pod: str = "pod") -> dict[str, str]:
    """One counter of tokens of one pod, with the values that its scrapes saw."""
    labels = {**_counter_labels(spec, request, pod), names.TOKEN_TYPE: token_type}
    return input_series(names.TOKEN_USAGE_SUM, labels, seen)


def usd_counter(spec: Spec, request: Request, seen: str, pod: str = "pod") -> dict[str, str]:
    """One of the gateway's own counters of dollars."""
    return input_series(names.REPORTED_USD, _counter_labels(spec, request, pod), seen)


def request_counter(spec: Spec, request: Request, seen: str, pod: str = "pod") -> dict[str, str]:
    """One counter of LLM requests of one pod."""
    return input_series(names.LLM_REQUESTS, _counter_labels(spec, request, pod), seen)


def build_info(spec: Spec, gateway: Gateway, pod: str, tag: str, steps: int) -> dict[str, str]:
    labels = {**target(gateway, pod), **kept_labels(spec), names.TAG: tag}
    return input_series(names.BUILD_INFO, labels, constant(1, steps))


def _counter_labels(spec: Spec, request: Request, pod: str) -> dict[str, str]:
    return {
        **target(request.gateway, pod),
        **owner(request.gateway),
        names.PROVIDER: oracle.exported_provider(request),
        names.REQUEST_MODEL: request.request_model,
        names.RESPONSE_MODEL: request.response_model,
        **spend_labels(spec),
        **request.labels,
    }


def one_of_each_version(spec: Spec) -> list[Gateway]:
    """Gateways whose rules differ in more than names."""
    found = {(gateway.version, gateway.legacy_token_semantics): gateway for gateway in reversed(spec.gateways)}
    return list(found.values())[::-1]


def counters(spec: Spec, requests: Iterable[Request], pod: str = "pod") -> Iterator[dict[str, str]]:
    """Counters that begin with these requests, as agentgateway's do: it shows no series before its first value."""
    for request in requests:
        for token_type, count in oracle.exported(request, _stated_format(spec, request)).items():
            if count:
                seen = values(absent(BORN), constant(count, counted(spec) + 1 - BORN))
                yield counter(spec, request, token_type, seen, pod)


def _stated_format(spec: Spec, request: Request) -> str:
    model = oracle.model_of(spec, request)
    return model.format if model else ""


def request_of(spec: Spec, gateway: Gateway, model: Model, name: str, **tokens: int) -> Request:
    labels = spend_labels(spec)
    return Request(gateway, model.provider, name, name, labels=labels, **tokens)


def kept_labels(spec: Spec) -> dict[str, str]:
    return {label: value for label, value in spend_labels(spec).items() if label in spec.prometheus.keep_labels}


def labels_of(cell: Cell) -> dict[str, str]:
    """As in the ledger."""
    own = {names.GATEWAY: cell.gateway, names.PROVIDER: cell.provider, names.MODEL: cell.model}
    return {**own, names.TOKEN_TYPE: cell.token_type, **dict(cell.labels)}


def is_counted(budget: Budget, cell: Cell) -> bool:
    return counts(budget, labels_of(cell))


def counts(budget: Budget, labels: Mapping[str, str]) -> bool:
    """Whether the budget counts what bears these labels."""
    return all(any(_fits(labels.get(label, ""), value) for value in values) for label, values in budget.match.items())


def budget_labels(budget: Budget, value: str = "") -> dict[str, str]:
    """What its records bear: of a budget for each value of a label, with that value."""
    per = {names.PER: budget.per, budget.per: value} if budget.per else {}
    return {names.BUDGET: budget.name, names.PERIOD: str(budget.period), **per}


def _fits(text: str, pattern: str) -> bool:
    """`*` stands for any text; alone, for any value that there is."""
    return (
        bool(text or pattern != "*")
        and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
    )


def without_type(cell: Cell) -> dict[str, str]:
    """Under which the token types of a model add up."""
    return {label: value for label, value in labels_of(cell).items() if label != names.TOKEN_TYPE}


def cells(spec: Spec, token_types: Sequence[str]) -> list[Cell]:
    """These types of every gateway, and of one budget of each shape two models that it counts, or the one."""
    model = spec.models[0]
    of_each_shape = {(budget.period, budget.per, budget.counts_by): budget.match for budget in reversed(spec.budgets)}
    counted = [
        {label: values[0].replace("*", "any") for label, values in match.items()} for match in of_each_shape.values()
    ]
    another = [{names.MODEL: f"{model.name}-another", **match} for match in counted]
    everywhere = [{names.GATEWAY: gateway.id} for gateway in spec.gateways]
    found = [
        Cell(
            gateway=match.get(names.GATEWAY, spec.gateways[0].id),
            provider=match.get(names.PROVIDER, model.provider),
            model=match.get(names.MODEL, model.name),
            token_type=token_type,
            labels=tuple((label, match.get(label, value)) for label, value in spend_labels(spec).items()),
        )
        for match in (*everywhere, *counted, *another)
        for token_type in token_types
    ]
    return list(dict.fromkeys(found))

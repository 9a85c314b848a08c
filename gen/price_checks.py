"""Whether models and prices say one thing only: no name claimed twice, no price out of order or of unclear meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tollbook.gen import names
from tollbook.gen.errors import Problem, Severity
from tollbook.gen.gateways import REPORTS_USD_SINCE, reports_usd
from tollbook.gen.sections import also_at, repeats
from tollbook.gen.wording import did_you_mean, quoted

if TYPE_CHECKING:
    from tollbook.gen.errors import Place
    from tollbook.gen.resolve import Resolved
    from tollbook.gen.sections import Section
    from tollbook.gen.spec import Model, Price

#: Values of gen_ai_system that agentgateway is known to write; a custom provider may have any other name.
PROVIDERS = (
    *("openai", "anthropic", "azure", "azure.openai", "aws.bedrock", "copilot", "gcp.gemini", "gcp.vertex_ai"),
    *("custom", "cohere", "ollama", "baseten", "cerebras", "deepinfra", "deepseek", "groq", "huggingface"),
    *("mistral", "openrouter", "togetherai", "xai", "fireworks"),
)
_RATES = ("input", "output", "cache_read", "cache_write")
_CACHE_RATES = ("cache_read", "cache_write")
_MOST_DECIMALS = 6
_MOST_NAMES = 3


def price_findings(resolved: Resolved, today: date | None = None) -> Iterator[Problem]:
    """Without `today` nothing is said of the age of prices."""
    for section, model in zip(resolved.lists["models"], resolved.spec.models, strict=True):
        yield from provider_finding(section, model.provider, section.place("provider"))
        yield from _reserved_name(section, model)
        yield from _prices_or_free(section, model)
        yield from _dates(section, model)
        yield from _left_out(section)
        yield from _tiers(section, model)
        yield from _rates(section)
    yield from _claims(resolved)
    yield from _lower_bounds(resolved)
    if today:
        yield from _too_old(resolved, today)
        yield from _yet_to_come(resolved, today)


def decimals_finding(section: Section, amount: int | Decimal, *steps: str | int) -> Iterator[Problem]:
    decimals = f"{Decimal(amount):f}".partition(".")[2].rstrip("0")
    if len(decimals) > _MOST_DECIMALS:
        yield section.error(
            f"{quoted(str(steps[-1]))} has more than {_MOST_DECIMALS} decimals: {amount}",
            section.place(*steps),
            f"round it to {_MOST_DECIMALS}",
        )


def provider_finding(section: Section, provider: str, place: Place) -> Iterator[Problem]:
    hint = did_you_mean(provider, PROVIDERS)
    if provider not in PROVIDERS and hint:
        yield section.warning(f"the provider {quoted(provider)} is not one that agentgateway names itself", place, hint)


def _reserved_name(section: Section, model: Model) -> Iterator[Problem]:
    for place, name in _claimed_names(section, model):
        if name == names.UNKNOWN:
            yield section.error(
                f"{quoted(name)} is what agentgateway writes where it has no model name", place, "remove it"
            )


def _prices_or_free(section: Section, model: Model) -> Iterator[Problem]:
    has_prices = "prices" in section.data
    if model.free and has_prices:
        yield section.error("it is free and has prices", section.place("free"), "remove one of 'free' and 'prices'")
    if not model.free and not has_prices:
        yield section.error(
            "it has no prices", section.place("name"), "add 'prices', or say free: true if its tokens cost nothing"
        )
    costs_nothing = all(price.rates.input == price.rates.output == 0 for price in model.prices)
    if not model.free and has_prices and costs_nothing:
        yield section.error("its input and output cost 0", section.place("prices"), "say free: true instead")


def _dates(section: Section, model: Model) -> Iterator[Problem]:
    for index, (earlier, later) in enumerate(pairwise(model.prices), start=1):
        if later.since is None:
            yield section.error(
                f"price {index + 1} has no 'from'", section.place("prices", index), "say from which day on it holds"
            )
        elif earlier.since and later.since <= earlier.since:
            yield section.error(
                f"the price from {later.since} is listed after the one from {earlier.since}",
                section.place("prices", index, "from"),
                "append a new price at the end, with a later date",
            )


def _left_out(section: Section) -> Iterator[Problem]:
    """A new price that forgets what cached tokens cost makes them several times dearer, and nobody sees why."""
    for index, (earlier, later) in enumerate(pairwise(section.stated("prices")), start=1):
        left_out = [rate for rate in _CACHE_RATES if rate in earlier and rate not in later]
        if left_out:
            yield section.warning(
                f"price {index + 1} has no {' and no '.join(left_out)}, as the price before it has: nothing is carried "
                "over, and such tokens cost what input costs",
                section.place("prices", index),
                "repeat it if it still holds, or state what holds instead",
            )


def _tiers(section: Section, model: Model) -> Iterator[Problem]:
    for index, price in enumerate(model.prices):
        yield from _cheaper_tiers(section, price, index)
        for position, (before, tier) in enumerate(pairwise(price.tiers), start=1):
            if tier.context_over <= before.context_over:
                yield section.error(
                    f"the tier over {tier.context_over} tokens is listed after the one over {before.context_over}",
                    section.place("prices", index, "tiers", position, "context_over"),
                    "list tiers from short to long contexts, each once",
                )


def _cheaper_tiers(section: Section, price: Price, index: int) -> Iterator[Problem]:
    """A long context that costs less is a slip of the pen: bounds of spending rest on its costing more."""
    for position, tier in enumerate(price.tiers):
        stated = section.data["prices"][index]["tiers"][position]
        for rate in (rate for rate in _RATES if rate in stated):
            base, long = getattr(price.rates, rate), getattr(tier.rates, rate)
            if long < base:
                yield section.error(
                    f"in the tier over {tier.context_over} tokens, {rate} {long} is less than the {base} of the price",
                    section.place("prices", index, "tiers", position, rate),
                    "long contexts cost more; check both prices",
                )


def _too_old(resolved: Resolved, today: date) -> Iterator[Problem]:
    """One warning for all models whose price in force was compared with its source too long ago."""
    oldest = today - timedelta(seconds=resolved.spec.price_max_age.seconds)
    old = []
    for section, model in zip(resolved.lists["models"], resolved.spec.models, strict=True):
        index, price = _in_force(model, today)
        day = price.checked or price.since if price else None
        if day and day < oldest:
            old.append((section.place("prices", index, "checked"), f"{quoted(model.name)} ({day})"))
    if old:
        yield Problem(
            f"prices were last compared with their source more than {resolved.spec.price_max_age} ago: "
            f"{_first_few([name for _, name in old])}",
            old[0][0],
            Severity.WARNING,
            "compare them, then set 'checked' to today or append the new price",
        )


def _yet_to_come(resolved: Resolved, today: date) -> Iterator[Problem]:
    """Whoever wrote it may be a day ahead of this machine."""
    for section, model in zip(resolved.lists["models"], resolved.spec.models, strict=True):
        for index, price in enumerate(model.prices):
            if price.checked and price.checked > today + timedelta(days=1):
                yield section.warning(
                    f"price {index + 1} was 'checked' on {price.checked}, which is yet to come: it would not be called "
                    "old until long after that",
                    section.place("prices", index, "checked"),
                    "say on which day it was last compared with its source",
                )


def _in_force(model: Model, today: date) -> tuple[int, Price | None]:
    begun = [(index, price) for index, price in enumerate(model.prices) if not price.since or price.since <= today]
    return begun[-1] if begun else (0, None)


def _first_few(shown: Sequence[str]) -> str:
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    return f"{', '.join(shown[:_MOST_NAMES])}{more}"


def _lower_bounds(resolved: Resolved) -> Iterator[Problem]:
    """One warning for all models whose newest price has tiers: a warning each would bury everything else."""
    if all(reports_usd(gateway) for gateway in resolved.spec.gateways):
        return
    tiered = [
        (section.place("prices", len(model.prices) - 1, "tiers"), quoted(model.name))
        for section, model in zip(resolved.lists["models"], resolved.spec.models, strict=True)
        if model.prices and model.prices[-1].tiers
    ]
    if tiered:
        since = ".".join(map(str, REPORTS_USD_SINCE))
        yield Problem(
            "long contexts cannot be told from summed tokens: at gateways before "
            f"{since} the dollars of {_first_few([name for _, name in tiered])} are a lower bound, at base rates",
            tiered[0][0],
            Severity.WARNING,
        )


def _rates(section: Section) -> Iterator[Problem]:
    """Of what the file states: the resolved rates have more, by default and by overlay."""
    for index, price in enumerate(section.stated("prices")):
        yield from _decimals(section, price, "prices", index)
        for position, tier in enumerate(price["tiers"] if "tiers" in price else ()):
            yield from _decimals(section, tier, "prices", index, "tiers", position)
            if not any(rate in tier for rate in _RATES):
                yield section.error(
                    f"the tier over {tier['context_over']} tokens has no price",
                    section.place("prices", index, "tiers", position),
                    f"give it one of {', '.join(_RATES)}",
                )


def _decimals(section: Section, rates: Mapping[str, Any], *steps: str | int) -> Iterator[Problem]:
    for rate in (rate for rate in _RATES if rate in rates):
        yield from decimals_finding(section, rates[rate], *steps, rate)


def _claimed_names(section: Section, model: Model) -> Iterator[tuple[Place, str]]:
    yield section.place("name"), model.name
    for index, alias in enumerate(model.aliases):
        yield section.place("aliases", index), alias


def _claims(resolved: Resolved) -> Iterator[Problem]:
    """Within a provider each name in the metrics belongs to one model, else its tokens would be billed twice."""
    claims: list[tuple[tuple[str, str], Place]] = []
    owners: dict[Place, tuple[Section, Model]] = {}
    for section, model in zip(resolved.lists["models"], resolved.spec.models, strict=True):
        for place, name in _claimed_names(section, model):
            claims.append(((model.provider, name), place))
            owners[place] = section, model
    for (provider, name), place, first in repeats(claims):
        section, _ = owners[place]
        first_section, first_model = owners[first]
        taken = "is listed twice"
        if first_section.path != section.path:
            taken = f"of provider {quoted(provider)} already belongs to model {quoted(first_model.name)}"
        yield section.error(f"the name {quoted(name)} {taken}", place, also_at(first))

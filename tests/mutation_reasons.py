"""Damages of the rules that change nothing which a figure could show, each with the reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mutants import Mutant

#: Why a damage may survive: regular expressions for the rule and the change, and the reason. The first that fits holds.
ACCEPTED: Sequence[tuple[str, str, str]] = (
    (
        "",
        r'", \[\["" -> "x"\]\], ""\)',
        "a label is set whatever the series bear: a source that none of them has is as empty as no source",
    ),
    (
        "^agentgateway:(price_usd_per_mtok|price_high_usd_per_mtok|long_context_over)",
        r"\[\[and -> or\]\] \(vector\(time\(\) - \d+\) > |time\(\) \[\[- -> \+\]\] \d+\) > |\[\[> -> >=\]\] \d",
        "an entry that begins early changes nothing: the one before goes first",
    ),
    (
        "^agentgateway:(price_usd_per_mtok|price_high_usd_per_mtok|long_context_over)",
        r"> \[\[\d+ -> \d+ - 1\]\]",
        "an entry that begins early changes nothing: the one before goes first",
    ),
    (
        "^agentgateway:metered_",
        r"\[\[((?:cluster, )?)job, ([^\]]*) -> \1\2\]\]",
        "both sides are of the one job that is read",
    ),
    (
        "^agentgateway:metered_",
        r"\[\[\* -> /\]\] on \([^)]*\) group_left \((shown_|token_sem)|-> count_over_time\]\]\(agentgateway:target:",
        "what lends a label is one",
    ),
    (
        "^agentgateway:billable_tokens",
        "taken_from_input -> |taken_from_inputx",
        "the label lives inside this one expression, so that any name is as good",
    ),
    (
        "^agentgateway:(tokens|reported_usd|requests):increase",
        r"\[\[\* -> /\]\] on",
        "tokens are multiplied by one here, which only lends them the model's name",
    ),
    (
        "^agentgateway:(gateway_cost_usd|input_tokens|output_tokens)",
        r"0 \* \[\[max -> sum\]\]",
        "zero times anything is zero",
    ),
    (
        "^agentgateway:cost_usd:increase1m",
        r"and \[\[last_over_time -> count_over_time\]\]\(agentgateway:rep",
        "here it counts whether the gateway counted anything, not how much",
    ),
    (
        "^agentgateway:cost_usd:increase1m",
        r"\[\[< -> <=\]\] last_over_time\(agentgateway:cost_usd_high",
        "of two that are equal either is the smaller one",
    ),
    (
        "^agentgateway:cost_usd_high",
        r"\[\[max -> sum\]\] by \(gen_ai_system, model, gen_ai_token_type\)",
        "of each model and type there is one highest price",
    ),
    (
        "^agentgateway:cost_usd:minus_reported",
        r"or \(0 \* (\[\[sum -> max|sum by \([^)]*\) \(\[\[last_over_time)",
        "zero times anything is zero",
    ),
    (
        "^agentgateway:(calendar:now|period:remaining_seconds)",
        r"\[\[0\.001 -> 0\.002\]\]|\[\[\* -> /\]\] on \(\) group_left",
        "no sample lies between two milliseconds, and all is multiplied by one",
    ),
    (
        "^agentgateway:cost_usd.*_to_date|^agentgateway:cost_usd_of_day",
        r"\[\[last_over_time -> count_over_time\]\]\(agentgateway:calendar",
        "the calendar's value is one",
    ),
    (
        "^agentgateway:cost_usd.*_to_date",
        r"\[\[\[(1d59m59s999ms -> 2d|7d1h -> 14d|31d1h -> 62d)|:\[\[5m -> 2m30s",
        "which days count is told by their labels: the window must be long enough, and looked at often enough",
    ),
    (
        "^agentgateway:cost_usd:(day|week|month)_to_date",
        r"\[\[sum -> max\]\] without",
        "of each day, week and month there is one total",
    ),
    (
        "^LLMBudget(ThresholdReached|Burn)",
        r"\[\[>= -> >\]\]",
        "a sum of floats need not meet a threshold exactly, so amounts lie a hair beside it",
    ),
    (
        "^LLMTokensUnpriced",
        r"\[\[> -> >=\]\]",
        "what it reads is recorded only where it is more than zero",
    ),
    (
        "^LLMPricesNotRecorded",
        r"\[\[count -> sum\]\]\(group|\[\[group -> sum\]\]",
        "models are counted as groups, and each group is a one",
    ),
    (
        "^LLM(RequestsWithoutUsage|TokenSumsMissing|TokenCountersFrozen|CatalogLookups)|^agentgateway:target:token_sem",
        r"(and|or) on \(\[\[cluster, job, (instance|instance, pod) -> cluster, \2\]\]\)",
        "both sides are of the one job that counts for this gateway",
    ),
    (
        "^LLMTokenSumsMissing",
        r"unless \[\[group -> sum\]\]",
        "here it counts whether anything was shown, not how much",
    ),
    (
        "^LLMTokenCountersFrozen",
        r"unless \(\[\[sum -> max\]\]|\[\[sum_over_time -> max_over_time\]\]",
        "tokens are never negative, so that their sum is over zero where the largest of them is",
    ),
    (
        "^LLMCatalogLookupsNotExact",
        r'status![~=]\[\["(Exact\|)?NoCatalog" -> "\w+"\]\]\}( - | offset 1h\) >= 0|\[1h\]\))',
        "a difference needs both its sides: one that admits another status finds no partner for it",
    ),
    (
        "^LLMAttributionOverLimit",
        r"\[\[count -> sum\]\] by \(\w+\) \(group|\[\[group -> sum\]\]",
        "values of a label are counted as groups, and each group is a one",
    ),
    (
        "^LLMGatewayTargetDown",
        r"\[\[min -> max\]\]",
        "all of them are zero, for they are those that are",
    ),
    (
        "^LLMGateway(VersionDiffers|ScrapedTwice)",
        r"\[\[count -> sum\]\] by \(gateway, cluster(, tag|, job|, namespace, process)\)",
        "a build's value is one",
    ),
)


def reason_for(mutant: Mutant) -> str:
    _, _, why = entry_for(mutant) or ("", "", "")
    return why


def entry_for(mutant: Mutant) -> tuple[str, str, str] | None:
    """The first of the reasons that fits."""
    fitting = (entry for entry in ACCEPTED if re.search(entry[0], mutant.rule) and re.search(entry[1], mutant.marked))
    return next(fitting, None)

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
        r"last_over_time\(agentgateway[^[]*\[\[\[1m -> 2m\]\]\] offset 30s\) [-+] ",
        "a series that ended a step before has risen by nothing since",
    ),
    (
        "^agentgateway:metered_",
        r"present_over_time\(up\{[^}]*\}\[\[\[1m -> 2m",
        "a target that was gone before the step has no counters in it",
    ),
    (
        "^agentgateway:metered_",
        r"\[\[((?:cluster, )?)job, ([^\]]*) -> \1\2\]\]",
        "both sides are of the one job that is read",
    ),
    (
        "^agentgateway:metered_",
        r"unless ignoring .*offset 1m30s or \(\[\[last_over_time -> min_over_time",
        "of what was there before a birth only that it was there counts",
    ),
    (
        "^agentgateway:metered_",
        r"and on \([^)]*\) present_over_time\(up\{[^}]*\}\[\[\[1h -> 2h\]\]\] offset 1m30s",
        "a target that nobody saw within the gap has not been seen, and is not new either",
    ),
    (
        "^agentgateway:metered_",
        r"\[\[\* -> /\]\] on \([^)]*\) group_left \((shown_|token_sem)|-> count_over_time\]\]\(agentgateway:target:",
        "what lends a label is one",
    ),
    (
        "^agentgateway:metered_",
        r"agentgateway:target:token_semantics\{[^}]*\}\[\[\[1ms -> 5m",
        "whatever shows a counter in the step has a meaning in it",
    ),
    (
        "^agentgateway:metered_",
        r"present_over_time\(agentgateway\S+\[\[\[1m -> 2m\]\]\] offset 30s\)\)\)?, \"shown_",
        "who was gone before the step has used nothing in it",
    ),
    (
        "^agentgateway:metered_",
        r'"shown_\w+", "other", \[\["" -> "x"\]\]',
        "one label that no series has is as good as another",
    ),
    (
        "^agentgateway:metered_",
        r"\[\[sum -> max\]\] without \(shown_",
        "there is one series of each: only a label of the rule's own is left out",
    ),
    (
        "^agentgateway:metered_",
        r'\[\[group -> sum\]\] by \([^)]*\) \(present_over_time\([^)]*=~"unknown',
        "it counts that there is such a value, not how often",
    ),
    (
        "^agentgateway:metered_requests",
        r"or \(0 \* (\[\[sum -> max|sum by \([^)]*\) \(\[\[last_over_time -> min_over_time)",
        "zero times anything is zero",
    ),
    (
        "^agentgateway:metered_requests",
        r"or \(0 \[\[\* -> /\]\] sum by",
        "a counter of requests begins with its first one, and zero over any number of them is zero",
    ),
    (
        "^agentgateway:model:names",
        r'gen_ai_token_type(=\[\[|\[\[= -> !=\]\]"input"\}( or|\[1h\]))',
        "every name has prices of all types, so that any of them tells the names",
    ),
    (
        "^agentgateway:(tokens|unpriced_tokens|reported_usd|requests)",
        r"\[\[last_over_time -> count_over_time\]\]\(agentgateway:model:names",
        "a name's value is one",
    ),
    (
        "^agentgateway:billable_tokens",
        "taken_from_input -> |taken_from_inputx",
        "the label lives inside this one expression, so that any name is as good",
    ),
    (
        "^agentgateway:billable_tokens",
        r'"input", \[\["" -> "x"\]\]',
        "one label that no series has is as good as another",
    ),
    (
        "^agentgateway:(tokens|reported_usd|requests):increase",
        r"\[\[\* -> /\]\] on",
        "tokens are multiplied by one here, which only lends them the model's name",
    ),
    (
        "^agentgateway:(tokens|model:names)",
        r"\[\[topk -> bottomk\]\]|\(\[\[1 -> 2\]\], group",
        "two models have one name only while rules of two specs overlap (tests/test_tokens.py)",
    ),
    (
        "^agentgateway:(tokens|reported_usd|requests)",
        r'response_model="unknown"\}\[1ms\]\) unless on \((?!\[\[\w+, \w+ -> gen_ai_system\])(?:(?!\)\) ).)*\[\[',
        "no price bears the name 'unknown', so that nothing is found by such a response",
    ),
    (
        "^agentgateway:model:names",
        r"\[\[last_over_time -> min_over_time\]\]\(agentgateway:price_usd",
        "here it counts whether there is a price, not which",
    ),
    (
        "^agentgateway:(model:names|cost_usd(_low|_high)?:increase1m)",
        r"\[1h\]\) \[\[unless -> or\]\]|\[1h\]\) unless on \([^)]*\) \[\[agentgateway:\S+ -> \S+_x\]\]",
        "the last price and the present one are the same series of which `or` takes one",
    ),
    (
        "^agentgateway:cost_usd:increase1m",
        r"\[\[\[1h -> 2h\]\]\]\) unless",
        "tokens have a priced model only where a price was found within the same time",
    ),
    (
        "^agentgateway:(gateway_cost_usd|input_tokens|output_tokens)",
        r"0 \* \[\[max -> sum\]\]",
        "zero times anything is zero",
    ),
    (
        "^agentgateway:cost_usd_(low|high)",
        r"and on \([^)]*\) \(agentgateway:long_context_over:tokens or \(\[\[last_over_time -> min_over_time",
        "that a model has tiers is told by any threshold of it",
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
        "^LLMCostDisagreesWithGateway",
        r"\[\[sum -> max\]\] by \([^)]*\) \(agentgateway:cost_usd:minus_reported",
        "of each gateway and model there is one difference",
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
        "^agentgateway:cost_usd:minus_reported",
        r"or \(0 \* sum by \([^)]*\) \(last_over_time\(agentgateway:reported_usd:\w+\{[^}]*\}\[\[\[1ms -> 5m",
        "a difference needs both its sides: a zero for what the gateway counted before has no partner now",
    ),
    (
        "^agentgateway:(calendar:now|period:remaining_seconds)",
        r"\[\[0\.001 -> 0\.002\]\]|\[\[\* -> /\]\] on \(\) group_left",
        "no sample lies between two milliseconds, and all is multiplied by one",
    ),
    (
        "^agentgateway:cost_usd_of_day:increase1m",
        r"\[\[\* -> /\]\] on \(gateway\)|\* on \(\[\[gateway -> nothing",
        "both sides are of this gateway, and the calendar's value is one",
    ),
    (
        "^agentgateway:cost_usd.*_to_date|^agentgateway:cost_usd_of_day",
        r"\[\[last_over_time -> count_over_time\]\]\(agentgateway:calendar",
        "the calendar's value is one",
    ),
    (
        "^agentgateway:cost_usd.*_to_date",
        r"and on \(\[\[gateway, (\w+) -> \1\]\]\)",
        "both sides are of this gateway",
    ),
    (
        "^agentgateway:cost_usd.*_to_date",
        r"\[\[\[(1d59m59s999ms -> 2d|7d1h -> 14d|31d1h -> 62d)|:\[\[5m -> 2m30s",
        "which days count is told by their labels: the window must be long enough, and looked at often enough",
    ),
    (
        "^agentgateway:cost_usd:(week|month)_to_date",
        r"day_to_date\{[^}]*\}\[\[\[1ms -> 5m\]\]\]\) or",
        "a day's last total is found by what follows, too",
    ),
    (
        "^agentgateway:cost_usd:day_to_date",
        r"\[\[sum -> max\]\] without",
        "of each day there is one total",
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
        "^agentgateway:[a-z_]+:(of_hour|hour_to_date)",
        r"(and|\*) on \(\[\[gateway -> nothing",
        "both sides are of this gateway",
    ),
    (
        "^agentgateway:[a-z_]+:hour_to_date",
        r'\[\["before" -> |"before", \[\["" -> "x"\]\]',
        "the label is dropped again, so that any value of it is as good",
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
        "^agentgateway:target:token_semantics",
        r'"token_semantics", "[\d.]+", \[\["" -> "x"\]\], ""\)',
        "no label is read: the four by which it is grouped are the only ones there are",
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
        r"\[\[count -> sum\]\] by \(cluster, (tag|job|namespace, pod)\)",
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

"""The names of all alerts, and what else is known of some before any rule is built."""

from __future__ import annotations

BUDGET = "LLMBudgetThresholdReached"
UNPRICED, UNPRICED_SHARE = "LLMTokensUnpriced", "LLMUnpricedShareHigh"
BUDGET_FORECAST, BUDGET_BURN = "LLMBudgetForecastOverLimit", "LLMBudgetBurn"
PRICES_STALE, ANSWERED_BY_UNLISTED = "LLMPricesNotRecorded", "LLMModelAnsweredByUnlisted"
CATALOG, RECONCILIATION = "LLMCatalogLookupsNotExact", "LLMCostDisagreesWithGateway"
GATEWAY_ABSENT, TARGET_DOWN = "LLMGatewayNotScraped", "LLMGatewayTargetDown"
SCRAPED_TWICE = "LLMGatewayScrapedTwice"
VERSION, VERSION_UNKNOWN = "LLMGatewayVersionDiffers", "LLMGatewayVersionUnknown"
UNLISTED, LABEL_HIDDEN = "LLMGatewayUnlisted", "LLMMetricLabelHidden"
MISREAD = "LLMCachedTokensExceedInput"
SUMS_MISSING, COUNTERS_FROZEN = "LLMTokenSumsMissing", "LLMTokenCountersFrozen"
NO_USAGE = "LLMRequestsWithoutUsage"
UNATTRIBUTED, OVER_LIMIT = "LLMSpendUnattributed", "LLMAttributionOverLimit"
RULES_FAILING, RULES_MISSED = "LLMCostRulesFailing", "LLMCostRulesMissed"
CALENDAR_ENDS = "LLMCalendarEnds"
SPEND_SPIKE, MODELS_OVER_LIMIT = "LLMSpendSpike", "LLMModelNamesOverLimit"
FACT_CONTRADICTED, SCRAPES_LATE = "LLMFactContradicted", "LLMScrapesLate"
FIGURES_MISSING, RECORDED_TWICE = "LLMFiguresMissing", "LLMLedgerRecordedTwice"

#: Alerts about what is scraped of one gateway: while none of its pods is, they say nothing new. Those about tokens that
#: were counted (without a price, without an owner) stay true and stay.
ON_SCRAPED_GATEWAY = (
    TARGET_DOWN,
    *(VERSION, VERSION_UNKNOWN, LABEL_HIDDEN),
    SUMS_MISSING,
    COUNTERS_FROZEN,
    NO_USAGE,
    CATALOG,
    RECONCILIATION,
)

#: From the constants themselves: none can be forgotten.
ALERTS = frozenset(name for name in vars().values() if isinstance(name, str) and name.startswith("LLM"))

#: Each budget says how severe its alerts are -> the budget's key that does.
SEVERITY_IN_BUDGETS = {BUDGET: "alert_at", BUDGET_FORECAST: "forecast", BUDGET_BURN: "burn"}

#: Each has two rules, of which one is far more severe than the other.
OF_TWO_SEVERITIES = frozenset({SCRAPED_TWICE, CATALOG, NO_USAGE, FACT_CONTRADICTED})

#: Their texts say for how long the alert's condition has held.
STATE_THEIR_HOLD = frozenset({GATEWAY_ABSENT, TARGET_DOWN, VERSION, VERSION_UNKNOWN})

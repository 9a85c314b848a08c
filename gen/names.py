"""Every name the project emits or reads: metrics, records, labels, alerts and files. A rename is one diff here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.gen.durations import Duration

# ---- What agentgateway exports -------------------------------------------------------------------
#: Where Prometheus has a native histogram: its classic series have the names below.
TOKEN_USAGE = "agentgateway_gen_ai_client_token_usage"
TOKEN_USAGE_SUM = "agentgateway_gen_ai_client_token_usage_sum"
TOKEN_USAGE_COUNT = "agentgateway_gen_ai_client_token_usage_count"
#: The gateway's own dollars, since 1.4.
REPORTED_USD = "agentgateway_gen_ai_client_cost_usd_total"
#: Look-ups in the gateway's own price catalog, since 1.3: one a request, whatever became of its usage.
CATALOG_LOOKUPS = "agentgateway_cost_catalog_lookups_total"
LLM_REQUESTS = "agentgateway_gen_ai_server_request_duration_count"
#: In seconds, like the two after it, although their names do not say so.
LLM_DURATION_BUCKETS = "agentgateway_gen_ai_server_request_duration_bucket"
#: Of streamed answers only; the time per output token of those alone that reported output.
FIRST_TOKEN_BUCKETS = "agentgateway_gen_ai_server_time_to_first_token_bucket"
PER_OUTPUT_TOKEN_BUCKETS = "agentgateway_gen_ai_server_time_per_output_token_bucket"
FIRST_TOKEN_COUNT = "agentgateway_gen_ai_server_time_to_first_token_count"
PER_OUTPUT_TOKEN_COUNT = "agentgateway_gen_ai_server_time_per_output_token_count"
#: Everything that a gateway answers, LLM traffic or not.
REQUESTS = "agentgateway_requests_total"
BUILD_INFO = "agentgateway_build_info"
UP = "up"

# ---- What Prometheus says of itself ----------------------------------------------------------------
RULE_FAILURES = "prometheus_rule_evaluation_failures_total"
RULE_GROUPS_MISSED = "prometheus_rule_group_iterations_missed_total"

#: All that the rules and the dashboard may read without its being recorded first.
SCRAPED = frozenset(
    {
        *(TOKEN_USAGE, TOKEN_USAGE_SUM, TOKEN_USAGE_COUNT, REPORTED_USD, CATALOG_LOOKUPS, LLM_REQUESTS, BUILD_INFO, UP),
        *(LLM_DURATION_BUCKETS, FIRST_TOKEN_BUCKETS, PER_OUTPUT_TOKEN_BUCKETS, REQUESTS),
        *(FIRST_TOKEN_COUNT, PER_OUTPUT_TOKEN_COUNT, RULE_FAILURES, RULE_GROUPS_MISSED),
    }
)

# ---- Labels ----------------------------------------------------------------------------------------
GATEWAY = "gateway"
PROVIDER = "gen_ai_system"
REQUEST_MODEL = "gen_ai_request_model"
RESPONSE_MODEL = "gen_ai_response_model"
TOKEN_TYPE = "gen_ai_token_type"
MODEL = "model"
BUDGET = "budget"
DAY, WEEK, MONTH = "day", "week", "month"
CLUSTER, PROMETHEUS = "cluster", "prometheus"
ALERTNAME = "alertname"
JOB, INSTANCE, NAMESPACE = "job", "instance", "namespace"
SEVERITY = "severity"
THRESHOLD = "threshold"
BURN = "burn"
PERIOD = "period"
#: The label each value of which has a budget of its own.
PER = "per"
#: By which labels a budget counts, joined by commas.
MATCHES = "matches"
#: Over which period or window dollars are summed; what of a budget is watched: its forecast, or a speed of burning.
WINDOW, WATCH = "window", "watch"
#: Tells the rules apart that record many facts of one kind.
PACK = "pack"
#: Which attribution label, or which kind of fact, an alert is about.
ATTRIBUTION, FACT = "attribution", "fact"
TAG = "tag"
VERSION = "version"
#: "true" on the fact of a gateway that was told to count as older releases do.
LEGACY = "legacy_token_semantics"
STATUS = "status"
#: Which row of the table of versions a token was counted by.
SEMANTICS = "token_semantics"
#: Whose facts they are: two specs may share a Prometheus.
SPEC = "spec"
#: In which format the provider reports usage, and the one that the spec states for a model.
FORMAT, STATED_FORMAT = "usage_format", "format"
#: A model's names in the metrics, where it has no other.
BOOKED_REQUEST_MODEL, BOOKED_RESPONSE_MODEL = "request_model", "response_model"
#: The gateway's name in figures, until series are summed: before that, two of one name may not become one.
BOOKED_GATEWAY = "booked_gateway"
#: The label of its own that a target label of the same name hides.
EXPORTED_PREFIX = "exported_"
POD = "pod"
RULE_GROUP = "rule_group"
#: The upper bound of a histogram's bucket.
BUCKET_BOUND = "le"

#: The pod label that names the GatewayClass.
GATEWAY_CLASS_POD_LABEL = "gateway.networking.k8s.io/gateway-class-name"

#: The pod label that names the Gateway, and the label the operator makes of it on every target.
GATEWAY_NAME_POD_LABEL = "gateway.networking.k8s.io/gateway-name"
GATEWAY_NAME_TARGET_LABEL = "gateway_networking_k8s_io_gateway_name"


def discovered_name(label: str) -> str:
    """Of a Kubernetes label: Prometheus makes an underscore of whatever its own names may not hold."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)


#: agentgateway's word for "no value".
UNKNOWN = "unknown"

# ---- Token types, as agentgateway writes them ----------------------------------------------------------
INPUT, OUTPUT, CACHE_READ, CACHE_WRITE = "input", "output", "input_cache_read", "input_cache_write"
TOKEN_TYPES = (INPUT, OUTPUT, CACHE_READ, CACHE_WRITE)
CACHE_TYPES = (CACHE_READ, CACHE_WRITE)
PROMPT_TYPES = (INPUT, CACHE_READ, CACHE_WRITE)
#: Not of tokens but of dollars alone: what requests with a long context cost above the base price.
LONG_CONTEXT = "long_context"

# ---- What came of a look-up in the gateway's catalog, as agentgateway writes it ---------------------------
EXACT, NO_CATALOG = "Exact", "NoCatalog"

#: An attribution label's value under which those beyond its limit are summed.
OTHER = "other"
#: Values of a label that are nobody's name.
NOBODY = ("", UNKNOWN, OTHER)

# ---- Records: level:metric:operation ----------------------------------------------------------------
PRICE = "agentgateway:price_usd_per_mtok"
#: The price that counts at this evaluation, one for each provider, model and token type.
PRICE_NOW = "agentgateway:price_usd_per_mtok:now"

INPUT_TOKENS_TOTAL, OUTPUT_TOKENS_TOTAL = "agentgateway:input_tokens:total", "agentgateway:output_tokens:total"
INPUT_TOKENS_BY_GATEWAY = "agentgateway:input_tokens:by_gateway"
OUTPUT_TOKENS_BY_GATEWAY = "agentgateway:output_tokens:by_gateway"
COST_BY_GATEWAY = "agentgateway:cost_usd:by_gateway"
COST_DAILY, COST_HOURLY = "agentgateway:cost_usd:total_daily", "agentgateway:cost_usd:total_hourly"
COST_WEEKLY, COST_MONTHLY = "agentgateway:cost_usd:total_weekly", "agentgateway:cost_usd:total_monthly"

COST_1H = "agentgateway:cost_usd:increase1h"
DAY_TO_DATE = "agentgateway:cost_usd:day_to_date"
WEEK_TO_DATE, MONTH_TO_DATE = "agentgateway:cost_usd:week_to_date", "agentgateway:cost_usd:month_to_date"
CALENDAR = "agentgateway:calendar:now"
DAY_TOTAL = "agentgateway:cost_usd_of_day:day_to_date"
WEEK_TOTAL, MONTH_TOTAL = "agentgateway:cost_usd_of_week:week_to_date", "agentgateway:cost_usd_of_month:month_to_date"

BUDGET_LIMIT, BUDGET_SPENT = "agentgateway:budget_usd:limit", "agentgateway:budget_usd:spent"
BUDGET_FORECAST = "agentgateway:budget_usd:forecast"
#: Dollars at which each of a budget's thresholds is reached.
BUDGET_THRESHOLD = "agentgateway:budget_usd:threshold"
#: What the spec says of budgets: dollars, the label values that each counts, and its alerts with their severities.
BUDGET_AMOUNT, BUDGET_SCOPE = "agentgateway:budget:amount_usd", "agentgateway:budget:scope"
BUDGET_THRESHOLD_RATIO = "agentgateway:budget:threshold_ratio"
BUDGET_WATCH = "agentgateway:budget:watch"
#: Values of attribution labels that budgets name.
BUDGET_NAMED = "agentgateway:budget:named"
#: Dollars within a period or window, by the labels that budgets match.
BUDGET_COUNTED = "agentgateway:budget:counted_usd"
PERIOD_REMAINING = "agentgateway:period:remaining_seconds"

#: Facts: other names of a model, the gateways that the spec names, and whose a standalone target is.
MODEL_ALIAS = "agentgateway:model:alias"
GATEWAY_INFO = "agentgateway:gateway:info"
GATEWAY_INSTANCE = "agentgateway:gateway:instance"
#: What rules read whether or not this spec has any.
FACTS = frozenset(
    {
        *(MODEL_ALIAS, GATEWAY_INFO, GATEWAY_INSTANCE),
        *(BUDGET_AMOUNT, BUDGET_SCOPE, BUDGET_THRESHOLD_RATIO, BUDGET_WATCH, BUDGET_NAMED),
    }
)
#: The one model of each name.
MODEL_NAMES = "agentgateway:model:names"
#: One series for each pod, pair of model names and owner that shows usage: its tokens so far.
USAGE_SEEN = "agentgateway:usage:seen"
#: Under which labels each of these is booked, and what its tokens mean.
USAGE_BOOKED = "agentgateway:usage:booked"
#: Targets whose new series began at zero.
TARGET_MAY_BEAR = "agentgateway:target:may_bear"
ATTRIBUTION_BOOKED = "agentgateway:attribution:booked"
HOUR_PUT_DOWN = "agentgateway:hour:put_down_seconds"
PRICE_HIGH = "agentgateway:price_high_usd_per_mtok"
LONG_CONTEXT_OVER = "agentgateway:long_context_over:tokens"
REPORTED_1H, RECONCILIATION = "agentgateway:reported_usd:increase1h", "agentgateway:cost_usd:minus_reported1h"
ANSWERS_1H, UNREPORTED_1H = "agentgateway:answers:increase1h", "agentgateway:answers_without_usage:increase1h"
#: Dollars of the last hour by each value of an attribution label, and the most that is usual for an hour at this time.
COST_BY_OWNER, COST_USUAL = "agentgateway:cost_usd:by_owner", "agentgateway:cost_usd:usual1h"
#: Scrapes of a step that were there when the ledger looked at it, and those that came after.
SCRAPES_SEEN, SCRAPES_LATE = "agentgateway:scrapes:seen", "agentgateway:scrapes:late"


def budget_increase(window: Duration) -> str:
    """What was spent of a budget within a window that slides."""
    return f"agentgateway:budget_usd:increase{window}"


def ledger_seconds(window: Duration) -> str:
    """For how much of a sliding window the ledger of a gateway was kept."""
    return f"agentgateway:ledger:seconds{window}"


def reported_usd(step: Duration) -> str:
    """Dollars by the gateway's own counter, which knows each request, at the prices of its own catalog."""
    return f"agentgateway:reported_usd:increase{step}"


def requests(step: Duration) -> str:
    return f"agentgateway:requests:increase{step}"


def of_hour(ledger: str) -> str:
    """Once an hour, when it is over: what a ledger of steps holds of it."""
    return f"{ledger.rpartition(':')[0]}:of_hour"


def hour_to_date(ledger: str) -> str:
    """What a ledger of steps holds of the hour that is not over."""
    return f"{ledger.rpartition(':')[0]}:hour_to_date"


def cost_low(step: Duration) -> str:
    """Of models with long-context prices: the least that the tokens of one step can have cost."""
    return f"agentgateway:cost_usd_low:increase{step}"


def cost_high(step: Duration) -> str:
    """The most that they can have cost."""
    return f"agentgateway:cost_usd_high:increase{step}"


def minus_reported(step: Duration) -> str:
    """Our dollars less the gateway's own, of steps in which it counted some."""
    return f"agentgateway:cost_usd:minus_reported{step}"


def metered_tokens(step: Duration) -> str:
    """What the counters of each pod rose by in one step, in the pod's own meaning of the types."""
    return f"agentgateway:metered_tokens:increase{step}"


def misread_tokens(step: Duration) -> str:
    """Cached tokens of a pod and step that are more than the `input` that should include them."""
    return f"agentgateway:misread_tokens:increase{step}"


def billable_tokens(step: Duration) -> str:
    """The same tokens, each in exactly one type: `input` without what was read from or written to a cache."""
    return f"agentgateway:billable_tokens:increase{step}"


def tokens(step: Duration) -> str:
    return f"agentgateway:tokens:increase{step}"


def cost(step: Duration) -> str:
    return f"agentgateway:cost_usd:increase{step}"


def gateway_cost(step: Duration) -> str:
    """One series a gateway, present while it is watched: what long windows over the whole fleet read."""
    return f"agentgateway:gateway_cost_usd:increase{step}"


def cost_of_day(step: Duration) -> str:
    """Dollars of one step, carrying the local day, week and month they fell in."""
    return f"agentgateway:cost_usd_of_day:increase{step}"


def unpriced_tokens(step: Duration) -> str:
    return f"agentgateway:unpriced_tokens:increase{step}"


#: Where the runbooks are published unless the spec says otherwise.
RUNBOOKS = "https://github.com/tollbook/tollbook/blob/main/docs/runbooks"

# ---- Rule groups -----------------------------------------------------------------------------------
GROUP_PREFIX = "tollbook"

# ---- Files in the output folder ------------------------------------------------------------------------
MONITORING_FILE, DASHBOARD_FILE = "monitoring.yaml", "grafana-dashboard.json"
DASHBOARD_CONFIGMAP_FILE = "grafana-dashboard-configmap.yaml"
DASHBOARD_OPERATOR_FILE = "grafana-dashboard-operator.yaml"
DASHBOARD_RESOURCE_FILE = "grafana-dashboard-resource.json"
RULES_FILE = "rules.yaml"
#: Where the engine is another one: the rules that the unit tests prove.
PROMETHEUS_RULES_FILE = "prometheus-rules.yaml"
RULES_TEST_FILE = "rules-test.yaml"
INHIBIT_RULES_FILE = "inhibit-rules.yaml"
#: What a shell finds all of them by.
RULES_TEST_FILES = "rules-test*.yaml"

#: In the header of every generated file that has one. A file without it is somebody else's.
GENERATED_BY = "Generated by tollbook"


def rules_test_file(moment: str) -> str:
    """promtool evaluates all rules of a test file at one interval, so tests of another moment need another file."""
    return f"rules-test-{moment}.yaml"


def is_rules_test_file(name: str) -> bool:
    return re.fullmatch(r"rules-test(-[\w-]+)?\.yaml", name, re.ASCII) is not None

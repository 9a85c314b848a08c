"""Specs and series for the tests of the rules: a spec is written as its user would write it, with only what a test is
about, and series as a scrape of the gateway would store them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from tollbook.gen.load import load
from tollbook.gen.spec import Spec

#: What a test's spec says where it does not say it itself. The prices are powers of ten, so that in a sum of dollars
#: every digit tells its token type.
UNSTATED = {
    "version": "1",
    "gateways": "[{name: gw, namespace: ai}]",
    "models": (
        "[{provider: openai, name: gpt, aliases: [gpt-2024],"
        " prices: [{input: 1, output: 10, cache_read: 0.1, cache_write: 100}]}]"
    ),
}
#: The job of all targets that the spec's own monitors scrape.
JOB = "monitoring/agentgateway-cost"

#: Requests that go through ai/gw to openai/gpt, as every counter of them bears it.
GPT = {
    "gateway": "ai/gw",
    "gen_ai_system": "openai",
    "gen_ai_request_model": "gpt",
    "gen_ai_response_model": "gpt",
}


def spec_of(text: str = "") -> Spec:
    """The resolved spec of these sections. Raises FindingsError where a user would be refused."""
    stated = textwrap.dedent(text).strip("\n")
    keys = set(re.findall(r"^(\w+):", stated, re.MULTILINE))
    unstated = (f"{key}: {value}" for key, value in UNSTATED.items() if key not in keys)
    return load("\n".join([*unstated, stated, ""]), "spec.yaml").spec


def notation(metric: str, **labels: str) -> str:
    """In Prometheus' notation; a label of no value is left out."""
    text = ",".join(f'{name}="{value}"' for name, value in labels.items() if value)
    return f"{metric}{{{text}}}"


def up(pod: str = "pod", **labels: str) -> str:
    """The target of one pod of the gateway ai/gw, as the spec's PodMonitor finds it. Those of another job do not bear
    the gateway's name."""
    return notation("up", **_target(pod, labels))


def counter(token_type: str = "output", pod: str = "pod", **labels: str) -> str:
    """One of the pod's counters: tokens of the model openai/gpt."""
    return notation(
        "agentgateway_gen_ai_client_token_usage_sum", **_of_requests(pod, {"gen_ai_token_type": token_type, **labels})
    )


def usd_counter(pod: str = "pod", **labels: str) -> str:
    """The pod's own count of dollars of the model openai/gpt."""
    return notation("agentgateway_gen_ai_client_cost_usd_total", **_of_requests(pod, labels))


def request_counter(pod: str = "pod", **labels: str) -> str:
    """The pod's own count of requests of the model openai/gpt."""
    return notation("agentgateway_gen_ai_server_request_duration_count", **_of_requests(pod, labels))


def build_info(tag: str, pod: str = "pod", **labels: str) -> str:
    """What the pod says of its version."""
    return notation("agentgateway_build_info", **_target(pod, {"tag": tag, **labels}))


def _target(pod: str, labels: Mapping[str, str]) -> dict[str, str]:
    found = {"job": JOB, "instance": pod, "namespace": "ai", "gateway_networking_k8s_io_gateway_name": "gw"}
    relabelled = {"gateway": "ai/gw"} if labels.get("job", JOB) == JOB else {}
    return {**found, **relabelled, **labels}


def _of_requests(pod: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Where the target bears the gateway's name, the metric's own stands beside it."""
    own = {**GPT, **labels}
    hidden = {"exported_gateway": own["gateway"]} if labels.get("job", JOB) == JOB else {}
    return {**_target(pod, labels), **hidden, **own}

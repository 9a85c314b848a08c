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
#: The scrape job of the spec's own monitors: every target of theirs says whose it is.
JOB = "monitoring/agentgateway-cost"

#: Requests to openai/gpt, as every counter of them bears it.
GPT = {
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
    """The target of one pod of the gateway ai/gw, as the spec's own monitor finds it; or as another job does."""
    return notation("up", **{**_target(pod, labels), **labels})


def counter(token_type: str = "output", pod: str = "pod", **labels: str) -> str:
    """One of the pod's counters: tokens of the model openai/gpt."""
    own = {**_own(labels), **GPT, "gen_ai_token_type": token_type}
    return notation("agentgateway_gen_ai_client_token_usage_sum", **{**_target(pod, labels), **own, **labels})


def usd_counter(pod: str = "pod", **labels: str) -> str:
    """The pod's own count of dollars of the model openai/gpt."""
    own = {**_own(labels), **GPT}
    return notation("agentgateway_gen_ai_client_cost_usd_total", **{**_target(pod, labels), **own, **labels})


def request_counter(pod: str = "pod", **labels: str) -> str:
    """The pod's own count of requests of the model openai/gpt."""
    own = {**_own(labels), **GPT}
    return notation("agentgateway_gen_ai_server_request_duration_count", **{**_target(pod, labels), **own, **labels})


def build_info(tag: str, pod: str = "pod", **labels: str) -> str:
    """What the pod says of its version."""
    return notation("agentgateway_build_info", **{**_target(pod, labels), "tag": tag, **labels})


def _target(pod: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Only our own monitors say on the target which gateway it is."""
    job = labels.get("job", JOB)
    found = {"job": job, "instance": pod, "namespace": "ai"}
    return {**found, "gateway": "ai/gw"} if job == JOB else found


def _own(labels: Mapping[str, str]) -> dict[str, str]:
    """What the metrics say of their gateway; a label of the target that has the same name hides it."""
    gateway = labels.get("gateway", "ai/gw")
    return {"exported_gateway" if labels.get("job", JOB) == JOB else "gateway": gateway}

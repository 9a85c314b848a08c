"""Series as a scrape of agentgateway stores them: the labels of its own and those that the operator puts on targets."""

from __future__ import annotations

from spec_builders import JOB, notation


def target(pod: str = "gw-1", /, **labels: str) -> dict[str, str]:
    """A pod of the gateway ai/gw, as the spec's PodMonitor finds it; an empty text takes a label away. Targets of
    another job do not bear the gateway's name."""
    found = {
        "job": JOB,
        "instance": f"{pod}:15020",
        "namespace": "ai",
        "pod": pod,
        "container": "agentgateway",
        "endpoint": "metrics",
    }
    # Only our own monitors say on the target which gateway it is.
    whose = {"gateway": "ai/gw"} if labels.get("job", JOB) == JOB else {}
    return {**found, **whose, **labels}


def up(pod: str = "gw-1", /, **labels: str) -> str:
    return notation("up", **target(pod, **labels))


def build_info(pod: str = "gw-1", /, tag: str = "v1.5.0", **labels: str) -> str:
    return notation("agentgateway_build_info", **target(pod, tag=tag, **labels))


def booked(gateway: str = "ai/gw", instance: str = "gw-1:15020", **labels: str) -> str:
    """What the ledger records of a target in somebody else's job: whose usage it shows."""
    own = {"job": "proxies", "instance": instance, "gateway": gateway, "gen_ai_system": "openai", "model": "gpt"}
    return notation("agentgateway:usage:booked", **own, **labels)


def of_requests(metric: str, pod: str = "gw-1", /, **labels: str) -> str:
    """A metric of LLM requests; where the target bears the gateway's name, the metric's own stands beside it."""
    found = target(pod, **labels)
    own = {
        "gen_ai_operation_name": "chat",
        "gen_ai_system": "openai",
        "gen_ai_request_model": "gpt",
        "gen_ai_response_model": "gpt-2024",
        "bind": "8080/ai/gw",
        "exported_gateway" if found["job"] == JOB else "gateway": found.get("gateway", "ai/gw"),
        "listener": "http",
        "route": "ai/openai",
        "route_rule": "unknown",
    }
    return notation(metric, **{**found, **own, **labels})


def requests(pod: str = "gw-1", /, **labels: str) -> str:
    return of_requests("agentgateway_gen_ai_server_request_duration_count", pod, **labels)


def failed(pod: str = "gw-1", /, **labels: str) -> str:
    """Of an answer that was an error no model is known, and no usage."""
    return requests(pod, **{"gen_ai_response_model": "unknown", **labels})


def reported(pod: str = "gw-1", /, token_type: str = "output", **labels: str) -> str:
    """Requests that reported tokens of this type."""
    metric = "agentgateway_gen_ai_client_token_usage_count"
    return of_requests(metric, pod, gen_ai_token_type=token_type, **labels)


def streamed(pod: str = "gw-1", /, **labels: str) -> str:
    """Streamed answers that brought a token."""
    return of_requests("agentgateway_gen_ai_server_time_to_first_token_count", pod, **labels)


def streamed_with_usage(pod: str = "gw-1", /, **labels: str) -> str:
    """Those of them that also reported output."""
    return of_requests("agentgateway_gen_ai_server_time_per_output_token_count", pod, **labels)


def tokens(pod: str = "gw-1", /, token_type: str = "output", **labels: str) -> str:
    metric = "agentgateway_gen_ai_client_token_usage_sum"
    return of_requests(metric, pod, gen_ai_token_type=token_type, **labels)


def lookups(status: str, pod: str = "gw-1", /, **labels: str) -> str:
    return of_requests("agentgateway_cost_catalog_lookups_total", pod, status=status, **labels)

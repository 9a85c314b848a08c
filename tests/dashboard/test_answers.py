"""Every query of the dashboard over what the rules record of three hours of traffic: each has an answer, and the answer
has the labels that its panel shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.promql import quote
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Spec

Json = dict[str, Any]

#: Request model, response model, and how fast each token type of it grows, in tokens per half minute.
TRAFFIC = (
    ("claude-3-5-haiku", "claude-3-5-haiku-20241022", {"input": 900, "output": 200, "input_cache_read": 300}),
    ("experiment", "experiment-1", {"input": 50, "output": 10}),
)
#: One value in each filter: a query that filters by a label its record lacks has no answer then.
CHOSEN = {
    "cluster": "(prod)",
    "gateway": "(edge/east)",
    "gen_ai_system": "(anthropic)",
    "model": "(claude-3-5-haiku)",
    "team": "(platform)",
}
HALF_MINUTES = 2 * 60 * 3

#: They compare with days, weeks and months ago: test_changes.py has data of those.
ABOUT_THE_PAST = {"Today against yesterday", "This week against last", "This month against last"}

HISTOGRAMS = (names.LLM_DURATION_BUCKETS, names.FIRST_TOKEN_BUCKETS, names.PER_OUTPUT_TOKEN_BUCKETS)
BOUNDS = ("0.5", "+Inf")


def scraped(spec: Spec) -> Iterator[Json]:
    """Three hours of traffic of both gateways; every series is born after its target was seen."""
    for gateway in spec.gateways:
        target = {"job": gateway.job, "instance": "10.0.0.1:15020", "cluster": "prod"}
        target |= {names.GATEWAY: gateway.id, names.GATEWAY_NAME_TARGET_LABEL: gateway.name}
        yield {"series": names.UP + braced(target), "values": f"1x{HALF_MINUTES}"}
        for request_model, response_model, growth in TRAFFIC:
            for token_type, tokens in growth.items():
                own = {
                    f"{names.EXPORTED_PREFIX}{names.GATEWAY}": gateway.id,
                    names.PROVIDER: "anthropic",
                    names.REQUEST_MODEL: request_model,
                    names.RESPONSE_MODEL: response_model,
                    names.TOKEN_TYPE: token_type,
                    "team": "platform",
                }
                yield {"series": names.TOKEN_USAGE_SUM + braced(target | own), "values": growing(tokens)}
            del own[names.TOKEN_TYPE]
            yield {"series": names.REPORTED_USD + braced(target | own), "values": growing(0.5)}
            yield {"series": names.LLM_REQUESTS + braced(target | own), "values": growing(2)}
            for buckets in HISTOGRAMS:
                for bound in BOUNDS:
                    yield {"series": buckets + braced(target | own | {"le": bound}), "values": growing(2)}
        for status in ("200", "429"):
            yield {"series": names.REQUESTS + braced(target | {names.STATUS: status}), "values": growing(2)}
    yield from evaluated()


def evaluated() -> Iterator[Json]:
    """What Prometheus tells of the rules: nothing went wrong."""
    for counter in (names.RULE_FAILURES, names.RULE_GROUPS_MISSED):
        labels = {"job": "prometheus", "cluster": "prod", names.RULE_GROUP: "/rules.yaml;tollbook.budgets"}
        yield {"series": counter + braced(labels), "values": f"0x{HALF_MINUTES}"}


def growing(amount: float) -> str:
    return f"_x20 {amount}+{amount}x{HALF_MINUTES - 20}"


def braced(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"


def expectations(panels: dict[str, Json], sent: Callable[..., str]) -> Iterator[Json]:
    """Of each query: at least one answer, and every answer has all labels that the panel shows."""
    for panel in panels.values():
        if panel["title"] in ABOUT_THE_PAST:
            continue
        for target in panel.get("targets", ()):
            query = sent(target["expr"], "2h", "30m", **CHOSEN)
            shown = labels_shown(panel, target)
            for label in shown:
                query = f'label_replace({query}, "has_{label}", "yes", "{label}", ".+")'
            marks = ", ".join(f"has_{label}" for label in shown)
            # A bar looks ahead, so it is asked for while there is traffic to come.
            at = "2h" if "offset -" in target["expr"] else "3h"
            expected = {"labels": braced({f"has_{label}": "yes" for label in shown}), "value": 1}
            yield {"expr": f"group by ({marks}) ({query})", "eval_time": at, "exp_samples": [expected]}


def labels_shown(panel: Json, target: Json) -> list[str]:
    legend = target.get("legendFormat", "")
    if "{{" in legend:
        return re.findall(r"\{\{(\w+)\}\}", legend)
    organized = [step["options"] for step in panel["transformations"] if step["id"] == "organize"]
    return [column for options in organized for column in options["renameByName"] if not column.startswith("Value")]


def test_every_query_has_an_answer_with_the_labels_it_shows(
    two_gateways: Spec, panels: dict[str, Json], sent: Callable[..., str], promtool: Path, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": rule_groups(rules.build(two_gateways))}))
    expected = list(expectations(panels, sent))
    assert len(expected) > len(panels)
    case = {"interval": "30s", "input_series": list(scraped(two_gateways)), "promql_expr_test": expected}
    unit_tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(unit_tests))
    command: list[str | Path] = [promtool, "test", "rules", tmp_path / "tests.yaml"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr

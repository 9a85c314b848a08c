"""Each pod's tokens mean what its own version says: on the day of an upgrade too, and whatever the spec says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from promtool_cases import Case, failures, money_rules, unmet
from spec_builders import build_info, counter, spec_of, up

from tollbook.gen.spec import Spec
from tollbook.rules import semantics

MEANING = "sum by (instance, token_semantics) (agentgateway:usage:booked)"
TOKENS = "agentgateway:tokens:increase1m"
COST = "agentgateway:cost_usd:increase1m"

MODELS = """
models:
  - {provider: azure, name: gpt, prices: [{input: 1, output: 10, cache_read: 0.1, cache_write: 100}]}
  - {provider: anthropic, name: claude, prices: [{input: 1, output: 10, cache_read: 0.1, cache_write: 100}]}
"""

# Every request uses 1000 tokens of input that no cache knew, 200 of output, 30 read from a cache and 4 written to one.
USED = {"input": 1000, "output": 200, "input_cache_read": 30, "input_cache_write": 4}
# (1000 * 1 + 200 * 10 + 30 * 0.1 + 4 * 100) / 1,000,000 USD
BILLIONTHS = 3_403_000
WITH_CACHED = {**USED, "input": 1034}
BY_1_4 = {"azure": WITH_CACHED, "anthropic": USED}
BY_1_1 = {"azure.openai": WITH_CACHED, "anthropic": USED}
BY_1_5 = {"azure": WITH_CACHED, "anthropic": WITH_CACHED}
NAMED = {"azure.openai": "gpt", "azure": "gpt", "anthropic": "claude"}


@dataclass(frozen=True)
class Process:
    """One run of a pod's container. Scrapes are half a minute apart, counted from zero; between two of them each
    model answers one request."""

    tag: str
    shows: Mapping[str, Mapping[str, int]]
    """Provider -> what one request adds to the counters."""
    first: int
    """The scrape that first shows its counters."""
    last: int
    served: int = 1
    """Requests that its first scrape shows."""

    @property
    def requests(self) -> int:
        return self.served + self.last - self.first

    def counts(self, provider: str, token_type: str) -> str:
        one = self.shows[provider][token_type]
        return f"{one * self.served}+{one}x{self.last - self.first}"


def life_of(instance: str, process: Process, up_since: int | None = None, **labels: str) -> dict[str, str]:
    """The series of a pod that is `up` from its first scrape on, or before."""
    since = process.first if up_since is None else up_since
    series = {
        up(instance, **labels): f"{waiting(since)}1x{process.last - since} stale",
        build_info(process.tag, instance, **labels): f"{waiting(since)}1x{process.last - since} stale",
    }
    for provider, token_type, name in counters(process, instance, **labels):
        series[name] = f"{waiting(process.first)}{process.counts(provider, token_type)} stale"
    return series


def counters(process: Process, instance: str, **labels: str) -> Iterator[tuple[str, str, str]]:
    for provider, shown in process.shows.items():
        model = NAMED[provider]
        of_model = {"gen_ai_system": provider, "gen_ai_request_model": model, "gen_ai_response_model": model}
        for token_type in shown:
            yield provider, token_type, counter(token_type, instance, **{**of_model, **labels})


def waiting(scrapes: int) -> str:
    return f"_x{scrapes} " if scrapes else ""


def used_by(*processes: Process) -> dict[str, int]:
    """Tokens of each model and type."""
    requests = sum(process.requests for process in processes)
    models = (("azure", "gpt"), ("anthropic", "claude"))
    return {
        f'{{gen_ai_system="{provider}",model="{model}",gen_ai_token_type="{kind}"}}': requests * tokens
        for provider, model in models
        for kind, tokens in USED.items()
    }


def billed_as_used(name: str, spec: Spec, series: dict[str, str], *processes: Process, at: str = "30m") -> Case:
    counted = f"sum by (gen_ai_system, model, gen_ai_token_type) (sum_over_time({TOKENS}[1h]))"
    usd = f"round(sum(sum_over_time({COST}[1h])) * 1000000000)"
    requests = sum(process.requests for process in processes)
    samples = ((counted, at, used_by(*processes)), (usd, at, {"": 2 * requests * BILLIONTHS}))
    return Case(name, money_rules(spec), series, samples)


def stating(version: str, more: str = "") -> Spec:
    return spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"{more}}}]\n{MODELS}')


# ---- The day of an upgrade ---------------------------------------------------------------------------------------

# The fleet has been watched for longer than a quarter of an hour when the first new pod comes.
OLDEST = Process("v1.1.0", BY_1_1, first=3, last=36)
OLD = Process("1.4.1", BY_1_4, first=4, last=43)
# One pod's first scrape comes just after the end of the one that it replaces, the other's in the same minute.
FIRST_NEW = Process("v1.5.0", BY_1_5, first=37, last=50, served=7)
SECOND_NEW = Process("v1.5.0", BY_1_5, first=43, last=51, served=2)
ROLLOUT = {
    **life_of("oldest", OLDEST, up_since=0),
    **life_of("old", OLD, up_since=0),
    **life_of("first", FIRST_NEW),
    **life_of("second", SECOND_NEW),
}
EVERYBODY = (OLDEST, OLD, FIRST_NEW, SECOND_NEW)


def rollout(version: str, at: str = "30m") -> Case:
    return billed_as_used(version, stating(version), ROLLOUT, *EVERYBODY, at=at)


def test_an_upgrade_bills_each_token_once_whatever_version_the_spec_states(promtool: Path) -> None:
    """Also where the spec runs ahead of the pods or behind them: the old one, the new one, one that nobody runs."""
    assert failures(promtool, *map(rollout, ("1.1", "1.4", "1.5", "0.11"))) == {}


@pytest.mark.parametrize("version", ["1.4", "1.5"])
def test_without_the_pods_own_versions_an_upgrade_is_billed_wrongly(
    version: str, promtool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantics, "semantics_by_tag", lambda: iter(()))
    assert unmet(promtool, rollout(version)) == {version}


def test_each_minute_of_an_upgrade_is_right_by_itself(promtool: Path) -> None:
    """Not only the sum: no minute takes from another one."""
    total = f'sum by (gen_ai_system) ({TOKENS}{{gen_ai_token_type="input"}})'
    # Each half minute a request of each model on each pod, and what the first scrapes of the new pods show besides.
    minutes = {
        "10m": 4000,  # two pods
        "19m": 1000 + 7000 + 2000,  # scrapes 36 and 37: the oldest's last one, the first new pod's first one
        "22m": 4000 + 2000,  # scrapes 42 and 43: two pods, and the second new one with its first two requests
        "23m": 4000,
    }
    by_provider = ('{gen_ai_system="azure"}', '{gen_ai_system="anthropic"}')
    samples = tuple((total, at, dict.fromkeys(by_provider, tokens)) for at, tokens in minutes.items())
    case = Case("minutes", money_rules(stating("1.4")), ROLLOUT, samples)
    assert failures(promtool, case) == {}


def test_a_pod_at_the_address_of_one_of_another_version_is_known_by_its_name(promtool: Path) -> None:
    """Both are seen within one minute, at one address."""
    before, after = Process("1.4.1", BY_1_4, first=3, last=40), Process("v1.5.0", BY_1_5, first=41, last=50)
    other = Process("1.4.1", BY_1_4, first=3, last=50)
    series = {
        **of_pod("gw-1", life_of("address", before, up_since=0)),
        **of_pod("gw-2", life_of("address", after)),
        **of_pod("gw-3", life_of("elsewhere", other, up_since=0)),
    }
    case = billed_as_used("one address", stating("1.4"), series, before, after, other)
    assert failures(promtool, case) == {}


def of_pod(name: str, series: Mapping[str, str]) -> dict[str, str]:
    return {text.replace("instance=", f'pod="{name}",instance='): values for text, values in series.items()}


# ---- A container that is replaced within its pod -------------------------------------------------------------------


def in_place(before: Process, after: Process) -> dict[str, str]:
    """One pod and one target: the counters go on under the same names, from zero. A scrape between the two fails."""
    fails = after.first - before.last - 1
    between = f" 0x{fails - 1}" if fails else ""
    series = {
        up(): f"1x{before.last}{between} 1x{after.last - after.first}",
        build_info(before.tag): f"1x{before.last} stale",
        build_info(after.tag): f"_x{after.first} 1x{after.last - after.first}",
    }
    stale = f" stale {waiting(fails - 1)}" if fails else " "
    for provider, token_type, name in counters(before, "pod"):
        was, then = before.counts(provider, token_type), after.counts(provider, token_type)
        series[name] = f"_x{before.first} {was}{stale}{then}"
    return series


@pytest.mark.parametrize("stated", ["1.4", "1.5"])
def test_a_container_that_is_replaced_in_a_minute_of_its_own_is_billed_exactly(stated: str, promtool: Path) -> None:
    """The old one's last scrape ends a minute, the new one's first comes in the next."""
    before, after = Process("1.4.1", BY_1_4, first=3, last=9), Process("v1.5.0", BY_1_5, first=11, last=25)
    back = Process("1.4.0", BY_1_4, first=11, last=25)
    newer = Process("v1.5.0", BY_1_5, first=3, last=9)
    cases = [
        billed_as_used("forth", stating(stated), in_place(before, after), before, after, at="15m"),
        billed_as_used("back", stating(stated), in_place(newer, back), newer, back, at="15m"),
    ]
    assert failures(promtool, *cases) == {}


def test_a_minute_that_saw_two_versions_in_one_pod_is_counted_as_the_newer_means_it(promtool: Path) -> None:
    """The rule does not fail, which would lose everybody's minute, and the minutes before and after are exact. In this
    one Anthropic's old request, with 1000 of input, gives up the 34 that it never held."""
    before, after = Process("1.4.1", BY_1_4, first=3, last=10), Process("v1.5.0", BY_1_5, first=11, last=25)
    per_minute = f'sum by (gen_ai_system) ({TOKENS}{{gen_ai_token_type="input"}})'
    samples = tuple(
        (per_minute, at, {'{gen_ai_system="azure"}': azure, '{gen_ai_system="anthropic"}': anthropic})
        for at, azure, anthropic in (("5m", 2000, 2000), ("6m", 2000, 2000 - 34), ("7m", 2000, 2000))
    )
    case = Case("one minute", money_rules(stating("1.5")), in_place(before, after), samples)
    assert failures(promtool, case) == {}


# ---- Which version a pod is of -----------------------------------------------------------------------------------

# tag -> what its counters mean, by the first version that means it so; None: as the spec says
TAGS = {
    "v0.10.5": "0.0",
    "0.11.2": "0.0",
    "v0.99.0": "0.0",
    "1.0.0": "1.0",
    "v1.0.0-rc.3": None,
    "v1.1.0": "1.0",
    "1.4.1": "1.0",
    "1.4.99": "1.0",
    "v1.4.1-dirty": None,
    "v1.5.0": "1.5",
    "1.5": None,
    "v1.5.2-beta.1": None,
    "1.9.0": "1.5",
    "1.10.0": "1.5",
    "1.40.0": "1.5",
    "v1.6.0+build.7": None,
    "v2.0.0": "1.5",
    "10.0.1": "1.5",
    "0.0.0-alpha.9f3c2d1": None,  # a nightly build
    "v1.4.1-206-g3f2c9ab": None,  # made from a working copy
    "3f2c9ab-dirty": None,  # by cargo
    "3f2c9ab": None,
    "15": None,
    "1.5abc": None,
    "v1": None,
    "main": None,
    "latest-1.5.0": None,
    "vv1.5.0": None,
    "1x5": None,
    "": None,
}


@pytest.mark.parametrize("stated", ["0.11", "1.4", "1.5"])
def test_a_pod_s_tag_tells_its_version_and_else_the_spec_does(stated: str, promtool: Path) -> None:
    by_spec = {"0.11": "0.0", "1.4": "1.0", "1.5": "1.5"}[stated]
    series, meant = {counter(pod="silent"): "7x6"}, {"silent": by_spec}
    for number, (tag, since) in enumerate(TAGS.items()):
        pod = f"pod-{number}"
        series |= {counter(pod=pod): "7x6", build_info(tag, pod): "1x6"}
        meant[pod] = since or by_spec
    expected = {f'{{instance="{pod}",token_semantics="{since}"}}': 1 for pod, since in meant.items()}
    case = Case(stated, money_rules(stating(stated)), series, ((MEANING, "2m", expected),))
    assert failures(promtool, case) == {}


def test_a_data_plane_that_is_told_to_count_as_before_does_so_until_1_5_only(promtool: Path) -> None:
    spec = stating("1.5", ", legacy_token_semantics: true")
    told = Process("v1.5.0", BY_1_4, first=3, last=10)
    silent = Process("3f2c9ab", BY_1_4, first=3, last=10)
    later = Process("v1.6.0", BY_1_5, first=3, last=10)
    old = Process("v1.1.0", BY_1_1, first=3, last=10)
    processes = {"told": told, "silent": silent, "later": later, "old": old}
    series = {name: text for pod, one in processes.items() for name, text in life_of(pod, one, up_since=0).items()}
    case = billed_as_used("legacy", spec, series, *processes.values(), at="9m")
    assert failures(promtool, case) == {}


def test_a_pod_s_version_is_read_from_the_scrapes_that_count(promtool: Path) -> None:
    """Not from another job's or another cluster's target of the same address."""
    one = Process("v1.5.0", BY_1_5, first=3, last=10)
    two = Process("1.4.1", BY_1_4, first=3, last=10)
    two_clusters = spec_of(f"prometheus: {{keep_labels: [cluster]}}\ngateways: [{{name: gw, namespace: ai}}]\n{MODELS}")
    cases = [
        billed_as_used(
            "a job",
            stating("1.5"),
            {**life_of("pod", two, up_since=0), build_info("v1.5.0", job="chart"): "1x10"},
            two,
            at="9m",
        ),
        billed_as_used(
            "a cluster",
            two_clusters,
            {**life_of("pod", one, up_since=0, cluster="a"), **life_of("pod", two, up_since=0, cluster="b")},
            one,
            two,
            at="9m",
        ),
    ]
    assert failures(promtool, *cases) == {}


def test_gateways_that_share_a_job_have_each_pod_s_version(promtool: Path) -> None:
    """Neither is of the version that the spec states, and one of them is told to count as before."""
    of_gw = '{name: gw, namespace: ai, version: "0.11", monitor: none, job: proxies}'
    of_other = '{name: other, namespace: ai, version: "1.5", monitor: none, job: proxies, legacy_token_semantics: true}'
    spec = spec_of(f"gateways: [{of_gw}, {of_other}]\n{MODELS}")
    new, told = Process("v1.5.0", BY_1_5, first=3, last=10), Process("v1.5.0", BY_1_4, first=3, last=10)
    old = Process("1.4.1", BY_1_4, first=3, last=10)
    series = {
        **life_of("a", new, up_since=0, job="proxies"),
        **life_of("b", old, up_since=0, job="proxies"),
        **life_of("c", told, up_since=0, job="proxies", gateway="ai/other"),
    }
    case = billed_as_used("shared", spec, series, new, old, told, at="9m")
    assert failures(promtool, case) == {}

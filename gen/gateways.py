"""What a gateway's metrics mean, by data-plane version: a table, so that a new version is a new row and no new code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tollbook.gen import names
from tollbook.gen.promql import Matcher, matches_not, none_of, one_of
from tollbook.gen.spec import Gateway

Matchers = tuple[Matcher, ...]
Version = tuple[int, int]

ANTHROPIC, BEDROCK, VERTEX, COPILOT = "anthropic", "aws.bedrock", "gcp.vertex_ai", "copilot"

#: Vertex and Copilot serve Anthropic's models in Anthropic's own format, whose counts they pass on.
CLAUDE = "(.*/)?claude.*"

#: The last version that AGENTGATEWAY_LEGACY_LLM_USAGE_TOKEN_SEMANTICS turns back.
LAST_WITH_LEGACY_SEMANTICS = (1, 5)

#: Since when the gateway counts dollars itself, and since when it looks up prices in a catalog.
REPORTS_USD_SINCE = (1, 4)
LOOKS_UP_PRICES_SINCE = (1, 3)


@dataclass(frozen=True)
class TokenSemantics:
    """How one range of versions counts tokens."""

    since: Version
    input_includes_cache: tuple[Matchers, ...]
    """The series whose request also counted its cached tokens as `input`: any of these sets of matchers."""
    reason: str

    @property
    def name(self) -> str:
        return ".".join(map(str, self.since))


#: Newest first. Until 1.4 `input` is the provider's own figure, which Anthropic and Bedrock give without cached tokens.
TOKEN_SEMANTICS = (
    TokenSemantics((1, 5), ((),), "the gateway adds cached tokens to `input` for every provider"),
    TokenSemantics(
        (1, 0),
        (
            (none_of(names.PROVIDER, [ANTHROPIC, BEDROCK, VERTEX, COPILOT]),),
            (one_of(names.PROVIDER, [VERTEX, COPILOT]), matches_not(names.REQUEST_MODEL, CLAUDE)),
        ),
        "`input` is the provider's figure: without cached tokens where Anthropic's format is spoken",
    ),
    TokenSemantics((0, 0), (), "no cache types are exported: cached tokens are part of `input` or are not seen at all"),
)


def reports_usd(gateway: Gateway) -> bool:
    """Whether it counts dollars itself."""
    return gateway.version >= REPORTS_USD_SINCE


def looks_up_prices(gateway: Gateway) -> bool:
    """Whether it counts how it looks up prices in its own catalog."""
    return gateway.version >= LOOKS_UP_PRICES_SINCE


#: What a provider was called by older versions -> its name now.
RENAMED_PROVIDERS = {"azure.openai": "azure"}


def token_semantics(version: Version) -> TokenSemantics:
    return next(row for row in TOKEN_SEMANTICS if version >= row.since)


def stated_semantics(gateway: Gateway) -> TokenSemantics:
    """As the spec says: for pods that do not tell their version."""
    if gateway.legacy_token_semantics and gateway.version <= LAST_WITH_LEGACY_SEMANTICS:
        return token_semantics((1, 4))
    return token_semantics(gateway.version)


def semantics_by_tag(gateway: Gateway) -> Iterator[tuple[str, TokenSemantics]]:
    """Regexes of the version tag that a pod shows, newest first, each with what the pod's counters mean. The first that
    matches counts; a tag that none matches, such as the commit of a build of one's own, tells nothing."""
    for row in TOKEN_SEMANTICS:
        since = row.since
        if gateway.legacy_token_semantics and since == LAST_WITH_LEGACY_SEMANTICS:
            since = (since[0], since[1] + 1)
        yield tag_since(since), row


def tag_since(version: Version) -> str:
    """Matches `v1.5.0`, `1.6.2-beta.1` and the like from this version on."""
    major, minor = version
    number = rf"({major}\.{_at_least(minor)}|{_at_least(major + 1)}\.[0-9]+)"
    return rf"v?{number}([.+-].*)?"


def _at_least(number: int) -> str:
    """Matches whole numbers from this one on, which has one digit."""
    return rf"([{number}-9]|[1-9][0-9]+)"


def current_provider(name: str) -> str:
    return RENAMED_PROVIDERS[name] if name in RENAMED_PROVIDERS else name

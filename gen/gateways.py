"""What a gateway's metrics mean, by data-plane version: a table, so that a new version is a new row and no new code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tollbook.gen import names
from tollbook.gen.promql import Matcher, none_of
from tollbook.gen.spec import Gateway, Spec

Matchers = tuple[Matcher, ...]
Version = tuple[int, int]

#: In which format a provider reports usage: Anthropic's `input` is without cached tokens, OpenAI's is with them.
ANTHROPIC, OPENAI = "anthropic", "openai"

#: Provider, request model and response model, with tabs between them, of usage in Anthropic's format. Anthropic and
#: Bedrock always report so; Vertex, Copilot and Azure serve Anthropic's models in Anthropic's own format.
_CLAUDE = r"([^\t]*/)?claude"
SPEAKS_ANTHROPIC = (
    r"(anthropic|aws\.bedrock)\t.*"
    rf"|(gcp\.vertex_ai|copilot|azure|azure\.openai)\t({_CLAUDE}.*|[^\t]*\t{_CLAUDE}.*)"
)

#: The last release that AGENTGATEWAY_LEGACY_LLM_USAGE_TOKEN_SEMANTICS turns back, and to which.
LAST_WITH_LEGACY_SEMANTICS = (1, 5)
BEFORE_LEGACY = (1, 4)

#: Since when the gateway counts dollars itself, and since when it looks up prices in a catalog.
REPORTS_USD_SINCE = (1, 4)
LOOKS_UP_PRICES_SINCE = (1, 3)


@dataclass(frozen=True)
class TokenSemantics:
    """How one range of releases counts tokens."""

    since: Version
    input_includes_cache: tuple[Matchers, ...]
    """The series whose request also counted its cached tokens as `input`: any of these sets of matchers."""
    reason: str

    @property
    def name(self) -> str:
        return ".".join(map(str, self.since))


#: Newest first.
TOKEN_SEMANTICS = (
    TokenSemantics((1, 5), ((),), "the gateway adds cached tokens to `input` for every provider"),
    TokenSemantics(
        (1, 0),
        ((none_of(names.FORMAT, [ANTHROPIC]),),),
        "`input` is the provider's figure: without cached tokens in Anthropic's format",
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


def unlisted_semantics(spec: Spec) -> TokenSemantics:
    """Of pods that run no release, of gateways that the spec does not name: as it says of those that it selects, which
    state one version; else as the newest release counts."""
    return token_semantics(spec.selections[0].version) if spec.selections else TOKEN_SEMANTICS[0]


def stated_semantics(gateway: Gateway) -> TokenSemantics:
    """As the spec says: for pods that do not tell their version."""
    if gateway.legacy_token_semantics and gateway.version <= LAST_WITH_LEGACY_SEMANTICS:
        return token_semantics((1, 4))
    return token_semantics(gateway.version)


def semantics_by_tag() -> Iterator[tuple[str, TokenSemantics]]:
    """Regexes of the tag that a pod shows, newest first, each with what the pod's counters mean; the first that matches
    counts. Only releases say a version: nightly builds and those of one's own bear a git revision."""
    for row in TOKEN_SEMANTICS:
        yield tag_since(row.since), row


def tag_since(version: Version) -> str:
    """Matches the releases `1.5.0`, `v1.6.2` and the like from this version on, and no pre-release."""
    major, minor = version
    number = rf"({major}\.{_at_least(minor)}|{_at_least(major + 1)}\.[0-9]+)"
    return rf"v?{number}\.[0-9]+"


def tag_of(version: Version) -> str:
    """Matches the releases of this version alone."""
    major, minor = version
    return rf"v?{major}\.{minor}\.[0-9]+"


#: The tag of a release, whichever it is.
RELEASE = r"v?[0-9]+\.[0-9]+\.[0-9]+"


def _at_least(number: int) -> str:
    """Matches whole numbers from this one on, which has one digit."""
    return rf"([{number}-9]|[1-9][0-9]+)"


def current_provider(name: str) -> str:
    return RENAMED_PROVIDERS[name] if name in RENAMED_PROVIDERS else name

"""What a gateway's metrics mean, by data-plane version: a table, so that a new version is a new row and no new code."""

from __future__ import annotations

from dataclasses import dataclass

from tollbook.gen import names
from tollbook.gen.promql import Matcher, matches_not, none_of, one_of

Matchers = tuple[Matcher, ...]

ANTHROPIC, BEDROCK, VERTEX, COPILOT = "anthropic", "aws.bedrock", "gcp.vertex_ai", "copilot"

#: Vertex and Copilot serve Anthropic's models in Anthropic's own format, whose counts they pass on.
CLAUDE = "(.*/)?claude.*"


@dataclass(frozen=True)
class TokenSemantics:
    """How one range of versions counts tokens."""

    since: tuple[int, int]
    input_includes_cache: tuple[Matchers, ...]
    """The series whose request also counted its cached tokens as `input`: any of these sets of matchers."""
    reason: str


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


def token_semantics(version: tuple[int, int]) -> TokenSemantics:
    return next(row for row in TOKEN_SEMANTICS if version >= row.since)

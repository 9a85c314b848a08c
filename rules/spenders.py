"""Who spent most, as the end of an alert's text."""

from __future__ import annotations

from collections.abc import Sequence

from tollbook.gen import names
from tollbook.gen.annotations import listed, row_label, row_value
from tollbook.gen.promql import Expr, binary, highest, scalar, sum_by

#: As many as are worth a look in the middle of the night.
MOST = 3

#: Where a label's name is not a word.
_WORDS = {names.PROVIDER: "provider"}


def word_for(label: str) -> str:
    return _WORDS.get(label, label)


def top_spenders(dollars: Expr, by: Sequence[str]) -> str:
    """A row for each of those who spent most. The first label is one that all of them bear."""
    spent = binary(sum_by(by, dollars), ">", scalar(0))
    told = (row_label(f"{', ' if at else ': '}{word_for(each)} ", each) for at, each in enumerate(by))
    return listed(highest(MOST, spent), f"\n- {row_value(decimals=2)} USD{''.join(told)}")

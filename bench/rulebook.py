"""From the text of a spec to the data of its rule groups, as this version or an older one has it.

Run as a program it reads such a task from standard input and prints the groups. It then imports whatever `tollbook` is
first on the path, so it may ask no more of the packages than every version has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from tollbook import rules
from tollbook.gen.load import load
from tollbook.gen.rulefile import rule_groups
from tollbook.gen.spec import Model, Rates, Spec

Group = dict[str, Any]

#: By model: USD per 1M tokens of input, output, cache read and cache write.
NewRates = Mapping[str, Sequence[Decimal]]

#: Midnight of this day falls into the run. A spec may not name so early a year, so it is put into the resolved one.
NEW_PRICES_SINCE = date(1970, 1, 1)


def spec(text: str, new_rates: NewRates) -> Spec:
    stated = load(text, "bench.yaml").spec
    return replace(stated, models=tuple(_repriced(model, new_rates.get(model.name)) for model in stated.models))


def _repriced(model: Model, rates: Sequence[Decimal] | None) -> Model:
    if rates is None:
        return model
    return replace(model, prices=(*model.prices, replace(model.prices[0], since=NEW_PRICES_SINCE, rates=Rates(*rates))))


def groups(spec: Spec) -> list[Group]:
    return rule_groups(rules.build(spec))


def main() -> None:
    task = json.load(sys.stdin, parse_float=Decimal)
    new_rates = {model: [Decimal(usd) for usd in rates] for model, rates in task["new_rates"].items()}
    json.dump({"sources": rules.__file__, "groups": groups(spec(task["spec"], new_rates))}, sys.stdout)


if __name__ == "__main__":
    main()

"""YAML is read strictly, with the place of everything, and written so that every YAML reader gets the same back."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tollbook.gen import yamlsyntax
from tollbook.gen.errors import FindingsError, Place
from tollbook.gen.yamlio import dump, dump_all, read


def value_of(text: str) -> Any:
    return read(f"value: {text}\n", "f.yaml").data["value"]


def problems(text: str) -> list[str]:
    with pytest.raises(FindingsError) as refusal:
        read(text, "f.yaml")
    return [str(problem) for problem in refusal.value.problems]


# ---- Reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("0.15", Decimal("0.15")),
        ("1e-6", Decimal("0.000001")),
        ("1E3", Decimal(1000)),
        ("-1.5e+2", Decimal(-150)),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2024-11-04", "2024-11-04"),
        ("2024-11-04 10:00:00", "2024-11-04 10:00:00"),
        ("1.4.1", "1.4.1"),
        ("10m", "10m"),
        ("1h30m", "1h30m"),
        ("gpt-4o", "gpt-4o"),
        ("12e5x", "12e5x"),
        ("=", "="),
        ('"5"', "5"),
        ("'010'", "010"),
        ('"no"', "no"),
        ('"~"', "~"),
        ('"\\u0007 \\x41"', "\a A"),
        ("|\n  no\n  010\n", "no\n010\n"),
        (">\n  1\n  2\n", "1 2\n"),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_a_value_is_what_every_reader_takes_it_for(text: str, expected: Any) -> None:
    found = value_of(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("digits", ["0.10", "1.10", "3.000", "0.123456789012345678901234567890", "1e-6"])
def test_a_number_keeps_its_digits(digits: str) -> None:
    assert str(value_of(digits)) == str(Decimal(digits))


def test_keys_are_text_as_written() -> None:
    assert read('{80: a, 99.5: b, "100": c, x: d}', "f.yaml").data == {"80": "a", "99.5": "b", "100": "c", "x": "d"}


def test_places_count_from_one_in_characters() -> None:
    document = read("é: 1\nlist:\n  - {ü: x, b: w}\n  - 😀: z\n", "f.yaml")
    assert document.values[()] == Place("f.yaml", 1, 1)
    assert document.keys["list", 0, "b"] == Place("f.yaml", 3, 12)
    assert document.values["list", 0, "b"] == Place("f.yaml", 3, 15)
    assert document.values["list", 1, "😀"] == Place("f.yaml", 4, 8)


def test_what_is_not_in_the_file_is_at_the_nearest_thing_around_it() -> None:
    document = read("a:\n  b: 1\n", "f.yaml")
    assert document.value_place(("a", "missing", 3)) == Place("f.yaml", 2, 3)
    assert document.value_place(("missing",)) == Place("f.yaml", 1, 1)
    assert document.key_place(("a", "b")) == Place("f.yaml", 2, 3)
    assert document.key_place(("a", "missing")) == Place("f.yaml", 2, 3)


def test_a_byte_order_mark_is_no_character_of_the_file() -> None:
    document = read("\ufeffa: b\n", "f.yaml")
    assert (document.data, document.values["a",]) == ({"a": "b"}, Place("f.yaml", 1, 4))
    assert problems("\ufeffa: @b") == ["f.yaml:1:4: error: a value cannot begin with '@' (put the value in quotes)"]


def test_a_byte_order_mark_within_the_text_is_refused() -> None:
    assert problems("a: b\ufeff") == [
        'f.yaml:1:5: error: the character U+FEFF is not allowed here (remove it, or write "\\ufeff" in double quotes)'
    ]


def test_every_refusal_in_a_file_is_found_in_one_go() -> None:
    found = problems("a: yes\nb: &x 010\na: *x\n? [k]\n: 1\nc: !t .5\n")
    assert [problem.split(": error: ")[0] for problem in found] == [
        "f.yaml:1:4",
        "f.yaml:2:4",
        "f.yaml:2:4",
        "f.yaml:3:1",
        "f.yaml:4:3",
        "f.yaml:6:4",
    ]


def test_hostile_depth_is_refused_before_it_costs_anything() -> None:
    assert problems("[" * 100_000) == [
        "f.yaml:1:52: error: nested deeper than 50 levels (remove some brackets or indentation)"
    ]


def test_a_bomb_of_aliases_is_never_expanded() -> None:
    bomb = "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    found = problems(bomb)
    assert len(found) == 12 + 11 * 10


#: One snippet for each complaint of the parser that has a sentence of its own.
SNIPPETS = (
    *("a: b: c", "a: - b", "a: ? b", "a: 1\nb\nc: 2", "a:\n  b: 1\n c: 2", "- a\nb: 1", "a: [1 2\nb: 1", "a: {b: 1"),
    *("a: [,]", "a: 'b", "a: 'b\n---\n", "a: b\n...\nc: d", "a: |\n\tb", "a:\n  - b\n\t- c"),
    *('a: "\\q"', 'a: "\\x1"', 'a: "\\ud800"', "%X\n---\na: b", "%YAML 2.0\n---\na: b"),
    *("a: *", "a: !b!c d", "a: !<b", "a: !<> b", "a: !b,c d", "a: !%zz b"),
)


def complaint(text: str) -> str:
    with pytest.raises(yaml.MarkedYAMLError) as error:
        list(yaml.parse(text, Loader=yaml.CSafeLoader))
    return str(error.value.problem)


def test_every_sentence_about_syntax_is_one_the_parser_can_cause() -> None:
    assert {complaint(text) for text in SNIPPETS} == set(yamlsyntax._SENTENCES)


@pytest.mark.parametrize("text", SNIPPETS)
def test_the_parsers_own_words_are_never_shown(text: str) -> None:
    (problem,) = problems(text)
    assert complaint(text) not in problem


# ---- Writing -------------------------------------------------------------------------------------------

#: Text that some YAML reader takes for something else when it is not quoted, or that quoting itself can spoil.
HOSTILE: list[str] = json.loads((Path(__file__).parent / "hostile_texts.json").read_text(encoding="utf-8"))


def json_of(text: str) -> Any:
    """What kubectl reads: a Go reader of YAML, and the one that matters."""
    command = ["kubectl", "label", "--local", "-f", "-", "read=back", "-o", "json"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=True, encoding="utf-8")
    return json.loads(result.stdout)


def config_map(texts: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": "texts", "annotations": dict.fromkeys(texts.values(), "key")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(texts)}


TEXTS = {f"k{index}": text for index, text in enumerate(HOSTILE)}


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text)[:40] for text in HOSTILE])
def test_hostile_text_comes_back_from_python_and_from_yaml_1_2(text: str) -> None:
    data = {"value": text, text: "key", "list": [text, [text]], "nested": {"value": text}}
    written = dump(data)
    assert yaml.load(written, Loader=yaml.CSafeLoader) == data
    assert yaml.safe_load(written) == data
    assert YAML(typ="safe", pure=True).load(written) == data
    assert read(written, "f.yaml").data == data


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_hostile_text_comes_back_from_kubectl() -> None:
    found = json_of(dump(config_map(TEXTS)))
    assert found["data"] == TEXTS
    assert set(found["metadata"]["annotations"]) == set(TEXTS.values())


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize(("text", "misread"), [("1e3", 1000), ("0o14", 12), ("y", True), ("+.5", 0.5)])
def test_kubectl_misreads_them_as_python_writes_them_by_itself(text: str, misread: object) -> None:
    """Else the test above could not fail."""
    found = json_of(yaml.safe_dump(config_map({"k": text})))
    assert found["data"] == {"k": misread}


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_whatever_is_written_comes_back(data: Any) -> None:
    written = dump({"data": data})
    assert yaml.load(written, Loader=yaml.CSafeLoader) == {"data": data}
    assert YAML(typ="safe", pure=True).load(written) == {"data": data}


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.text(alphabet=st.sampled_from(" \t\n\r-:#'\"\\|>aA1.éx0e_+~y")))
def test_whatever_text_of_marks_is_written_comes_back(text: str) -> None:
    data = {"value": text, text: [text]}
    assert yaml.load(dump(data), Loader=yaml.CSafeLoader) == data
    assert YAML(typ="safe", pure=True).load(dump(data)) == data
    assert read(dump(data), "f.yaml").data == data


def test_the_layout() -> None:
    class Kind(StrEnum):
        POD = "PodMonitor"

    shared = {"release": "stack"}
    data = {
        "kind": Kind.POD,
        "metadata": MappingProxyType({"name": "agentgateway-cost", "labels": shared, "again": shared}),
        "empty": [{}, []],
        "rules": [
            {"record": "agentgateway:tokens:increase1m", "expr": 'sum(x{a="b"})\n/\n  2\n'},
            {"expr": 'up{job="monitoring/edge"} == 0', "for": "10m", "labels": {"severity": "warning", "on": "1e3"}},
        ],
        "summary": "Spending is over " + "a very long way from the budget " * 8 + "today: look.",
        "price": Decimal("0.80"),
        "many": Decimal("1E+3"),
        "few": Decimal("1E-9"),
        "count": 3,
        "flag": True,
        "nothing": None,
        "tags": ("llm", "finops"),
    }
    assert (
        dump(data)
        == f"""\
kind: PodMonitor
metadata:
  name: agentgateway-cost
  labels:
    release: stack
  again:
    release: stack
empty:
- {{}}
- []
rules:
- record: agentgateway:tokens:increase1m
  expr: |
    sum(x{{a="b"}})
    /
      2
- expr: 'up{{job="monitoring/edge"}} == 0'
  for: 10m
  labels:
    severity: warning
    "on": "1e3"
summary: "{data["summary"]}"
price: 0.80
many: 1000
few: 0.000000001
count: 3
flag: true
nothing: null
tags:
- llm
- finops
"""
    )


def test_several_documents() -> None:
    assert dump_all([{"a": 1}, {"b": [2]}]) == "---\na: 1\n---\nb:\n- 2\n"
    assert dump_all([]) == ""


@pytest.mark.parametrize("value", [0.5, math.inf, b"x", {1}, date(2024, 1, 1), object()])
def test_what_readers_would_not_agree_on_is_never_written(value: object) -> None:
    with pytest.raises((TypeError, yaml.YAMLError)):
        dump({"value": value})


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_decimal_that_is_no_number_is_never_written(number: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        dump([Decimal(number)])


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6))
def test_a_decimal_comes_back_digit_by_digit(number: Decimal) -> None:
    found = read(dump([number]), "f.yaml").data[0]
    assert str(found) == f"{number:f}"

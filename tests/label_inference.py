"""Which labels the series of an expression can bear, at most: read off its outermost operators."""

from __future__ import annotations

from typing import Any

import promql_parser

#: Of a metric whose labels are not bounded here: whatever its exporter and Prometheus give it.
ANY = frozenset({"*"})


def labels_of(expr: str, records: dict[str, frozenset[str]]) -> frozenset[str]:
    """`records`: the labels of metrics that are known."""
    return _of(promql_parser.parse(expr), records)


def _of(node: Any, records: dict[str, frozenset[str]]) -> frozenset[str]:
    match type(node).__name__:
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            return _of(node.expr, records)
        case "NumberLiteral":
            return frozenset()
        case "VectorSelector":
            return records.get(node.name, ANY)
        case "MatrixSelector":
            return _of(node.vector_selector, records)
        case "AggregateExpr":
            return _of_aggregation(node, records)
        case "BinaryExpr":
            return _of_operation(node, records)
        case "Call":
            return _of_call(node, records)
    raise AssertionError(f"{type(node).__name__} is new here")


def _of_aggregation(node: Any, records: dict[str, frozenset[str]]) -> frozenset[str]:
    if str(node.op) in ("topk", "bottomk"):
        return _of(node.expr, records)
    if node.modifier is None:
        return frozenset()
    assert "By" in str(node.modifier.type), node.modifier.type
    return frozenset(node.modifier.labels)


def _of_operation(node: Any, records: dict[str, frozenset[str]]) -> frozenset[str]:
    left, right = _of(node.lhs, records), _of(node.rhs, records)
    if str(node.op) in ("and", "unless"):
        return left
    if str(node.op) == "or" or type(node.lhs).__name__ == "NumberLiteral":
        return left | right
    is_joined = node.modifier and "ManyToOne" in str(node.modifier.card)
    return left | frozenset(node.modifier.group_labels or ()) if is_joined else left


def _of_call(node: Any, records: dict[str, frozenset[str]]) -> frozenset[str]:
    name = node.func.name
    if name in ("vector", "time"):
        return frozenset()
    added = {node.args[1].val} if name in ("label_replace", "label_join") else set()
    constants = ("StringLiteral", "NumberLiteral")
    inner = (_of(argument, records) for argument in node.args if type(argument).__name__ not in constants)
    return frozenset(added).union(*inner)

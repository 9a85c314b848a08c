"""Damages of rules, one fact each: an operator table over the tokens of an expression, and labels, `for` and texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tollbook.gen.durations import Duration
from tollbook.gen.promql import quote

TOKEN = re.compile(
    r"""
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![\w.]))
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[a-zA-Z_][\w:]*)
    | (?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=])
    | (?P<bracket>[()\[\]{},:])
    """,
    re.VERBOSE,
)

#: Token -> what stands there instead, one mutant each. Words that call a function or aggregate need a bracket after.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("/",),
    "^": ("*",),
    "==": ("!=",),
    "!=": ("==",),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
}
SETS: Mapping[str, tuple[str, ...]] = {
    "and": ("or", "unless"),
    "or": ("and", "unless"),
    "unless": ("and", "or"),
}
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "sum": ("max",),
    "max": ("sum",),
    "min": ("max",),
    "avg": ("max",),
    "count": ("sum",),
    "group": ("sum",),
    "topk": ("bottomk",),
    "last_over_time": ("min_over_time",),
    "max_over_time": ("min_over_time",),
    "min_over_time": ("max_over_time",),
    "avg_over_time": ("max_over_time",),
    "sum_over_time": ("max_over_time",),
    "count_over_time": ("max_over_time",),
    "clamp_min": ("clamp_max",),
    "clamp_max": ("clamp_min",),
    "floor": ("ceil",),
    "days_in_month": ("day_of_month",),
    "day_of_month": ("days_in_month",),
    "day_of_week": ("day_of_month",),
    "year": ("month",),
    "ceil": ("floor",),
    "month": ("day_of_month",),
    "increase": ("delta",),
    "rate": ("delta",),
    "absent": ("count",),
}
LISTS = ("by", "without", "on", "ignoring", "group_left", "group_right")
KEYWORDS = {*LISTS, *SETS, "bool", "offset"}
TOKEN_TYPES = ("input", "output", "input_cache_read", "input_cache_write")

STRING = r'"(?:[^"\\]|\\.)*"'
#: `by (a, b)`, whatever the labels.
LABEL_LIST = re.compile(rf"(\b(?:{'|'.join(LISTS)}) ?\()([^()]*)\)")
#: What a text takes from elsewhere.
ACTION = re.compile(rf"(\{{\{{(?:{STRING}|[^\"}}]|\}}(?!\}}))*\}}\}})")
QUERY = re.compile(rf"range query ({STRING})")
TIME = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
#: The metrics before a window or an offset, the last of which it is about.
METRIC_BEFORE = re.compile(r"\b[a-z_]+(?::\w+)+|\b[a-z]+(?:_[a-z]+)+(?= ?[\[{])")
#: So much of what stands around a damage is shown.
AROUND = 40

#: Just recorded, and not in the minutes before: what a restart would bring back.
MOMENT, MINUTE, MINUTES = Duration(1), Duration.parse("1m"), Duration.parse("5m")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Mutant:
    rule: str
    """The record or alert, and what of its labels tells it from others of the name."""
    kind: str
    change: str
    """`before -> after`, with what stands around it."""
    marked: str
    """The same within the whole expression."""
    place: str
    """What was damaged, without numbers and texts: the same for rules that are built alike."""
    data: Mapping[str, Any]
    """The damaged rule, as in a rule file."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.kind}: {self.change}"


def mutants_of(rule: Mapping[str, Any]) -> Iterator[Mutant]:
    """Every damage of one rule of a rule file, whose expression is on one line."""
    title = title_of(rule)
    for kind, start, end, text in damages(rule["expr"], title):
        expr = rule["expr"][:start] + text + rule["expr"][end:]
        short, whole = (shown(rule["expr"], start, end, text, around) for around in (AROUND, len(expr)))
        yield Mutant(title, kind, short, whole, place_of(whole), {**rule, "expr": expr})
    for label, value in rule.get("labels", {}).items():
        kind = "severity" if label == "severity" else "token type" if value in TOKEN_TYPES else "label of the rule"
        labels = {**rule["labels"], label: other_value(value)}
        change = f'{label}="{value}" -> "{labels[label]}"'
        yield Mutant(title, kind, change, change, label, {**rule, "labels": labels})
    if "alert" in rule:
        held = rule.get("for", "0s")
        for other in (*other_durations(held), "0s") if held != "0s" else (str(MINUTE),):
            change = f"{held} -> {other}"
            yield Mutant(title, "for", change, change, change, {**rule, "for": other})
    for key, text in rule.get("annotations", {}).items():
        for kind, start, end, instead, place in damages_of_text(text) if key != "runbook_url" else ():
            texts = {**rule["annotations"], key: text[:start] + instead + text[end:]}
            short, whole = (shown(text, start, end, instead, around) for around in (AROUND, len(text)))
            yield Mutant(
                title, f"{kind} of {key}", short, whole, without_names(place, rule), {**rule, "annotations": texts}
            )


def place_of(marked: str) -> str:
    """What is damaged, and how, whatever the numbers, texts and lists of labels are."""
    text = LABEL_LIST.sub(lambda found: f"{found[1]}{'[[]]' if '[[' in found[2] else '_'})", shape_of(marked))
    place = text[text.index("[[") : text.rindex("]]")]
    if times := re.fullmatch(r"\[{2,3}(\w+) -> (\w+)\]?", place):
        before, after = times.groups()
        if TIME.fullmatch(before) and TIME.fullmatch(after):
            return f"{METRIC_BEFORE.findall(text.partition('[[')[0])[-1:]} {is_longer(before, after)}"
    return place


def is_longer(before: str, after: str) -> bool:
    return Duration.parse(before) < Duration.parse(after)


def without_names(text: str, rule: Mapping[str, Any]) -> str:
    for value in rule.get("labels", {}).values():
        text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", "_", text) if value else text
    return text


def shape_of(expr: str) -> str:
    """The expression without its numbers and texts."""
    return re.sub(rf"{STRING}|(?<![\w:.])\d+(?:\.\d+)?(?![\w:.])", "_", expr)


def title_of(rule: Mapping[str, Any]) -> str:
    labels = ",".join(f"{label}={value}" for label, value in sorted(rule.get("labels", {}).items()))
    return f"{rule.get('record') or rule['alert']}{{{labels}}}"


def shown(expr: str, start: int, end: int, text: str, around: int) -> str:
    before, after = expr[max(start - around, 0) : start], expr[end : end + around]
    return f"...{before}[[{expr[start:end]} -> {text or 'nothing'}]]{after}..."


# ---- Expressions -----------------------------------------------------------------------------------------------------

#: Kind, where, and what stands there instead.
Damage = tuple[str, int, int, str]


def damages(expr: str, title: str) -> Iterator[Damage]:
    tokens = [Token(match.lastgroup or "", match[0], *match.span()) for match in TOKEN.finditer(expr)]
    braces = in_braces(tokens)
    for index, token in enumerate(tokens):
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if braces[index]:
            yield from of_matcher(tokens, index)
        elif token.text in LISTS and following == "(":
            yield from of_list(tokens, index)
        else:
            yield from of_token(tokens, index, title)


def in_braces(tokens: list[Token]) -> list[bool]:
    found, inside = [], False
    for token in tokens:
        inside = token.text != "}" and (inside or token.text == "{")
        found.append(inside)
    return found


def of_token(tokens: list[Token], index: int, title: str) -> Iterator[Damage]:
    token, following = tokens[index], tokens[index + 1].text if index + 1 < len(tokens) else ""

    def instead(kind: str, *texts: str) -> Iterator[Damage]:
        return ((kind, token.start, token.end, text) for text in texts)

    if token.kind == "number":
        yield from instead(
            "price" if "price" in title and int(float(token.text)) < 10**9 else "constant", *numbers(token.text)
        )
    elif token.kind == "duration":
        yield from instead("window or offset", *other_durations(token.text))
    elif token.kind == "operator":
        if token.text == "-" and is_sign(tokens, index):
            yield from instead("sign", "")
        else:
            yield from instead("operator", *OPERATORS[token.text])
    elif token.text in SETS:
        yield from instead("set operator", *SETS[token.text])
    elif token.text in FUNCTIONS and following in ("(", *LISTS):
        is_moment = [window.text for window in window_after(tokens, index)] == [str(MOMENT)]
        yield from instead("function", *(("count_over_time",) if is_moment else FUNCTIONS[token.text]))
    elif token.kind == "string":
        yield from instead("label in a function", f'{token.text[:-1]}x"')
    elif is_metric(tokens, index):
        yield from instead("metric", f"{token.text}_x")


def window_after(tokens: list[Token], index: int) -> list[Token]:
    """The window of a function over time."""
    opened = next((i for i in range(index, len(tokens)) if tokens[i].text == "["), len(tokens))
    return tokens[opened + 1 : opened + 2] if tokens[index].text.endswith("_over_time") else []


def is_sign(tokens: list[Token], index: int) -> bool:
    return index == 0 or tokens[index - 1].text in ("(", ",") or tokens[index - 1].kind == "operator"


def is_metric(tokens: list[Token], index: int) -> bool:
    """A word that neither calls something, nor is a keyword, nor is a label in a list."""
    token, following = tokens[index], tokens[index + 1].text if index + 1 < len(tokens) else ""
    if token.kind != "word" or token.text in KEYWORDS or following == "(" or following in LISTS:
        return False
    opened = next((i for i in range(index, -1, -1) if tokens[i].text in "()"), None)
    return opened is None or tokens[opened].text != "(" or opened == 0 or tokens[opened - 1].text not in LISTS


def of_list(tokens: list[Token], index: int) -> Iterator[Damage]:
    """`by (a, b)`: each label left out once."""
    closing = next(i for i in range(index, len(tokens)) if tokens[i].text == ")")
    labels = [token for token in tokens[index + 2 : closing] if token.kind == "word"]
    for left_out in labels:
        rest = ", ".join(label.text for label in labels if label != left_out)
        yield f"{left_out.text} of {tokens[index].text}", tokens[index + 1].end, tokens[closing].start, rest


def of_matcher(tokens: list[Token], index: int) -> Iterator[Damage]:
    """`{label="value"}`: another value, the opposite, one alternative less."""
    token = tokens[index]
    if token.kind == "operator":
        opposite = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}[token.text]
        yield "matcher", token.start, token.end, opposite
    if token.kind == "string":
        value = token.text[1:-1]
        kind = "token type" if set(value.split("|")) <= set(TOKEN_TYPES) else "matcher"
        alternatives = value.split("|")
        if len(alternatives) == 1:
            yield kind, token.start, token.end, f'"{other_value(value)}"'
        for left_out in alternatives if len(alternatives) > 1 and "(" not in value else ():
            rest = "|".join(other for other in alternatives if other != left_out)
            yield kind, token.start, token.end, f'"{rest}"'


def damages_of_text(text: str) -> Iterator[tuple[str, int, int, str, str]]:
    """What an alert says: each stretch of words, each label and number in it, each fact of a query that it lists. Each
    with its place."""
    at = 0
    for piece in ACTION.split(text):
        if query := QUERY.search(piece):
            expr = json.loads(query[1])
            for kind, start, end, other in damages(expr, ""):
                instead = quote(expr[:start] + other + expr[end:])
                place = place_of(shown(expr, start, end, other, len(expr)))
                yield f"{kind} in a query", at + query.start(1), at + query.end(1), instead, place
        elif ACTION.fullmatch(piece):
            for name in re.finditer(r"abels\.(\w+)", piece):
                yield "label", at + name.start(1), at + name.end(1), f"{name[1]}_x", name[1]
            for digits in re.finditer(r"%\.(\d)f", piece):
                yield "decimals", at + digits.start(1), at + digits.end(1), str((int(digits[1]) + 1) % 10), "decimals"
        elif word := re.search(r"\w+", piece):
            yield "words", at + word.start(), at + word.end(), f"{word[0]}x", re.sub(r"\d[\d.]*", "_", piece)
        at += len(piece)


def numbers(text: str) -> Iterator[str]:
    """Its last digit that is not zero, another one; of a date, a second earlier and later."""
    if "." not in text and int(text) >= 10**9:
        yield from (f"{text} - 1", f"{text} + 1")
        return
    match = re.fullmatch(r"(.*?)([1-9])([0.]*)", text)
    yield f"{match[1]}{int(match[2]) % 9 + 1}{match[3]}" if match else f"{text[:-1]}1"


def other_durations(text: str) -> Iterator[str]:
    duration = Duration.parse(text)
    if duration == MOMENT:
        yield str(MINUTES)
        return
    yield str(Duration(duration.milliseconds * 2))
    yield str(Duration(duration.milliseconds // 2))


def other_value(value: str) -> str:
    if value in TOKEN_TYPES:
        return TOKEN_TYPES[(TOKEN_TYPES.index(value) + 1) % len(TOKEN_TYPES)]
    return f"{value}x"

"""What an unquoted YAML word means: one reading where every YAML version agrees, a refusal where they do not.

YAML 1.1 (Python, older Go), YAML 1.2 and Kubernetes read `no`, `010`, `0x10`, `12:30`, `1_000` and `1e3` differently.
A bill must not depend on the reader, so yamlio asks here both what it may believe and what it may write unquoted.
"""

from __future__ import annotations

import re
from decimal import Decimal

from tollbook.gen.wording import quoted

Scalar = str | int | Decimal | bool | None

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SOMETIMES_BOOLEANS = {"y", "n", "yes", "no", "on", "off"}

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?:[eE][-+]?(?P<exponent>[0-9]+))?")
_SOMETIMES_NUMBER = re.compile(
    r"""[-+]?(?:
        0[xX][0-9a-fA-F_]+ | 0[oO][0-7_]+ | 0[bB][01_]+             # another base
        | [0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?               # base 60
        | (?:\.[0-9][0-9_]* | [0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9_]+)?
    )""",
    re.VERBOSE,
)
_NOT_FINITE = re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE)
_MOST_DIGITS = 40
_MOST_EXPONENT_DIGITS = 2

_PLAIN_WORDS = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?:[ :][A-Za-z0-9_./-]+)*")
_DURATION = re.compile(r"(?:[1-9][0-9]*(?:ms|[ywdhms]))+")
_NEVER_PLAIN = {"null", "true", "false", "nan", "inf", *_SOMETIMES_BOOLEANS}


class RefusedScalarError(ValueError):
    """An unquoted word that cannot be believed, and what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def plain_value(text: str) -> Scalar:
    """Numbers are exact: an int, or a Decimal of the digits as written. Dates and all else stay text."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text.lower() in _SOMETIMES_BOOLEANS:
        raise RefusedScalarError(
            f"{quoted(text)} without quotes is true or false to some YAML readers and text to others",
            f'write true, false or "{text}"',
        )
    if _NOT_FINITE.fullmatch(text):
        raise RefusedScalarError(f"{quoted(text)} is not a finite number", "write a decimal number")
    number = _NUMBER.fullmatch(text)
    if number:
        return _number(text, number)
    if _SOMETIMES_NUMBER.fullmatch(text):
        raise RefusedScalarError(
            f"{quoted(text)} without quotes is not the same to all YAML readers",
            'write a number in plain decimal digits such as 12 or 0.5, and text in "double quotes"',
        )
    return text


def _number(text: str, match: re.Match[str]) -> int | Decimal:
    exponent = match["exponent"] or ""
    if len(text) > _MOST_DIGITS or len(exponent) > _MOST_EXPONENT_DIGITS:
        raise RefusedScalarError(
            f"{quoted(text)} is out of range for a number",
            f"at most {_MOST_DIGITS} digits, and an exponent of at most {_MOST_EXPONENT_DIGITS}",
        )
    return Decimal(text) if match["fraction"] or exponent else int(text)


def is_plain_text(text: str) -> bool:
    """Whether every YAML reader takes this text, unquoted, as this text."""
    if text.lower() in _NEVER_PLAIN:
        return False
    return bool(_PLAIN_WORDS.fullmatch(text) or _DURATION.fullmatch(text))

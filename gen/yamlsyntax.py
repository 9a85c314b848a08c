"""What the YAML parser stumbled over, said so that the author of the file can act on it. Used by yamlio only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tollbook.gen.errors import Place, Problem
from tollbook.gen.wording import quoted

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

# YAML's own set, less the Unicode line ends that only some programs count as lines: places would be off by one.
_NOT_ALLOWED = re.compile("[^\t\n\r -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class _Sentence(NamedTuple):
    message: str
    hint: str
    at_start: bool = False
    """Reported where the unfinished thing began, not where the parser gave up."""


_TAB = _Sentence("a tab indents this line", "use spaces")
_INDENTATION = _Sentence("this line does not fit into the block above it", "check its indentation")
_AFTER_END = _Sentence("text follows a value that has already ended", "put the whole value in one pair of quotes")
_SECOND_DOCUMENT = _Sentence("a second document begins here", "keep one document in the file")
_UNCLOSED_QUOTE = _Sentence("this quote is never closed", "add the closing quote", at_start=True)
_UNCLOSED_BRACKET = _Sentence("this bracket is not closed, or a comma is missing in it", "check what it holds", True)
_NO_ANCHORS = _Sentence("anchors and tags are not supported", "put text that begins with &, * or ! in quotes", True)
_DIRECTIVE = _Sentence("this directive is not supported", "remove the line that begins with %", True)
_ESCAPE = _Sentence("YAML does not know this escape", "double the backslash, or use single quotes")
_OTHER = _Sentence("this is not valid YAML", "check the quotes, brackets and indentation around it")

# By libyaml's own words (0.2.5); anything it says beyond these is _OTHER.
_SENTENCES = {
    "mapping values are not allowed in this context": _Sentence(
        "a second ':' in this place", "put text that contains ': ' in quotes, or check the indentation"
    ),
    "block sequence entries are not allowed in this context": _Sentence(
        "a list entry cannot begin here", "begin the list on a line of its own"
    ),
    "mapping keys are not allowed in this context": _Sentence("a '?' cannot begin a value", "put the value in quotes"),
    "could not find expected ':'": _Sentence("a key without a ':'", "write 'key: value'", at_start=True),
    "did not find expected key": _INDENTATION,
    "did not find expected '-' indicator": _INDENTATION,
    "did not find expected ',' or ']'": _UNCLOSED_BRACKET,
    "did not find expected ',' or '}'": _UNCLOSED_BRACKET,
    "did not find expected node content": _Sentence("a value is missing here", "write one, or close the bracket"),
    "found unexpected end of stream": _UNCLOSED_QUOTE,
    "found unexpected document indicator": _UNCLOSED_QUOTE,
    "did not find expected <document start>": _SECOND_DOCUMENT,
    "found unknown escape character": _ESCAPE,
    "did not find expected hexdecimal number": _ESCAPE,
    "found invalid Unicode character escape code": _ESCAPE,
    "did not find expected alphabetic or numeric character": _NO_ANCHORS,
    "found undefined tag handle": _NO_ANCHORS,
    "did not find the expected '>'": _NO_ANCHORS,
    "did not find expected tag URI": _NO_ANCHORS,
    "did not find URI escaped octet": _NO_ANCHORS,
    "did not find expected whitespace or line break": _NO_ANCHORS,
    "found unknown directive name": _DIRECTIVE,
    "found incompatible YAML document": _DIRECTIVE,
    "found a tab character where an indentation space is expected": _TAB,
    "found a tab character that violates indentation": _TAB,
}


def character_problem(text: str, file: str) -> Problem | None:
    """The first character that YAML does not allow in a file."""
    match = _NOT_ALLOWED.search(text, pos=text.startswith("\ufeff"))
    if match is None:
        return None
    before = text[: match.start()]
    place = Place(file, before.count("\n") + 1, match.start() - before.rfind("\n"))
    code = f"{ord(match[0]):04X}"
    hint = f'remove it, or write "\\u{code.lower()}" in double quotes'
    return Problem(f"the character U+{code} is not allowed here", place, hint=hint)


def syntax_problem(error: MarkedYAMLError, text: str, file: str) -> Problem:
    sentence = _SENTENCES.get(error.problem or "", _OTHER)
    mark = (error.context_mark if sentence.at_start else None) or error.problem_mark or error.context_mark
    row, column = (mark.line, mark.column) if mark else (0, 0)
    line = [*text.splitlines(), ""][row]
    if error.problem == "found character that cannot start any token":
        sentence = _start_of_token(line[column])
    elif sentence is _INDENTATION and line[:column].strip(" -"):
        sentence = _AFTER_END
    return Problem(sentence.message, Place(file, row + 1, column + 1), hint=sentence.hint)


def _start_of_token(char: str) -> _Sentence:
    return _TAB if char == "\t" else _Sentence(f"a value cannot begin with {quoted(char)}", "put the value in quotes")

"""JSON as it was received: strict reading, and cutting out members without changing a byte of their values.

An event's content is signed and sent on as its publisher wrote it, so numbers, escapes and key order must survive;
a parse and a dump would rewrite `1.10`, `1e3` and `\\u00e9`.
"""

import json
import re
from collections import Counter
from typing import Any

MAX_DEPTH = 64
MAX_VALUES = 50_000
"""In one text. It limits memory: a parsed value takes far more room than its text."""

_STRING_OR_SPACE = re.compile(r'("(?:[^"\\]++|\\.)*+")|[ \t\n\r]+')
"""Possessive, so that a long string leaves no trail of places to come back to."""
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str)
_SAID = {
    "Expecting value": "a value is missing, or is none that JSON has",
    "Expecting property name": "a member's name in double quotes is missing",
    "Expecting ':'": "a colon is missing behind a member's name",
    "Expecting ','": "a comma, or the end of an object or array, is missing",
    "Illegal trailing comma": "a comma stands before the end of an object or array",
    "Extra data": "something stands behind the value",
    "Unterminated string": "a string begins that does not end",
    "Invalid control character": "a string holds a line end or another control character: escape it, as in \\n",
    "Invalid \\escape": "a string holds a backslash that begins no escape: write two of them",
    "Invalid \\uXXXX": "a string holds \\u without four hexadecimal digits behind it",
}
"""By how the texts of Python's reader begin. It says many things in its own way, and each version in another."""
_SHOWN_DIGITS = 20


class JsonError(ValueError):
    """The text is not JSON as this app takes it; the message says why."""


def dump(value: Any, *, ascii_only: bool = False) -> str:
    """A value as compact JSON text; non-ASCII characters as themselves, or with `ascii_only` escaped."""
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


def parse(text: str) -> Any:
    """The value of a JSON text. Raises JsonError on what receivers could read differently from us: NaN and Infinity,
    duplicate members, lone surrogates, numbers out of range, nesting deeper than MAX_DEPTH."""
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        said = next((said for begin, said in _SAID.items() if error.msg.startswith(begin)), "it cannot be read")
        raise JsonError(f"not JSON: {said} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from None
    _check_strings_and_depth(value)
    return value


def compact(text: str) -> str:
    """A valid JSON text without the white space between its tokens. Takes memory for the text alone, however it is
    written."""
    kept, at = bytearray(), 0
    for match in _STRING_OR_SPACE.finditer(text):
        if match[1] is None:
            kept += text[at : match.start()].encode()
            at = match.end()
    return kept.decode() + text[at:] if at else text


def members(text: str) -> dict[str, str]:
    """The members of a compact JSON object, each value as text: `{"a":{"b":1.0}}` gives `{'a': '{"b":1.0}'}`."""
    found: dict[str, str] = {}
    at = 1
    while text[at] != "}":
        name, colon = _SCANNER.raw_decode(text, at)
        _, end = _SCANNER.raw_decode(text, colon + 1)
        found[name] = text[colon + 1 : end]
        at = end + (text[end] == ",")
    return found


def elements(text: str) -> list[str]:
    """The elements of a compact JSON array, each as its own text."""
    found: list[str] = []
    at = 1
    while text[at] != "]":
        _, end = _SCANNER.raw_decode(text, at)
        found.append(text[at:end])
        at = end + (text[end] == ",")
    return found


def joined(parts: dict[str, str]) -> str:
    """The compact JSON object whose member values are already JSON texts."""
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in parts.items()) + "}"


def quoted(value: str) -> str:
    """A string as JSON text, non-ASCII characters as themselves."""
    return json.dumps(value, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, count in names.items() if count > 1)
        raise JsonError(f"the member {quoted(twice)} is given twice")
    return value


def _no_constant(name: str) -> Any:
    raise JsonError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        shown = digits if len(digits) <= _SHOWN_DIGITS else f"{digits[:_SHOWN_DIGITS]}…"
        raise JsonError(f"the number {shown} is out of range")
    return number


def _integer(digits: str) -> int:
    """In the range of a double, in which most programs calculate."""
    _finite(digits)
    return int(digits)


def _check_strings_and_depth(root: Any) -> None:
    waiting = [(root, 1)]
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise JsonError(f"more than {MAX_VALUES} values")
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                raise JsonError("a string holds half of a surrogate pair")
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
            inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            waiting.extend((item, depth + 1) for item in inner)

"""Texts and lists made to fit: what a receiver's limits leave out is marked, never dropped in silence."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from shared.model import digest

MARK = "…"
"""Stands where something was left out."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # what turns the direction of a text
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff\ufdd0-\ufdef\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""What has no shape of its own: control characters, those that Unicode calls ignorable by default (of no width,
fillers, variation selectors, tags) and what are no characters. A text could be read as another, be found by no search,
or say to a machine what no person sees."""

_JOINERS = re.compile("[\u200c\u200d]{2,}|(?<![\u0600-\u0dff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0dff])")
"""Two more of no width, but alone between letters of Arabic and Indian scripts, where Persian and Hindi need them."""

_BREAK = re.compile("\r\n|[\r\u2028\u2029]")
_SPACE = re.compile(r"\s+")

Size = Callable[[str], int]
"""How much a text counts at a receiver; a longer one never counts less."""


def in_utf16(text: str) -> int:
    """UTF-16 code units: what Java, .NET and JavaScript call the length of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def in_json(value: Any) -> int:
    """The UTF-16 code units of a value as compact JSON, and one for the comma behind it."""
    return in_utf16(dumped(value)) + 1


def dumped(value: Any) -> str:
    """Compact JSON, characters outside ASCII as themselves."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shorten(text: str, limit: int, size: Size = in_utf16) -> str:
    """The text, or as much of its beginning as is within the limit together with a mark at its end."""
    if len(text) <= limit and size(text) <= limit:
        return text
    fits, too_long = 0, min(len(text), limit) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if size(text[:middle] + MARK) <= limit:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + MARK


def within(parts: Iterable[Any], budget: int) -> tuple[list[Any], bool]:
    """The first parts whose JSON is within the budget (UTF-16 code units), and whether these are all."""
    kept: list[Any] = []
    for part in parts:
        budget -= in_json(part)
        if budget < 0:
            return kept, False
        kept.append(part)
    return kept, True


def without_unseen(text: str) -> str:
    """The text without characters that nobody sees; line breaks are `\\n`."""
    return text if text.isascii() and text.isprintable() else _JOINERS.sub("", _UNSEEN.sub("", _BREAK.sub("\n", text)))


def readable(text: str) -> str:
    """The same, and without white space at its ends."""
    return without_unseen(text).strip()


def indented(text: str, by: str = "    ") -> str:
    """With `by` before each further line, so that none of them passes for a line of what the text stands in."""
    return text.replace("\n", f"\n{by}")


def one_line(text: str) -> str:
    return _SPACE.sub(" ", readable(text)).strip()


def short_key(key: str, limit: int) -> str:
    """An idempotency key for a field that is too small for it: its beginning and a hash of the whole, still unique."""
    return key if len(key) <= limit else f"{key[: limit - 27]}~{digest(key)}"

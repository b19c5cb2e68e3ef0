"""Whether two events say the same, however they are written: a hash over type and content."""

import hashlib
import json
import re
from typing import Any

from shared.model.event import Event

_NUMBER = re.compile(r"(-?)0*(\d*)(?:\.(\d*))?(?:[eE]([+-]?)0*(\d*))?")
_LONGEST_EXPONENT = 18
_IS_NUMBER = "\ud800"
"""Half of a surrogate pair: no string of an event's content holds one, so that no string is taken for a number."""
_EXACT = "exact:"


def fingerprint(event: Event) -> str:
    """The same for two events of one type whose contents mean the same: white space, escapes, the order of members and
    the notation of numbers (`1`, `1.0`, `10e-1`) do not count. Numbers are compared digit by digit."""
    return _EXACT + _digest(event.type, exact(event.content))


def exact(text: str) -> Any:
    """The value of a JSON text that has been checked, with each number as a text of its own: the same for all ways to
    write it, and another one for every other number."""
    return json.loads(text, parse_int=_number, parse_float=_number)


def is_fingerprint_of(stored: str, event: Event) -> bool:
    """Whether a stored fingerprint is of this event, also where an earlier version made it, which took numbers for
    doubles."""
    if stored.startswith(_EXACT):
        return stored == fingerprint(event)
    return stored == _digest(event.type, json.loads(event.content))


def _digest(name: str, content: Any) -> str:
    canonical = json.dumps([name, content], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _number(text: str) -> str:
    """A JSON number as its sign, its digits without zeros at the ends, and the power of ten that they are multiplied
    by. One whose exponent has more than _LONGEST_EXPONENT digits stays as it is written, unless it is 0."""
    match = _NUMBER.fullmatch(text)
    assert match is not None, text  # noqa: S101 (it was read as JSON)
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", match[5] or "0"
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return f"{_IS_NUMBER}0"
    if len(exponent) > _LONGEST_EXPONENT:
        return _IS_NUMBER + text
    power = int(f"{match[4] or ''}{exponent}") - len(fraction) + len(digits) - len(significant)
    return f"{_IS_NUMBER}{sign}{significant}e{power}"

"""Patterns of site URLs: `*` stands for any characters, `?` for one, `[…]` for one of a set. Pure.

SharePoint's URLs ignore case, and one slash more or less at the end is the same site. Whoever may register an endpoint
chooses the patterns, and every event is compared with all of them. So there are no regular expressions, whose time
depends on how they are written: a pattern costs a few steps for each of its characters, whatever the site is.
"""

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_SITE = 2048
"""A longer URL is no site's, and matches nothing. SharePoint's are at most 400 characters, before they are encoded."""

KEPT_LISTS = 4096
"""Lists of patterns that are kept taken apart: more than there can be endpoints and overrides of thresholds."""


@dataclass(frozen=True)
class _OneOf:
    """`[abc]`, `[a-z]`, `[!a]`."""

    characters: str
    ranges: tuple[tuple[str, str], ...]
    negated: bool


class _Any:
    """`?`"""


class _Run:
    """`*`"""


_Part = str | _OneOf | _Any | _Run
_ANY, _RUN = _Any(), _Run()


def comparable(url: str) -> str:
    """A site's URL, or a pattern of one, as SharePoint tells sites apart: neither by case nor by slashes at the end."""
    return url.lower().rstrip("/")


class Site:
    """A site's URL, made ready to be compared with many patterns.

    A set of positions in it is a number with one bit for each, so that a step of a pattern is taken from all positions
    at once.
    """

    def __init__(self, url: str) -> None:
        text = url.lower()
        self._text = text
        self._fits = len(text) <= LONGEST_SITE
        self._all = (1 << len(text)) - 1
        self._ends = 1 << len(text) | ((1 << len(text) - 1) if text.endswith("/") else 0)
        self._at: dict[str, int] = {}
        if self._fits:
            for position, character in enumerate(text):
                self._at[character] = self._at.get(character, 0) | 1 << position
        self._sorted = sorted(self._at)
        self._up_to = [0]
        """Positions of the first so many of the sorted characters."""
        for character in self._sorted:
            self._up_to.append(self._up_to[-1] | self._at[character])

    def matches(self, patterns: Sequence[str]) -> bool:
        """Whether one of them matches the whole URL."""
        return self._fits and any(self.is_matched_by(parts) for parts in _taken_apart(tuple(patterns)))

    def is_matched_by(self, parts: tuple[_Part, ...]) -> bool:
        """Whether a pattern that is taken apart matches the whole URL."""
        reached = 1  # bit n: the pattern so far can end before position n
        for part in parts:
            match part:
                case str():
                    reached = self._after_text(part, reached)
                case _Run():
                    reached = (self._all << 1 | 1) & -(reached & -reached)  # from the first one on
                case _Any():
                    reached = (reached & self._all) << 1
                case _OneOf():
                    reached = (reached & self._positions_of(part)) << 1
            if not reached:
                return False
        return bool(reached & self._ends)

    def _after_text(self, text: str, reached: int) -> int:
        if reached & (reached - 1) == 0:  # from one position alone, as at the beginning
            position = reached.bit_length() - 1
            return reached << len(text) if self._text.startswith(text, position) else 0
        for character in text:
            reached = (reached & self._at.get(character, 0)) << 1
            if not reached:
                break
        return reached

    def _positions_of(self, wanted: _OneOf) -> int:
        found = 0
        for character in wanted.characters:
            found |= self._at.get(character, 0)
        for first, last in wanted.ranges:
            found |= self._up_to[bisect_right(self._sorted, last)] & ~self._up_to[bisect_left(self._sorted, first)]
        return self._all & ~found if wanted.negated else found


@functools.lru_cache(KEPT_LISTS)
def _taken_apart(patterns: tuple[str, ...]) -> tuple[tuple[_Part, ...], ...]:
    return tuple(_parts(comparable(pattern)) for pattern in patterns)


def _parts(pattern: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    text, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        closing = pattern.find("]", at + 2 + pattern.startswith("!", at + 1)) if character == "[" else -1
        if character not in "*?" and closing < 0:  # a bracket that is never closed is itself
            text += character
            at += 1
            continue
        if text:
            parts.append(text)
            text = ""
        if closing > 0:
            parts.append(_one_of(pattern[at + 1 : closing]))
            at = closing
        elif character == "?":
            parts.append(_ANY)
        elif parts[-1:] != [_RUN]:
            parts.append(_RUN)
        at += 1
    return (*parts, text) if text else tuple(parts)


def _one_of(inside: str) -> _OneOf:
    """What stands between the brackets. A hyphen between two characters makes a range, as in a shell."""
    negated = inside.startswith("!")
    rest, characters, ranges = inside.removeprefix("!"), "", []
    while rest:
        if len(rest) >= 3 and rest[1] == "-":
            ranges.append((rest[0], rest[2]))
            rest = rest[3:]
        else:
            characters += rest[0]
            rest = rest[1:]
    return _OneOf(characters, tuple(ranges), negated)


_SCHEMES = ("https://", "http://")
_END = "\0"
_MOST_PARTS = 2 * len("https://") + 1
"""Of a pattern, that can match no more than the scheme: a `*` before, between and behind its characters."""


def can_match_a_url(pattern: str) -> bool:
    """Whether there are web addresses that the pattern matches: not so where it begins as none does, holds white space,
    or a set of no characters."""
    parts = tuple(each for part in _parts(comparable(pattern)) for each in (part if isinstance(part, str) else [part]))
    if any(map(_matches_nothing, parts)):
        return False
    begins = [parts[:length] for length in range(min(len(parts), _MOST_PARTS + 1))]  # something is left for the host
    if parts[-1:] == (_RUN,):
        begins.append(parts)
    schemes = [Site(scheme + _END) for scheme in _SCHEMES]
    return any(scheme.is_matched_by((*begin, _END)) for begin in begins for scheme in schemes)


def _matches_nothing(part: _Part) -> bool:
    if isinstance(part, str):
        return part.isspace() or not part.isprintable()
    if isinstance(part, _OneOf) and not part.negated:
        return not part.characters and all(first > last for first, last in part.ranges)
    return False

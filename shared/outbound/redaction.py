"""What an answer may not show of how its receiver was reached. Pure.

Receivers echo: an error page names the path that was asked for, a debugging endpoint shows every header. The answer's
beginning is kept in the delivery log, for people who may not see URLs and secrets. So these are replaced by `…` first,
however they were written: in another case, escaped for a URL, for JSON or for HTML, several times over, or in base64.
"""

import base64
import functools
import html
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit

from shared.outbound.exchange import RESPONSE_BYTES

MARK = "…"
SHORTEST = 6
"""Of a part of the URL that is looked for on its own; a shorter one is found beside its name (`code=abc`), or in the
whole path."""
SHORTEST_SECRET = 3
"""Of what proves a delivery."""

_LONGEST_WORD = 15
"""Letters alone may be a word of the answer: up to so many are hidden only where they stand alone."""
_MOST_PARTS = 100
"""Of the URL: whoever registers one with more hides them in the whole path and query alone."""
_MOST_ESCAPES = 3
"""How often text is unescaped."""

_ESCAPE = re.compile(
    r"%[0-7][0-9a-f]|(?:%[89a-f][0-9a-f])+|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[^\sux]|&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});",
    re.IGNORECASE,
)
_BEGUN_ESCAPE = re.compile(r"(?:%[0-9a-f]?|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|&#?[0-9a-z]{0,8}|\ufffd+)\Z", re.IGNORECASE)
_BASE64 = re.compile(rf"[A-Za-z0-9+/_=-]{{{SHORTEST},}}")
"""A run of it, as far as it goes."""
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}

Span = tuple[int, int]


@dataclass(frozen=True)
class _View:
    """A text, perhaps unescaped, and where each of its characters stands in the text that it was made of; None where
    it is that text."""

    text: str
    spans: Sequence[Span] | None = None

    def origin(self, begin: int, end: int) -> Span:
        return (begin, end) if self.spans is None else (self.spans[begin][0], self.spans[end - 1][1])


@functools.lru_cache(maxsize=128)
def redaction_of(url: str, secrets: tuple[str, ...]) -> "Redaction":
    """The same for the same, since an endpoint answers many times."""
    return Redaction(url, secrets)


class Redaction:
    """Hides what is secret about a URL, and what proves a delivery: header values, passwords, tokens, keys."""

    def __init__(self, url: str, secrets: Iterable[str]) -> None:
        forms = _forms(_parts_of(url), SHORTEST)
        forms |= _forms((part for secret in secrets for part in _parts_of_secret(secret)), SHORTEST_SECRET)
        folded = {_folded(form) for form in forms}
        self._words = sorted(form for form in folded if _may_be_a_word(form))
        self._values = sorted(folded.difference(self._words), key=len, reverse=True)
        self._encoded = {each for form in forms if len(form) >= SHORTEST for each in _base64_of(form)}

    def redact(self, text: str) -> str:
        """The text, with the mark in place of each secret. Takes a few milliseconds where both are long, also
        where both are made to take long."""
        raw = _View(text)
        plain = _unescape(raw)
        is_cut = len(text.encode()) >= RESPONSE_BYTES
        views = [raw] if plain is raw else [raw, plain]
        return _marked(text, [view.origin(*span) for view in views for span in self._spans(view.text, is_cut)])

    def _spans(self, text: str, is_cut: bool) -> Iterator[Span]:
        """Where secrets stand."""
        folded = _folded(text)
        for value in self._values:
            yield from _covered(value, folded)
        for word in self._words:
            if word in folded:
                for match in re.finditer(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", folded):
                    yield match.span()
        yield from self._encoded_runs(text)
        if is_cut:
            yield from self._begun(folded)

    def _encoded_runs(self, text: str) -> Iterator[Span]:
        """All of each run of base64 that holds a secret: once, however many secrets it holds and however often."""
        held = [encoded for encoded in self._encoded if encoded in text]
        if held:
            for run in _BASE64.finditer(text):
                if any(encoded in run[0] for encoded in held):
                    yield run.span()

    def _begun(self, folded: str) -> Iterator[Span]:
        """A secret of which the text holds no more than the beginning: it was cut off there."""
        for end in {len(folded), len(_BEGUN_ESCAPE.sub("", folded))}:
            for value in itertools.chain(self._values, self._words):
                for at in _positions(value[:SHORTEST], folded, end - len(value)):
                    if value.startswith(folded[at:end]):
                        yield at, len(folded)
                        break


def _parts_of(url: str) -> Iterator[str]:
    """Of its path and query what may be a secret, alone or together."""
    parts = urlsplit(url)
    yield from (f"{parts.path}?{parts.query}", parts.path, parts.query)
    pairs = parts.query.split("&")
    values = (pair.partition("=")[2] for pair in pairs)
    yield from itertools.islice(itertools.chain(values, pairs, parts.path.split("/")), _MOST_PARTS)


def _parts_of_secret(secret: str) -> Iterator[str]:
    """`Bearer a.b.c` is one secret, and so is each part of it that could be used alone."""
    yield secret
    yield from secret.split()[1:]
    yield from (part for part in re.split(r"[\s.,;:=]+", secret) if len(part) > _LONGEST_WORD)


def _forms(parts: Iterable[str], shortest: int) -> set[str]:
    """Each part as it is and as it is meant."""
    forms = (form for part in parts for form in (part, _unescape(_View(part)).text, unquote_plus(part)))
    return {form for form in forms if len(form) >= shortest}


def _may_be_a_word(form: str) -> bool:
    return len(form) < SHORTEST or (form.isalpha() and len(form) <= _LONGEST_WORD)


def _base64_of(form: str) -> Iterator[str]:
    """What stands in any base64 of a text that contains this, by where in it this begins, in both alphabets."""
    given = form.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + given).decode().rstrip("=")
        certain = encoded[-(-before * 8 // 6) : (before + len(given)) * 8 // 6]
        yield certain
        yield certain.replace("+", "-").replace("/", "_")


def _covered(value: str, text: str) -> Iterator[Span]:
    """What occurrences of the value cover, each stretch once where they overlap or touch: a text of one letter over and
    over holds a value of that letter at every position."""
    begin = text.find(value)
    while begin >= 0:
        end = begin + len(value)
        while (last := text.rfind(value, end - len(value) + 1, end + len(value))) >= 0:
            end = last + len(value)
        yield begin, end
        begin = text.find(value, end)


def _positions(value: str, text: str, since: int = 0) -> Iterator[int]:
    at = text.find(value, max(since, 0))
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


def _folded(text: str) -> str:
    """In lower case, character for character."""
    folded = text.lower()
    if len(folded) == len(text):
        return folded
    return "".join(each.lower() if len(each.lower()) == 1 else each for each in text)


def _unescape(view: _View) -> _View:
    """With what escapes stand for, also where they are escaped themselves."""
    for _ in range(_MOST_ESCAPES):
        if not _ESCAPE.search(view.text):
            break
        view = _unescape_once(view)
    return view


def _unescape_once(view: _View) -> _View:
    given = view.spans if view.spans is not None else [(at, at + 1) for at in range(len(view.text))]
    text: list[str] = []
    spans: list[Span] = []
    done = 0
    for match in _ESCAPE.finditer(view.text):
        begin, end = match.span()
        meant = _meaning(match[0])
        text += (view.text[done:begin], meant)
        spans += given[done:begin]
        spans += [(given[begin][0], given[end - 1][1])] * len(meant)
        done = end
    return _View("".join([*text, view.text[done:]]), [*spans, *given[done:]])


def _meaning(escape: str) -> str:
    if escape[0] == "%":
        return bytes.fromhex(escape.replace("%", "")).decode(errors="replace")
    if escape[0] == "&":
        return html.unescape(escape)
    if len(escape) > 2:
        return chr(int(escape[2:], 16))
    return _CONTROL.get(escape[1], escape[1])


def _marked(text: str, spans: Iterable[Span]) -> str:
    parts: list[str] = []
    done = 0
    for begin, end in sorted(spans):
        if begin > done or not parts:
            parts += (text[done:begin], MARK)
        done = max(done, end)
    return "".join([*parts, text[done:]])

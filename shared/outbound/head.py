"""The head of a receiver's answer: status line and header lines. Pure.

aiohttp reads it too; it is read here as well so that a complete head counts even where aiohttp finds fault with it, or
with the body that follows.
"""

import functools
import re
from dataclasses import dataclass

_BEGINNING = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?:[ \t][^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_LONGEST_END = 4

_WITHOUT_BODY = frozenset({204, 205, 304})
"""RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5: these answers have none, whatever their headers say."""


@dataclass(frozen=True)
class Head:
    """A complete head; `raw` ends with the empty line."""

    status: int
    raw: bytes

    def value(self, name: str) -> str | None:
        """The first header of this name, in any case, without the white space around its value."""
        found = _line(name).search(self.raw)
        return found[1].decode("latin-1").strip() if found else None

    @property
    def interim(self) -> bool:
        """Whether another head follows: RFC 9110, section 15.2. After 101 none does, but another protocol."""
        return self.status < 200 and self.status != 101

    @property
    def has_body(self) -> bool:
        """Whether this status has a body, unless its length is 0."""
        return self.status not in _WITHOUT_BODY

    @property
    def announces_body(self) -> bool:
        """Whether the headers say that a body follows."""
        return self.length not in (None, 0) or self.value("Transfer-Encoding") is not None

    @property
    def length(self) -> int | None:
        """`Content-Length`, where there is one that can be read."""
        text = self.value("Content-Length") or ""
        return int(text[:18]) if text.isascii() and text.isdigit() else None


@functools.cache
def _line(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"^%s[ \t]*:([^\r\n]*)" % re.escape(name.encode()), re.IGNORECASE | re.MULTILINE)


def find_end(data: bytes | bytearray, searched: int) -> int | None:
    """Where the first head in `data` ends, if it does. The first `searched` bytes have been looked at before."""
    found = _END.search(data, max(0, searched - _LONGEST_END))
    return found.end() if found else None


def may_be_http(data: bytes | bytearray) -> bool:
    """Whether an answer that begins like this may yet become one of HTTP/1.0 or HTTP/1.1."""
    if not data.startswith(_BEGINNING[: len(data)]):
        return False
    return b"\n" not in data or _STATUS_LINE.match(data) is not None


def read_head(raw: bytes) -> Head | None:
    """A head that has come to its end; None where its first line is no status line."""
    found = _STATUS_LINE.match(raw)
    return Head(int(found[1]), raw) if found else None

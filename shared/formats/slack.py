"""Slack's incoming webhooks: `text` for notifications and `blocks` for the channel (docs.slack.dev, Block Kit).

Everything that a publisher wrote stands in `plain_text` objects, which know no markup, and is escaped as well. The
one exception is a value that is an https URL as a whole.
"""

import re
from typing import Any

from shared.formats.shortening import dumped, in_utf16, one_line, shorten
from shared.formats.summary import Fact, is_link, summarise
from shared.model import Event

MOST_FACTS = 20
LONGEST_HEADER = 150
LONGEST_FIELD = 500
"""Slack allows 2,000 characters; a chat message is to be read at a glance."""
_FACTS_A_SECTION = 5
"""Of the ten fields of a section, a fact takes two: label and value stand side by side."""

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_PLAIN_LABEL = re.compile(r"[^\W_]+([ ›-]+[^\W_]+)*")


def body(event: Event) -> tuple[str, bytes]:
    summary = summarise(event, MOST_FACTS)
    headline = _escaped(summary.headline, LONGEST_HEADER)
    fields = [_fields(fact) for fact in summary.facts]
    context = " · ".join(fact.value for fact in summary.about)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(headline)}]
    for first in range(0, len(fields), _FACTS_A_SECTION):
        some = fields[first : first + _FACTS_A_SECTION]
        blocks.append({"type": "section", "fields": [field for pair in some for field in pair]})
    blocks.append({"type": "context", "elements": [_plain(_escaped(context, LONGEST_FIELD * 2))]})
    text = f"{headline} ({event.severity})"
    return "application/json", dumped({"text": text, "blocks": blocks}).encode()


def _fields(fact: Fact) -> list[dict[str, Any]]:
    label, value = _escaped(fact.label, LONGEST_FIELD), one_line(fact.value)
    bold = _PLAIN_LABEL.fullmatch(label)
    return [_mrkdwn(f"*{label}*") if bold else _plain(label), _link(value) or _plain(_escaped(value, LONGEST_FIELD))]


def _link(value: str) -> dict[str, Any] | None:
    """A URL that is too long to be shown whole is none: a shortened one would lead elsewhere."""
    url = value.translate(_ESCAPED)
    return _mrkdwn(f"<{url}>") if is_link(value) and len(url) <= LONGEST_FIELD else None


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: str) -> dict[str, Any]:
    """`verbatim`: names and channels in it are not looked for."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str, limit: int) -> str:
    """One line, shortened so that the escaped text is within the limit, which is of UTF-16 code units: an emoji is two.
    No escape is cut in two."""
    return shorten(one_line(text), limit, lambda part: in_utf16(part.translate(_ESCAPED))).translate(_ESCAPED)

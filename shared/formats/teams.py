"""A Teams channel or chat, through a workflow "When a Teams webhook request is received": an Adaptive Card 1.4.

Texts are `TextRun`s: other than a `TextBlock`, they know no Markdown
(learn.microsoft.com, Adaptive Cards, "Text features").
"""

from typing import Any

from shared.formats.shortening import dumped, in_json, one_line, shorten, within
from shared.formats.summary import Fact, is_link, left_out, summarise
from shared.model import Event, Severity

LARGEST_CHARACTERS = 13_500
"""Teams takes 28 KB, and counts two bytes for each UTF-16 code unit: a little less than half of it."""
MOST_FACTS = 20
LONGEST_HEADLINE = 300
LONGEST_VALUE = 500

_COLOURS: dict[Severity, str] = {"low": "default", "medium": "accent", "high": "warning", "critical": "attention"}


def body(event: Event) -> tuple[str, bytes]:
    summary = summarise(event, MOST_FACTS)
    headline = {"type": "TextRun", "text": shorten(summary.headline, LONGEST_HEADLINE), "size": "large"}
    first = _block(headline | {"weight": "bolder", "color": _COLOURS[event.severity]})
    about = " · ".join(fact.value for fact in summary.about)
    last = [_block({"type": "TextRun", "text": shorten(about, LONGEST_VALUE * 2), "size": "small", "isSubtle": True})]
    mark = _fact(left_out(event))
    room = LARGEST_CHARACTERS - in_json(_message([first, mark, *last]))
    facts, all_of_them = within(map(_fact, summary.facts), room)
    if not all_of_them:
        facts.append(mark)
    return "application/json", dumped(_message([first, *facts, *last])).encode()


def _message(elements: list[dict[str, Any]]) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": elements,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _fact(fact: Fact) -> dict[str, Any]:
    value = one_line(fact.value)
    run = {"type": "TextRun", "text": shorten(value, LONGEST_VALUE)}
    if is_link(value) and run["text"] == value:
        return _block(_label(fact), run | {"selectAction": {"type": "Action.OpenUrl", "url": value}})
    return _block(_label(fact), run)


def _label(fact: Fact) -> dict[str, Any]:
    return {"type": "TextRun", "text": f"{fact.label}: ", "weight": "bolder"}


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": "small", "inlines": list(runs)}

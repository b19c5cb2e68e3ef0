"""What a publisher writes is shown, never obeyed: no markup, no mention, no link that was not given."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from doubles.format_events import compact_json, events, read, sample_of
from shared.formats.summary import is_link
from shared.model import Event
from unit.formats.test_limits import strings

ATTACK: dict[str, Any] = {
    "name": "<!channel> <@U012AB3CD> *bold* `code` &lt;!here&gt;",
    "*_~`[x](https://evil.example)": "[click](https://evil.example) <https://evil.example|contoso> ![i](https://evil.example/i)",
    "<at>everyone</at>": "<at>everyone</at> {{DATE(2017-02-14T06:08:39Z)}} ${secret}",
    "reason": "failed\nSeverity: Low\nEvent key: forged",
    "turned": "\u202efdp.exe\u0007",
    "script": "javascript:alert(1)",
    "plain": "http://contoso.example/a",
    "hidden": "https://contoso.sharepoint.com@evil.example/",
    "given": "https://contoso.sharepoint.com/sites/hr?a=1&b=<x>",
    "good": "https://contoso.sharepoint.com/sites/hr?a=1&b=2",
}
GOOD = ATTACK["good"]


def attack(**changes: Any) -> Event:
    return sample_of("custom.<!everyone>", content=compact_json(ATTACK | changes))


def objects(value: Any, kind: str) -> list[dict[str, Any]]:
    """All objects with this `type`."""
    found = [value] if isinstance(value, dict) and value.get("type") == kind else []
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        found += objects(inner, kind)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events)
def test_slack_markup_is_only_bold_words_and_whole_urls(event: Event) -> None:
    body = read("slack", event)
    for text in (text["text"] for text in objects(body, "mrkdwn")):
        assert re.fullmatch(r"\*[^\W_]+([ ›-]+[^\W_]+)*\*|<https://[^\s<>|\"]+>", text), text
    for text in [body["text"], *(text["text"] for text in objects(body, "plain_text"))]:
        assert "<" not in text
        assert ">" not in text
        assert not re.search("&(?!amp;|lt;|gt;)", text)


def test_slack_is_told_of_no_channel_and_links_what_was_given() -> None:
    body = read("slack", attack())
    assert "&lt;!channel&gt; &lt;@U012AB3CD&gt;" in body["text"]
    links = [text["text"] for text in objects(body, "mrkdwn") if "https" in text["text"]]
    assert links == ["<https://contoso.sharepoint.com/sites/hr?a=1&amp;b=2>"]


def test_an_escape_is_not_cut_in_two() -> None:
    for length in range(100, 160):
        event = sample_of("custom.x", content=compact_json({"name": "x" * length + "&" * 200}))
        header = objects(read("slack", event), "header")[0]["text"]["text"]
        assert re.fullmatch("X: x+(&amp;)*…", header), header
        assert len(header) <= 150


def test_a_card_has_only_texts_without_markdown_and_opens_only_given_urls() -> None:
    body = read("teams", attack())
    card = body["attachments"][0]["content"]
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for element in card["body"] for run in element["inlines"]} == {"TextRun"}
    assert [action["url"] for action in objects(body, "Action.OpenUrl")] == [GOOD]
    assert "entities" not in card["msteams"]


def test_an_issue_links_only_given_urls() -> None:
    body = read("jira", attack())
    assert [mark["attrs"]["href"] for mark in objects(body, "link")] == [GOOD]
    assert not objects(body, "mention")


@pytest.mark.parametrize("name", ["servicenow", "connectwise", "autotask"])
def test_no_line_of_a_value_passes_for_a_fact(name: str) -> None:
    body = read(name, attack())
    description = body.get("description") or body["initialDescription"]
    assert "Reason: failed\n    Severity: Low\n    Event key: forged\n" in description
    assert [line for line in description.splitlines() if line.startswith(("Severity", "Event key"))] == [
        "Severity: Low",
        "Event key: hr-90-7",
    ]


@pytest.mark.parametrize("name", ["slack", "teams", "servicenow", "jira", "connectwise", "autotask"])
def test_characters_that_nobody_sees_are_taken_out(name: str) -> None:
    assert not any(re.search("[\u202e\u0007]", text) for text in strings(read(name, attack())))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (GOOD, True),
        ("https://contoso.sharepoint.com", True),
        ("http://contoso.sharepoint.com/", False),
        ("HTTPS://contoso.sharepoint.com/", False),
        ("https://contoso.sharepoint.com/a b", False),
        ("https://contoso.sharepoint.com/a\nb", False),
        ("https://contoso.sharepoint.com|evil", False),
        ("https://user@evil.example/", False),
        ("https://", False),
        ("https://[evil/", False),
        (" https://contoso.sharepoint.com", False),
    ],
)
def test_links_are_https_urls_that_show_where_they_lead(url: str, expected: bool) -> None:
    assert is_link(url) is expected

"""What a publisher writes is shown, never obeyed: no markup, no mention, no link that was not given."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from doubles.format_events import compact_json, events, read, sample_of
from shared.formats.shortening import readable
from shared.formats.summary import is_link
from shared.model import Event, Tenant
from unit.formats.test_limits import strings

TOLD_IN = "docs/receivers.md#receivers-own-formats"

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


def test_an_alert_links_only_given_urls_and_keeps_its_own_facts() -> None:
    body = read("pagerduty", attack(eventKey="forged"))
    assert [link["href"] for link in body["links"]] == [GOOD]
    details = body["payload"]["custom_details"]
    assert (details["Event key"], details["Event key (2)"]) == ("hr-90-7", "forged")
    assert body["dedup_key"] == "hr-90-7"
    assert (body["event_action"], body["payload"]["severity"]) == ("trigger", "info")


@pytest.mark.parametrize("name", ["servicenow", "connectwise", "autotask"])
def test_no_line_of_a_value_passes_for_a_fact(name: str) -> None:
    body = read(name, attack())
    description = body.get("description") or body["initialDescription"]
    assert "Reason: failed\n    Severity: Low\n    Event key: forged\n" in description
    assert [line for line in description.splitlines() if line.startswith(("Severity", "Event key"))] == [
        "Severity: Low",
        "Event key: hr-90-7",
    ]


def test_no_line_of_a_value_passes_for_a_fact_of_an_issue() -> None:
    """A label stands at the beginning of a line; each further line of a value stood there, too."""
    lines, line = [], ""
    for paragraph in read("jira", attack(other="a\u2028Tenant: b\r\n\r\nTime: c"))["fields"]["description"]["content"]:
        for node in [*paragraph["content"], {"type": "hardBreak"}]:
            if node["type"] == "hardBreak":
                lines.append(line)
                line = ""
            line += node.get("text", "")
    assert [each for each in lines if each.startswith(("Severity", "Event key", "Tenant", "Time"))] == [
        "Severity: Low",
        "Tenant: Contoso",
        "Time: 2026-11-22 10:00:00 UTC",
        "Event key: hr-90-7",
    ]
    assert "\u00a0" * 4 + "Event key: forged" in lines


TEXTS = ["slack", "teams", "servicenow", "jira", "connectwise", "autotask", "pagerduty", "email", "template"]
"""Formats that people read."""
UNSEEN = [
    *"\u0007\u202e\u061c\u00ad\u200b\u200c\u200d\u2060\u2063\u206a\u3164\u115f\ufe0f\ufe00\ufeff\uffa0\ufffb\u180e",
    "\U000e0001",
    "\U000e0041",
    "\U000e007f",
    "\U000e0100",
    "\U000e01ef",
    "\U0001d173",
]


@pytest.mark.parametrize("name", TEXTS)
def test_characters_that_nobody_sees_are_taken_out(name: str) -> None:
    """A tag spells words for machines; one of no width hides a word from every search."""
    hidden = {f"Se{unseen}verity": f"a{unseen}b" for unseen in UNSEEN} | {"name": f"x{''.join(UNSEEN)}y"}
    event = attack(**hidden).model_copy(
        update={
            "type": f"custom.{''.join(UNSEEN)}x",
            "tenant": Tenant(id="t", display_name="".join(["C", *UNSEEN, "o"])),
        }
    )
    template = {
        "template": {"a": "{{title}} {{subject}} {{type}} {{content.name}}: {{text}}", "b": "{{content.name:9}}"}
    }
    made = read(name, event, template if name == "template" else None)
    texts = "".join(strings(made["fields"] if name == "jira" else made))  # beside an issue's fields stands data
    assert not [unseen for unseen in UNSEEN if unseen in texts]


@pytest.mark.parametrize("word", ["می\u200cخواهم", "क्\u200dष"])
def test_a_joiner_that_a_script_needs_stays(word: str) -> None:
    assert readable(word) == word
    assert readable(f"a\u200c{word}\u200d\u200c{word}\u200d") == f"a{word}{word}"


@pytest.mark.parametrize("name", ["point", "spscan", "cloudevents", "splunk-hec", "sentinel"])
def test_what_machines_read_is_as_it_was_written(name: str) -> None:
    text = f"x{''.join(UNSEEN[1:])}\u2028y"
    assert text in "".join(strings(read(name, attack(name=text))))


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

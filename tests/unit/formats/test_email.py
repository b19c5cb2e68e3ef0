"""Mails: what they say, of one event and of several, and what of it is markup."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as at_most
from hypothesis import strategies as st
from pydantic import ValidationError

from doubles.format_events import compact_json, events, sample_of
from shared.formats import email
from shared.formats.shortening import MARK, in_utf16
from shared.model import SEVERITIES, Event
from shared.model.catalogue import CATALOGUE

TO = ["it@contoso.com"]
GOOD = "https://contoso.sharepoint.com/sites/hr?a=1&b=2"


def settings(**given: Any) -> email.Settings:
    return email.Settings.model_validate_json(compact_json({"recipients": TO} | given), strict=True)


def mail(event: Event, **given: Any) -> dict[str, Any]:
    return _message(email.body(event, settings(**given)))


def digest(several: Sequence[Event], **given: Any) -> dict[str, Any]:
    return _message(email.join(several, settings(**given)))


def _message(made: tuple[str, bytes]) -> dict[str, Any]:
    assert made[0] == "application/json"
    assert len(made[1]) < 3 * 1024 * 1024, "Graph takes 4 MB"
    sent = json.loads(made[1])
    assert set(sent) == {"message", "saveToSentItems"}
    message: dict[str, Any] = sent["message"]
    assert 1 <= in_utf16(message["subject"]) <= 255
    assert not re.search(r"[\x00-\x1f\x7f\u2028\u2029]", message["subject"])
    return message


class Page(HTMLParser):
    """What a mail programme shows of a page: its text, a line a cell, and where its links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.lines: list[str] = [""]
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style", "align", "valign", "href"}
        self.links += [str(value) for name, value in attrs if name == "href"]
        if tag != "br":
            self.open.append(tag)
        if tag in ("th", "td", "p", "h2", "h3", "br"):
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.lines[-1] += data


def shown(message: dict[str, Any]) -> Page:
    assert message["body"]["contentType"] == "HTML"
    page = Page(message["body"]["content"])
    assert page.tags <= {"html", "body", "div", "h2", "h3", "p", "table", "tr", "th", "td", "a", "br"}
    return page


@pytest.mark.parametrize("name", [*CATALOGUE, "custom.test"])
def test_a_mail_of_every_type_can_be_read(name: str) -> None:
    event = sample_of(name)
    message = mail(event)
    lines = shown(message).lines
    assert message["subject"].startswith(f"[{event.severity.capitalize()}] ")
    assert message["subject"].removeprefix(f"[{event.severity.capitalize()}] ") in lines
    assert lines[lines.index("Event key") + 1] == event.key
    assert message["toRecipients"] == [{"emailAddress": {"address": "it@contoso.com"}}]
    text = mail(event, contentType="text")["body"]
    assert text["contentType"] == "Text"
    assert f"Event key: {event.key}" in text["content"]


def test_rules_of_a_mailbox_find_a_mail_by_its_headers() -> None:
    exceeded, recovered = (
        {each["name"]: each["value"] for each in mail(sample_of(f"storage.threshold_{end}"))["internetMessageHeaders"]}
        for end in ("exceeded", "recovered")
    )
    assert (exceeded["x-tenant-hooks-type"], exceeded["x-tenant-hooks-key"]) == (
        "storage.threshold_exceeded",
        "hr-90-7",
    )
    assert exceeded["x-tenant-hooks-correlation"] == recovered["x-tenant-hooks-correlation"]


def test_severe_events_are_of_high_importance() -> None:
    importance = [mail(sample_of("custom.x", severity=severity))["importance"] for severity in SEVERITIES]
    assert importance == ["normal", "normal", "high", "high"]


def test_a_subject_of_ones_own_is_filled_in_and_stays_one_line() -> None:
    event = sample_of("ProvisioningFailed", content=compact_json({"name": "A\r\nBcc: x@evil.example", "error": "e"}))
    own = mail(event, subject="M365 {{severity}}: {{title}} {{content.name}}{{content.url?}}")
    assert own["subject"] == "M365 high: Provisioning failed A Bcc: x@evil.example"
    assert mail(event, subject="{{content.url?}}")["subject"].startswith("[High] ")
    long = sample_of("custom.x", content=compact_json({"name": "𝄞" * 400}))
    assert in_utf16(mail(long)["subject"]) in (254, 255)
    assert mail(long)["subject"].endswith(MARK)


def test_a_subject_that_cannot_be_filled_in_is_found_at_registration() -> None:
    given = settings(subject="{{content.error}}")
    assert email.problems(given, ["ProvisioningFailed"]) == []
    [problem] = email.problems(given, ["Provisioning*", "ProvisioningFailed", "storage.threshold_exceeded"])
    assert problem.startswith("subject: {{content.error}} is not in the sample of storage.threshold_exceeded")
    assert email.problems(settings(), ["*"]) == []


def test_what_a_publisher_writes_is_no_markup() -> None:
    attack = {
        "name": "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>": "</td></table><h2>Forged</h2>",
        "quote": "\" onclick='x' &amp;",
        "hidden": "https://contoso.sharepoint.com@evil.example/",
        "script": "javascript:alert(1)",
        "good": GOOD,
        "reason": "failed\nEvent key: forged",
    }
    event = sample_of("custom.<b>x</b>", content=compact_json(attack))
    page = shown(mail(event))
    assert page.links == [GOOD]
    assert "<script>alert(1)</script>" in page.lines
    assert "</td></table><h2>Forged</h2>" in page.lines
    assert [line for line in page.lines if line.startswith("Event key")] == ["Event key: forged", "Event key"]
    text = mail(event, contentType="text")["body"]["content"]
    assert [line for line in text.splitlines() if line.startswith("Event key")] == ["Event key: hr-90-7"]


def test_events_are_linked_where_the_console_is_known() -> None:
    page = shown(mail(sample_of("permission.revoked"), consoleUrl="https://app.contoso.com/console/"))
    assert page.links[-1] == "https://app.contoso.com/console/#/events/hr-90-7"
    assert page.lines[-1] == "Show this event in Tenant Hooks"
    text = mail(sample_of("permission.revoked"), consoleUrl="https://app.contoso.com/console/", contentType="text")
    assert text["body"]["content"].endswith("\n\nhttps://app.contoso.com/console/#/events/hr-90-7")


def numbered(count: int, **more: Any) -> list[Event]:
    return [sample_of("storage.threshold_exceeded", key=f"key-{number}-", **more) for number in range(count)]


def test_a_digest_of_one_is_a_mail_as_ever() -> None:
    event = sample_of("permission.granted")
    assert email.join([event], settings()) == email.body(event, settings())


@pytest.mark.parametrize("content_type", ["html", "text"])
def test_a_digest_tells_the_newest_in_full_and_counts_the_others(content_type: str) -> None:
    several = [*(sample_of("custom.x", key=f"old-{number}-") for number in range(7)), *numbered(50)]
    message = digest(several, contentType=content_type)
    assert message["subject"] == "[High] 57 events: Storage threshold exceeded (50), X (7)"
    content = message["body"]["content"]
    assert [content.index(f"key-{number}-") for number in range(50)] == sorted(
        content.index(f"key-{number}-") for number in range(50)
    )
    assert "7 earlier events are only counted: X (7). GET /v1.0/events has all." in content
    assert "old-" not in content
    if content_type == "html":
        assert shown(message).lines.count("Current usage") == 50
    assert "only counted" not in digest(numbered(50), contentType=content_type)["body"]["content"]


def test_large_events_are_counted_where_they_find_no_room() -> None:
    large = compact_json({f"field {number}": "'" * 1000 for number in range(20)})
    message = digest([sample_of("custom.x", key=f"key-{number}-", content=large) for number in range(50)])
    content = message["body"]["content"]
    told = [number for number in range(50) if f"key-{number}-" in content]
    assert 10 < len(told) < 50
    assert told == list(range(50 - len(told), 50))
    assert f"{50 - len(told)} earlier events are only counted" in content
    shown(message)


@at_most(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(events, min_size=1, max_size=4), st.sampled_from(["html", "text"]))
def test_any_events_become_a_mail(several: list[Event], content_type: str) -> None:
    message = digest(several, contentType=content_type, subject="{{title}}: {{subject?}}")
    if content_type == "html":
        shown(message)
    assert all(event.key in message["body"]["content"] for event in several)
    assert mail(several[0], contentType=content_type) == mail(several[0], contentType=content_type)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": [f"a{number}@contoso.com" for number in range(51)]}, "recipients"),
        ({"recipients": ["it@contoso.com", "IT@contoso.com"]}, "names an address twice"),
        ({"recipients": ["contoso.com"]}, "must be a mail address"),
        ({"recipients": ["It <it@contoso.com>"]}, "must be a mail address"),
        ({"recipients": ["a@contoso.com,b@contoso.com"]}, "must be a mail address"),
        ({"recipients": ["a@contoso.com\r\nBcc: b"]}, "must be a mail address"),
        ({"subject": "{{nothing}}"}, "is unknown"),
        ({"subject": "{{content."}, "begins no placeholder"),
        ({"consoleUrl": "http://app/console/"}, "consoleUrl"),
        ({"consoleUrl": 'https://app/"onload=x/'}, "consoleUrl"),
        ({"digestMinutes": 61}, "digestMinutes"),
        ({"contentType": "markdown"}, "contentType"),
        ({"cc": TO}, "cc"),
    ],
)
def test_wrong_settings_are_refused_with_their_name(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**given)


@pytest.mark.parametrize(("given", "minutes"), [({}, 5), ({"digestMinutes": 15}, 15), ({"digestMinutes": 0}, None)])
def test_digests_are_of_five_minutes_unless_said_otherwise(given: dict[str, Any], minutes: int | None) -> None:
    assert email.digest_every(settings(**given)) == (minutes and timedelta(minutes=minutes))

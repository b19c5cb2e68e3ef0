"""Whatever an event holds: a body is JSON, within its receiver's limits, names the event's key, and shows where
something was left out."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from doubles.format_events import OWN_FORMATS, compact_json, events, make, read, sample_of
from doubles.pagerduty import faults as pagerduty_faults
from local.m365.mail import Outbox
from shared.formats.sentinel import COLUMNS, MOST_BYTES, MOST_FIELD_BYTES
from shared.formats.shortening import MARK, in_utf16, short_key, shorten, within
from shared.model import Event
from shared.model.json_text import members

TOLD_IN = "docs/receivers.md#receivers-own-formats"

MIB = 1024 * 1024


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def slack(body: dict[str, Any], raw: bytes) -> None:
    blocks = body["blocks"]
    assert in_utf16(body["text"]) <= 4000
    assert len(blocks) <= 50
    for block in blocks:
        if block["type"] == "header":
            assert block["text"]["type"] == "plain_text"
            assert 1 <= in_utf16(block["text"]["text"]) <= 150
        elif block["type"] == "section":
            assert 1 <= len(block["fields"]) <= 10
            assert all(1 <= in_utf16(field["text"]) <= 2000 for field in block["fields"])
        else:
            assert block["type"] == "context"
            assert 1 <= len(block["elements"]) <= 10


def teams(body: dict[str, Any], raw: bytes) -> None:
    assert len(raw) <= 28 * 1024
    assert 2 * in_utf16(raw.decode()) <= 28 * 1024
    card = body["attachments"][0]["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert all(run["text"] for element in card["body"] for run in element["inlines"])


def servicenow(body: dict[str, Any], raw: bytes) -> None:
    assert 1 <= in_utf16(body["short_description"]) <= 160
    assert "\n" not in body["short_description"]
    assert in_utf16(body["description"]) <= 4000
    assert len(body["correlation_id"]) <= 100


def servicenow_event(body: dict[str, Any], raw: bytes) -> None:
    assert all(isinstance(value, str) and value for value in body.values())
    assert all(in_utf16(body.get(name, "")) <= 100 for name in ("source", "node", "type", "resource"))
    assert in_utf16(body["description"]) <= 4000
    assert len(body["message_key"]) <= 128
    assert isinstance(json.loads(body["additional_info"]), dict)


def jira(body: dict[str, Any], raw: bytes) -> None:
    fields = body["fields"]
    assert 1 <= in_utf16(fields["summary"]) <= 255
    assert "\n" not in fields["summary"]
    assert in_utf16(compact_json(fields["description"])) <= 32_767
    nodes = [node for paragraph in fields["description"]["content"] for node in paragraph["content"]]
    assert {node["type"] for node in nodes} <= {"text", "hardBreak"}
    assert all(node["text"] for node in nodes if node["type"] == "text")


def connectwise(body: dict[str, Any], raw: bytes) -> None:
    assert 1 <= in_utf16(body["summary"]) <= 100
    assert "\n" not in body["summary"]
    assert len(body["externalXRef"]) <= 100


def autotask(body: dict[str, Any], raw: bytes) -> None:
    assert 1 <= in_utf16(body["title"]) <= 255
    assert in_utf16(body["description"]) <= 8000
    assert len(body["externalID"]) <= 50


def pagerduty(body: dict[str, Any], raw: bytes) -> None:
    assert pagerduty_faults({"Content-Type": "application/json"}, raw) == []
    assert in_utf16(body["payload"]["summary"]) <= 1024
    assert "\n" not in body["payload"]["summary"]
    assert len(body.get("links", [])) <= 10


def email(body: dict[str, Any], raw: bytes) -> None:
    assert Outbox(("contoso.com",)).take("it@contoso.com", {"Content-Type": "application/json"}, raw) is None
    assert 1 <= in_utf16(body["message"]["subject"]) <= 255


def splunk(body: dict[str, Any], raw: bytes) -> None:
    assert isinstance(body["time"], float)
    assert len(raw) <= MIB


def sentinel(body: list[dict[str, Any]], raw: bytes) -> None:
    [row] = body
    assert len(raw) <= MOST_BYTES
    assert row.keys() <= COLUMNS.keys()
    assert all(len(compact_json(value).encode()) <= MOST_FIELD_BYTES + 2 for value in row.values())
    assert isinstance(row["Content"], dict)
    for name in ("TimeGenerated", "EventTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row[name])


def cloudevents(body: dict[str, Any], raw: bytes) -> None:
    attributes = {name: value for name, value in body.items() if name != "data"}
    assert all(isinstance(value, str) and value for value in attributes.values())
    assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in attributes)


def template(body: dict[str, Any], raw: bytes) -> None:
    assert len(raw) <= MIB


CHECKS: dict[str, Callable[[Any, bytes], None]] = {
    "slack": slack,
    "teams": teams,
    "servicenow": servicenow,
    "jira": jira,
    "connectwise": connectwise,
    "autotask": autotask,
    "pagerduty": pagerduty,
    "email": email,
    "splunk-hec": splunk,
    "sentinel": sentinel,
    "cloudevents": cloudevents,
    "template": template,
}


def test_every_format_has_its_check() -> None:
    assert set(CHECKS) == set(OWN_FORMATS)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events)
def test_any_event_becomes_a_body_within_the_receivers_limits(event: Event) -> None:
    for name, check in CHECKS.items():
        content_type, raw = make(name, event)
        body = json.loads(raw)
        check(body, raw)
        assert content_type.startswith("application/")
        assert any(event.key in text for text in strings(body)), name
        assert make(name, event) == (content_type, raw)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events)
def test_any_event_becomes_an_event_of_servicenow(event: Event) -> None:
    raw = make("servicenow", event, {"via": "event"})[1]
    servicenow_event(json.loads(raw), raw)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events)
def test_where_content_is_passed_on_it_is_byte_for_byte(event: Event) -> None:
    assert members(make("cloudevents", event)[1].decode())["data"] == event.content
    inner = members(make("splunk-hec", event)[1].decode())["event"]
    assert members(inner)["content"] == event.content
    raw = make("template", event, {"template": {"all": "{{content}}"}})[1].decode()
    assert members(raw)["all"] == event.content


LARGE = {f"field{number}": '\u0000é𝄞"<&>\\\n' * 40 for number in range(290)}


@pytest.mark.parametrize("name", ["slack", "teams", "servicenow", "jira", "connectwise", "autotask", "sentinel"])
def test_what_is_left_out_of_a_large_event_is_marked(name: str) -> None:
    content = compact_json(LARGE)
    assert 200 * 1024 < len(content.encode()) < 256 * 1024
    body = read(name, sample_of("custom.large", content=content))
    CHECKS[name](body, compact_json(body).encode())
    assert any(MARK in text for text in strings(body))


@pytest.mark.parametrize("name", ["slack", "teams", "jira", "pagerduty", "email"])
def test_facts_that_find_no_room_are_named_in_the_mark(name: str) -> None:
    body = read(name, sample_of("custom.large", content=compact_json(LARGE)))
    assert any("GET /v1.0/events/hr-90-7" in text for text in strings(body))


def test_a_card_of_many_escapes_has_fewer_facts() -> None:
    """Twenty facts of the usual kind fit a card; JSON doubles these."""
    event = sample_of("custom.large", content=compact_json({f"n{number}": '"' * 900 for number in range(20)}))
    body = read("teams", event)
    teams(body, compact_json(body).encode())
    assert any("GET /v1.0/events/hr-90-7" in text for text in strings(body))


@pytest.mark.parametrize("name", OWN_FORMATS)
def test_nothing_is_marked_where_everything_fits(name: str) -> None:
    assert not any(MARK in text for text in strings(read(name, sample_of("permission.granted"))))


def test_a_long_title_is_shortened_with_a_mark() -> None:
    event = sample_of("ProvisioningFailed", content=compact_json({"name": "𝄞" * 400}))
    title = read("jira", event)["fields"]["summary"]
    assert title.startswith("Provisioning failed: 𝄞")
    assert title.endswith(MARK)
    assert 254 <= in_utf16(title) <= 255


def test_slack_counts_an_emoji_as_two() -> None:
    event = sample_of("ProvisioningFailed", content=compact_json({"name": "🎉" * 100 + "&" * 100}))
    body, raw = read("slack", event), make("slack", event)[1]
    slack(body, raw)
    assert 149 <= in_utf16(body["blocks"][0]["text"]["text"]) <= 150


def test_shortening_keeps_as_much_as_fits() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdef", 5) == "abcd…"
    assert shorten("ab cdef", 4) == "ab…"
    assert shorten("𝄞𝄞𝄞", 5) == "𝄞𝄞…"
    assert shorten("&&&", 9, lambda text: 5 * text.count("&") + text.count(MARK)) == "&…"


def test_parts_are_taken_while_they_fit() -> None:
    assert within(["aa", "bb"], 10) == (["aa", "bb"], True)
    assert within(["aa", "bb"], 9) == (["aa"], False)


def test_a_long_key_is_still_one_of_a_kind_where_a_field_is_small() -> None:
    long = "k" * 127
    assert short_key("short", 50) == "short"
    assert len({short_key(long + last, 50) for last in "ab"}) == 2
    assert len(short_key(long + "a", 50)) == 50

"""The `template` format: a document of the receiver's own, filled in."""

import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as st
from pydantic import ValidationError

from doubles.format_events import compact_json, events, make, sample_of
from doubles.memory import traced_peak
from shared.formats import template, values
from shared.formats.shortening import indented, shorten, without_unseen
from shared.model import Event
from shared.model.catalogue import CATALOGUE
from shared.model.delivery import Unsendable
from shared.model.json_text import MAX_VALUES, members

TOLD_IN = "docs/receivers.md#any-other-receiver-template"

CONTENT = (
    r'{"siteUrl":"https:\/\/x\u00e9","n":1.10,"big":1e3,"yes":true,"none":null,"deep":{"a":["x",{"b":2}]},"q":"\"\n"}'
)
EVENT = sample_of("custom.x", content=CONTENT)


def filled(document: Any, event: Event = EVENT) -> str:
    return make("template", event, {"template": document})[1].decode()


def settings(document: Any) -> template.Settings:
    return template.Settings.model_validate_json(json.dumps({"template": document}), strict=True)


@pytest.mark.parametrize(
    ("document", "body"),
    [
        ({"site": "{{content.siteUrl}}"}, '{"site":"https:\\/\\/x\\u00e9"}'),
        ({"n": "{{content.n}}", "big": "{{ content.big }}"}, '{"n":1.10,"big":1e3}'),
        ({"yes": "{{content.yes}}"}, '{"yes":true}'),
        ({"deep": "{{content.deep}}"}, '{"deep":{"a":["x",{"b":2}]}}'),
        (["{{content.deep.a.0}}", "{{content.deep.a.1.b}}"], '["x",2]'),
        ({"text": "{{content.n}} of {{content.big}}"}, '{"text":"1.10 of 1e3"}'),
        ({"text": "is {{content.yes}}: {{content.deep}}"}, '{"text":"is true: {\\"a\\":[\\"x\\",{\\"b\\":2}]}"}'),
        ({"n": "{{content.n:20}}"}, '{"n":"1.10"}'),
        ({"site": "{{content.siteUrl:9}}"}, '{"site":"https://…"}'),
        ({"q": "<{{content.q}}>"}, '{"q":"<\\"\\n    >"}'),
        (
            "{{type}} {{severity}} {{meta.idempotencyKey}} {{meta.timeStamp}}",
            '"custom.x low hr-90-7 2026-11-22T10:00:00Z"',
        ),
        ({"t": "{{tenant.id}}/{{tenant.displayName}}"}, '{"t":"contoso/Contoso"}'),
        ({"m": "{{meta}}"}, '{"m":{"timeStamp":"2026-11-22T10:00:00Z","idempotencyKey":"hr-90-7"}}'),
        ({"c": "{{correlation}}"}, '{"c":{"key":"hr-90-7","step":"opens","resolved":false}}'),
        ({"closes": "{{correlation.resolved}}"}, '{"closes":false}'),
        ({"a": 1, "b": None, "c": [True, 1.5]}, '{"a":1,"b":null,"c":[true,1.5]}'),
        ({"a": "{{{{issue.key}} {{title}}"}, '{"a":"{{issue.key}} X"}'),
        ("{{{{", '"{{"'),
        ("", '""'),
        ({"": "{ } }} {a}"}, '{"":"{ } }} {a}"}'),
    ],
)
def test_placeholders_become_what_they_name(document: Any, body: str) -> None:
    assert filled(document) == body


@pytest.mark.parametrize(
    ("document", "body"),
    [
        ({"a": "{{content.missing?}}", "b": 1}, '{"b":1}'),
        ({"a": "{{content.none}}", "b": 1}, '{"b":1}'),
        ({"a": ["{{content.missing?}}", 1]}, '{"a":[1]}'),
        ({"a": "<{{content.missing?}}{{content.none}}>"}, '{"a":"<>"}'),
        ({"a": "{{content.missing?:10}}"}, "{}"),
        ({"a": {"b": "{{content.missing?}}"}}, '{"a":{}}'),
        ({"a": "{{content.n.deeper?}}"}, "{}"),
        ({"a": "{{content.deep.a.7?}}"}, "{}"),
        ({"a": "{{content.deep.a.x?}}"}, "{}"),
        ("{{content.missing?}}", "null"),
        ({"a": "{{content.also-this}}", "b": "{{tenant.microsoftTenantId:8}}"}, '{"b":"235ec2c…"}'),
    ],
)
def test_what_is_missing_or_null_is_left_out(document: Any, body: str) -> None:
    assert filled(document) == body


FORGED = {"v": "failed\nSeverity: Low\u2028Event\u200b key: forged\U000e0041"}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("Reason: {{content.v}}", "Reason: failed\n    Severity: Low\n    Event key: forged"),
        ("{{content.v}}{{content.none?}}", "failed\n    Severity: Low\n    Event key: forged"),
        ("{{content.v:200}}", "failed\nSeverity: Low\nEvent key: forged"),
        ("Reason: {{content.v:12}}", "Reason: failed…"),
        ("{{content.v}}", FORGED["v"]),
        ({"data": "{{content}}"}, {"data": FORGED}),
    ],
)
def test_a_value_in_a_text_begins_no_line_of_its_own_and_one_alone_is_data(document: Any, text: Any) -> None:
    assert json.loads(filled(document, sample_of("custom.x", content=compact_json(FORGED)))) == text


def test_an_event_without_a_tenant_or_a_subject_leaves_them_out() -> None:
    event = sample_of("custom.x", content="{}", tenant=None)
    assert (
        filled({"t": "{{tenant}}", "id": "{{tenant.id}}", "s": "{{subject?}}", "x": "{{title}}"}, event) == '{"x":"X"}'
    )


def test_texts_for_people_are_there_too() -> None:
    body = json.loads(filled({"t": "{{title}}", "s": "{{subject}}", "x": "{{text}}"}, sample_of("ProvisioningFailed")))
    assert body["t"] == "Provisioning failed"
    assert body["s"] == "Resource Name"
    assert body["x"].startswith("Name: Resource Name\nType: MicrosoftTeams\nError: Error Message\n")
    assert body["x"].endswith("\nEvent key: hr-90-7")


@given(events)
def test_no_content_can_break_out_of_its_string(event: Event) -> None:
    document = {"a": "x{{type}}{{content}}{{subject?}}y", "b": {"c": "{{content}}"}, "z": "{{title:50}}"}
    body = json.loads(filled(document, event))
    assert list(body) == ["a", "b", "z"]
    assert body["a"].startswith(f"x{indented(without_unseen(event.type))}{event.content}")
    assert body["b"] == {"c": json.loads(event.content)}


@at_most(max_examples=50)
@given(st.recursive(st.text(max_size=20), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)))
def test_a_document_is_refused_or_filled_in(document: Any) -> None:
    try:
        settings(document)
    except ValidationError:
        assert "{{" in json.dumps(document)
    else:
        assert json.loads(filled(document)) is not None


@at_most(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(alphabet='ab }.?:$"\\é', max_size=9), st.lists))
def test_a_document_without_placeholders_is_sent_as_it_is(inner: Any) -> None:
    assert json.loads(filled({"inner": inner})) == {"inner": inner}


def test_the_end_of_a_matter_names_what_its_beginning_has_opened() -> None:
    document = {"id": "{{correlation.key}}", "state": "{{correlation.step}}", "closed": "{{correlation.resolved}}"}
    opened, closed = (
        json.loads(filled(document, sample_of(f"storage.threshold_{name}", key=name)))
        for name in ("exceeded", "recovered")
    )
    assert (opened["state"], opened["closed"]) == ("opens", False)
    assert closed == {"id": opened["id"], "state": "resolves", "closed": True}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"a": "{{content.siteUrl"}, "begins no placeholder"),
        ({"a": "x {{ {{type}}"}, "begins no placeholder"),
        ({"a": "{{}}"}, "is no placeholder"),
        ({"a": "{{content.}}"}, "is no placeholder"),
        ({"a": "{{content..x}}"}, "is no placeholder"),
        ({"a": "{{#each content}}"}, "is no placeholder"),
        ({"a": "{{content.x:0}}"}, "is no placeholder"),
        ({"a": "{{content.x|upper}} {{content x}}"}, "is no placeholder"),
        ({"a": "{{siteUrl}}"}, "is unknown: take type, severity"),
        ({"a": "{{meta.key?}}"}, "is unknown"),
        ({"a": "{{tenant.name}}"}, "is unknown"),
        ({"a": ["{{type.x}}"]}, "is unknown"),
        ({"a": "{{correlation.id}}"}, "is unknown"),
        ({"{{type}}": 1}, "name takes no placeholder"),
        (["{{type}}"] * 101, "more than 100 placeholders"),
        ("x" * 16_400, "more than 16384 characters"),
        (7, "template"),
        (None, "template"),
    ],
)
def test_a_document_that_cannot_be_filled_in_is_refused_with_the_reason(document: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(document)


@pytest.mark.parametrize("given_type", ["text/html", "application/json\r\nX: 1", "application/json\n", "json", ""])
def test_the_content_type_is_one_of_json(given_type: str) -> None:
    with pytest.raises(ValidationError):
        template.Settings(template="x", content_type=given_type)


def test_the_content_type_can_be_chosen() -> None:
    chosen = {"template": ["{{type}}"], "contentType": "application/vnd.receiver+json; charset=utf-8"}
    assert make("template", EVENT, chosen) == (chosen["contentType"], b'["custom.x"]')


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_field_of_a_types_sample_can_be_named(name: str) -> None:
    document = {field: f"{{{{content.{field}}}}}" for field in CATALOGUE[name].sample}
    assert template.problems(settings(document), [name]) == []
    assert json.loads(filled(document, sample_of(name))) == CATALOGUE[name].sample


def test_a_field_that_a_subscribed_type_has_not_is_a_problem_that_names_both() -> None:
    document = {"a": "{{content.siteUrl}} {{title}}", "b": "{{content.siteUrl}}"}
    assert template.problems(settings(document), ["storage.*", "ProvisioningFailed", "custom.x"]) == [
        "template: {{content.siteUrl}} is not in the sample of ProvisioningFailed: correct it, or write "
        "{{content.siteUrl?}} where it may be missing"
    ]


@pytest.mark.parametrize(
    ("types", "placeholder", "without"),
    [
        (["storage.*"], "content.thresholdBytes", "storage.threshold_exceeded, storage.threshold_recovered"),
        (["permission.granted"], "content.siteUrl.x", "permission.granted"),
        (["webhook.*"], "content.attempts", "webhook.endpoint_failing, webhook.endpoint_disabled"),
    ],
)
def test_patterns_stand_for_every_type_they_match(types: list[str], placeholder: str, without: str) -> None:
    (problem,) = template.problems(settings({"a": f"{{{{{placeholder}}}}}"}), types)
    assert f"is not in the sample of {without}: " in problem


def test_the_star_stands_for_all_types_but_those_of_the_app_itself() -> None:
    (problem,) = template.problems(settings("{{content.endpointId}}"), ["*"])
    named = [name for name in CATALOGUE if name in problem]
    assert named == [name for name in CATALOGUE if not name.startswith("webhook.")]


def test_what_may_be_missing_and_what_nobody_knows_is_not_checked() -> None:
    assert template.problems(settings({"a": "{{content.nowhere?}}"}), ["*"]) == []
    assert template.problems(settings({"a": "{{content.nowhere}}"}), ["custom.*", "custom.x"]) == []
    assert template.problems(settings({"a": "{{text}} {{tenant.id}} {{subject}}"}), ["*", "webhook.*"]) == []


def test_a_body_that_would_be_too_large_is_not_sent() -> None:
    event = sample_of("custom.x", content=compact_json({"a": "x" * 200_000}))
    assert len(filled(["{{content.a}}"] * 5, event)) > 1_000_000
    for document in (["{{content.a}}"] * 6, "{{content.a}}" * 100, {"a": ["{{content}} {{content}}"] * 3}):
        with pytest.raises(Unsendable, match="more than 1024 KiB"):
            filled(document, event)
    with pytest.raises(Unsendable):
        filled(["{{content.a}} "] * 3, sample_of("custom.x", content=compact_json({"a": "\n" * 43_000 + "𝄞" * 43_000})))


def test_a_value_with_a_length_counted_whole_against_the_limit() -> None:
    event = sample_of("custom.x", content=compact_json({"a": "x" * 200_000}))
    assert json.loads(filled(["{{content.a:10}}"] * 20, event)) == ["x" * 9 + "…"] * 20


def too_large_a_body() -> None:
    event = sample_of("custom.x", content=compact_json({"a": "x" * 200_000}))
    with pytest.raises(Unsendable):
        filled("{{content.a}}" * 100, event)


def test_a_body_that_would_be_too_large_is_not_even_made() -> None:
    assert traced_peak(too_large_a_body) < 6 * 1024 * 1024


def test_a_template_is_taken_apart_once_and_lives_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strings of all templates shared one cache, which those of previews emptied."""
    kept = settings({"one": "{{type}}", "more": ["{{type}} {{severity}}", 1]})
    taken_apart: list[str] = []
    apart = template._parts

    def parts(string: str) -> tuple[str | template.Placeholder, ...]:
        taken_apart.append(string)
        return apart(string)

    monkeypatch.setattr(template, "_parts", parts)
    for _ in range(3):
        template.body(EVENT, kept)
    assert taken_apart == ["{{type}}", "{{type}} {{severity}}"]


def test_a_content_is_cut_up_once_however_often_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a hundred placeholders would read a large content a hundred times."""
    cut: list[int] = []

    def counted(text: str) -> dict[str, str]:
        cut.append(len(text))
        return members(text)

    monkeypatch.setattr(values, "members", counted)
    content = compact_json({f"n{number}": {"a": number} for number in range(MAX_VALUES // 4)})
    document = [f"{{{{content.n{number % 50}.a}}}}" for number in range(100)]
    assert json.loads(filled(document, sample_of("custom.x", content=content)))[:50] == list(range(50))
    assert cut.count(len(content)) == 1
    assert len(cut) == 51


def test_a_text_is_read_once_however_often_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred placeholders read a text of 250 KB a hundred times, and kept the loop or a thread for a second."""
    read, laid_out = count_calls(monkeypatch, values, "without_unseen"), count_calls(monkeypatch, template, "indented")
    event = sample_of("custom.x", content=compact_json({"log": "a line\n" * 30_000, "n": 1}))
    document = ["{{content.log:50}}"] * 40 + ["{{content.n}} {{content.log:60}} {{content.log:70}}"] * 20
    texts = json.loads(filled(document, event))
    assert (len(texts), len(set(texts))) == (60, 2)
    assert read == [210_000]
    assert max(laid_out) == 71, "no more is looked at than can be shown"


def test_a_subject_of_a_mail_reads_a_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_calls(monkeypatch, values, "without_unseen")
    event = sample_of("custom.x", content=compact_json({"log": "a line\n" * 30_000}))
    subject = template.filled("{{content.log:5}}" * 30, event)
    assert subject == "a li…" * 30
    assert read == [210_000]


def count_calls(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[int]:
    """The lengths of the texts that a function of a module is given from now on."""
    lengths: list[int] = []
    original = getattr(module, name)

    def counted(text: str) -> Any:
        lengths.append(len(text))
        return original(text)

    monkeypatch.setattr(module, name, counted)
    return lengths


@given(st.text(st.sampled_from("ab \n\u200b𝄞é"), max_size=40), st.integers(1, 45), st.sampled_from(["", "."]))
def test_a_length_is_that_of_the_whole_text_as_it_is_laid_out(text: str, limit: int, beside: str) -> None:
    """Of which no more is laid out than is shown."""
    event = sample_of("custom.x", content=compact_json({"a": text}))
    whole = without_unseen(text)
    expected = shorten(indented(whole) if beside else whole, limit) + beside
    assert json.loads(filled([f"{{{{content.a:{limit}}}}}{beside}"], event)) == [expected]


@pytest.mark.parametrize(
    "hostile", ["{{ " * 5000, "{{" + " " * 16_000, "{{content" + ".a" * 7000 + ".}}", "{" * 16_002]
)
def test_braces_without_an_end_are_refused_soon(hostile: str) -> None:
    """An expression that goes back would take minutes, and the test its time limit."""
    with pytest.raises(ValidationError):
        settings(hostile)

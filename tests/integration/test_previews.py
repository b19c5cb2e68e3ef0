"""Before anything is sent, and after: bodies, who would get an event, the request of a delivery."""

import json
from dataclasses import replace

import pytest

from shared.api import me, overviews, previews
from shared.api.http.auth import Caller
from shared.api.http.call import Request, Response
from shared.api.http.operation import Handler
from shared.formats import FORMATS, rendering
from shared.formats.rendering import settings_problems
from shared.model.catalogue import CATALOGUE

from .api import Api
from .scene import BUSY, an_event


def called_by(handler: Handler, caller: Caller) -> Handler:
    def called(request: Request) -> Response:
        return handler(replace(request, caller=caller))

    called.__name__ = handler.__name__
    return called


def as_admin(handler: Handler) -> Handler:
    return called_by(handler, Caller("", "", is_admin=True))


def test_every_format_is_listed_with_words_and_the_schema_of_its_settings(api: Api) -> None:
    listed = {each["format"]: each for each in api(previews.list_formats).body["value"]}
    assert listed.keys() == FORMATS.keys()
    for name, told in listed.items():
        assert told["title"], name
        assert told["description"].endswith("."), name
        assert ("settingsSchema" in told) is (FORMATS[name].settings is not None)


@pytest.mark.parametrize("name", [name for name in FORMATS if not settings_problems(name, {}, ["custom.a"])])
def test_a_body_is_shown_as_it_would_be_sent(api: Api, name: str) -> None:
    answer = api(previews.preview, {"format": name, "type": "storage.threshold_exceeded"})
    assert answer.body["bytes"] == len(answer.body["body"].encode())
    assert api.scene.receiver.posts == []


def test_an_event_of_ones_own_is_shown(api: Api) -> None:
    event = {"type": "custom.mine", "content": {"text": "Grüße"}, "meta": {"idempotencyKey": "mine"}}
    shown = api(previews.preview, {"format": "point", "event": event}).body["body"]
    assert json.loads(shown)["content"] == {"text": "Grüße"}


def test_wrong_settings_are_refused_as_a_registration_refuses_them(api: Api) -> None:
    answer = api(previews.preview, {"format": "template", "settings": {}, "type": "storage.threshold_exceeded"})
    assert answer.status == 400
    assert any(error.startswith("settings.template") for error in answer.body["errors"])
    assert api(previews.preview, {"format": "slack"}).status == 400
    assert api(previews.preview, {"format": "slack", "type": "no.such"}).status == 400
    assert api(previews.preview, {"format": "smoke", "type": "storage.threshold_exceeded"}).status == 400


def test_previews_take_no_place_of_settings_that_endpoints_have(api: Api) -> None:
    rendering._parsed.cache_clear()
    for number in range(3):
        settings = {"template": {"number": number, "type": "{{type}}"}}
        assert api(previews.preview, {"format": "template", "type": "custom.a", "settings": settings}).status == 200
    assert rendering._parsed.cache_info().currsize == 0


def test_settings_are_a_patch_of_those_of_an_endpoint(api: Api) -> None:
    endpoint = api.scene.register(format="template", settings={"template": '{"template":{"was":"{{type}}"}}'})
    body = {"format": "template", "type": "custom.a", "endpoint": endpoint.id}
    assert api(as_admin(previews.preview), body).body["body"] == '{"was":"custom.a"}'
    patched = api(as_admin(previews.preview), body | {"settings": {"template": {"is": "{{type}}"}}}).body["body"]
    assert patched == '{"was":"custom.a","is":"custom.a"}'
    for unknown in ("A" * 26, "a/b#c", "'"):
        assert api(as_admin(previews.preview), body | {"endpoint": unknown}).status == 404
    assert api(called_by(previews.preview, Caller("somebody-else", "")), body).status == 404


def test_each_endpoint_says_what_stands_against_an_event(api: Api) -> None:
    fits = api.scene.register("https://a.example/")
    severe = api.scene.register("https://b.example/", types=("storage.*",), min_severity="critical")
    off = api.scene.register("https://c.example/", enabled=False)
    event = {"type": "custom.mine", "content": {}}
    told = {each["endpointId"]: each for each in api(previews.match, event).body["value"]}
    assert told[fits.id]["matches"]
    assert "because" not in told[fits.id]
    assert told[severe.id]["because"] == ["types", "minSeverity"]
    assert told[off.id]["because"] == ["disabled"]
    assert api(previews.match, {"type": "no.such", "content": {}}).status == 400


@pytest.mark.parametrize("wire_format", ["point", "spscan", "cloudevents"])
def test_the_request_of_a_delivery_is_the_one_that_was_posted(api: Api, wire_format: str) -> None:
    api.scene.register("https://receiver.example/hook?code=secret", format=wire_format)
    api.scene.publish(an_event())
    api.scene.run()
    [delivery_id] = api.scene.ids(an_event())
    told = api(as_admin(previews.read_request), route=str(delivery_id)).body
    url = "https://receiver.example/hook?code=secret"
    [(headers, body)] = api.scene.receiver.of(url)
    assert (told["url"], told["body"].encode()) == (url, body)
    sent = {name.lower(): value for name, value in headers.items()}
    for name, value in told["headers"].items():
        assert name == "User-Agent" or name.lower() in sent
        assert "…" in value or name == "User-Agent" or sent[name.lower()] == value
    assert ("Signature" in told["headers"]) is (wire_format in ("point", "spscan")) is ("signature" in sent)
    assert "changedSince" not in told
    reader = api(previews.read_request, route=str(delivery_id)).body
    assert "url" not in reader
    has_settings = wire_format == "cloudevents"  # which may hold what a reader must not see
    assert reader.get("body") == (None if has_settings else told["body"])


def test_not_even_an_admin_is_shown_a_secret_that_the_body_carries(api: Api) -> None:
    key = "0123456789abcdef0123456789abcdef"
    settings = {"pagerduty": json.dumps({"routingKey": key})}
    endpoint = api.scene.register("https://receiver.example/alerts", format="pagerduty", settings=settings)
    api.scene.publish(an_event())
    api.scene.run()
    assert key.encode() in api.scene.receiver.posts[0][2]
    [delivery_id] = api.scene.ids(an_event())
    told = api(as_admin(previews.read_request), route=str(delivery_id)).body["body"]
    asked = {"format": "pagerduty", "endpoint": endpoint.id, "type": "storage.threshold_exceeded"}
    for body in (told, api(as_admin(previews.preview), asked).body["body"]):
        assert json.loads(body)["routing_key"] == "…"
        assert key not in body


def test_a_reader_is_not_shown_a_body_that_settings_are_part_of(api: Api) -> None:
    api.scene.register(format="template", settings={"template": '{"template":{"token":"s3cret"}}'})
    api.scene.publish(an_event())
    api.scene.run()
    [delivery_id] = api.scene.ids(an_event())
    assert "s3cret" in api(as_admin(previews.read_request), route=str(delivery_id)).text
    assert "s3cret" not in api(previews.read_request, route=str(delivery_id)).text


def test_a_request_whose_endpoint_is_gone_cannot_be_shown(api: Api) -> None:
    endpoint = api.scene.register()
    api.scene.publish(an_event())
    api.scene.run()
    [delivery_id] = api.scene.ids(an_event())
    api.scene.app.endpoints.delete(endpoint.id)
    assert api(previews.read_request, route=str(delivery_id)).status == 409
    assert api(previews.read_request, route="nonsense").status == 404


def test_the_overview_counts_what_happened_and_names_no_url(api: Api) -> None:
    endpoint = api.scene.register("https://receiver.example/hook?code=secret", name="Desk")
    api.scene.publish(an_event("fine"))
    api.scene.run()
    api.scene.receiver.answers = [BUSY]
    api.scene.publish(an_event("fails"))
    api.scene.run()
    found = api(overviews.get)
    assert "code=secret" not in found.text
    accepted = [hour["accepted"] for hour in found.body["hours"]]
    assert (len(accepted), sum(accepted)) == (24, 3)  # webhook.delivery_failed is the third
    [line] = [each for each in found.body["endpoints"] if each["id"] == endpoint.id]
    assert (line["name"], line["host"], line["state"]) == ("Desk", "receiver.example", "failing")
    assert (line["delivered"], line["failedAttempts"], line["exhausted"]) == (1, 4, 1)
    assert found.body["alerts"] == {"count": 1, "more": False}
    queues = ["deliveries", "deliveries-poison", "provisioning", "provisioning-poison"]
    assert [queue["name"] for queue in found.body["queues"]] == queues
    assert api(overviews.get, hours="169").status == 400


def test_who_calls_is_told_what_there_is_to_know(api: Api) -> None:
    told = api(me.get).body
    assert told["roles"] == []
    assert told["schedule"] == [delay.total_seconds() for delay in api.scene.app.settings.retry_delays]
    assert "now" in told


def test_samples_of_all_types_can_be_previewed(api: Api) -> None:
    for name in CATALOGUE:
        assert api(previews.preview, {"format": "slack", "type": name}).status == 200

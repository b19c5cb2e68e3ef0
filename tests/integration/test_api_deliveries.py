"""Deliveries and what is left through their handlers."""

import base64
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from shared.api import deliveries, health, types
from shared.model.catalogue import CATALOGUE
from shared.storage.cipher import Cipher
from shared.storage.endpoints import Endpoints
from shared.storage.signature_keys import Options

from .api import Api
from .scene import BUSY, an_event


def test_a_delivery_is_listed_after_its_first_attempt_and_found_before(api: Api) -> None:
    api.scene.receiver.answers = [BUSY]
    endpoint = api.scene.register()
    api.scene.publish(an_event())
    [delivery_id] = api.scene.ids(an_event())
    assert api(deliveries.list_some, endpoint=endpoint.id).body == {"value": []}
    assert api(deliveries.get, route=str(delivery_id)).body["status"] == "pending"
    api.scene.dispatch_next()
    [listed] = api(deliveries.list_some, endpoint=endpoint.id.lower()).body["value"]
    assert listed == api(deliveries.get, route=str(delivery_id).lower()).body
    assert (listed["id"], listed["status"], listed["attempts"][0]["status"]) == (str(delivery_id), "pending", 500)
    assert api(deliveries.get, route=f"{str(delivery_id)[:-1]}A").status == 404
    assert api(deliveries.get, route="nonsense").status == 404


def test_the_alert_log_and_the_newest_need_no_endpoint_and_other_lists_do(api: Api) -> None:
    api.scene.receiver.answers = [BUSY]
    api.scene.register()
    api.scene.publish(an_event())
    api.scene.run()
    [line] = api(deliveries.list_some, status="failed").body["value"]
    assert (line["status"], line["reason"], len(line["attempts"])) == ("failed", "the receiver answered 500", 4)
    assert api(deliveries.retry_one, route=line["id"]).body == {"id": line["id"], "status": "pending"}
    assert api(deliveries.retry_one, route=line["id"]).status == 409
    [noted] = api(deliveries.list_some).body["value"]
    assert (noted["id"], noted["status"]) == (line["id"], "pending")
    assert api(deliveries.list_some, type="custom.test").status == 400
    assert api(deliveries.list_some, top="101").status == 400
    assert api(deliveries.list_some, status="delivered").status == 400


@pytest.mark.parametrize("body", [b'{"dryRun": true}', b"[]", b"retry", b"{} {}"])
def test_a_body_that_would_be_ignored_is_refused_and_nothing_is_done(api: Api, body: bytes) -> None:
    api.scene.receiver.answers = [BUSY]
    api.scene.register()
    api.scene.publish(an_event())
    api.scene.run()
    [line] = api(deliveries.list_some, status="failed").body["value"]
    answer = api(deliveries.retry_one, body, route=line["id"])
    assert (answer.status, answer.body["detail"]) == (
        400,
        "This operation takes no body: what yours asks for would not be done. Leave it out",
    )
    assert api(deliveries.retry_one, b"\xef\xbb\xbf{\r\n}\r\n", route=line["id"]).body == {
        "id": line["id"],
        "status": "pending",
    }


def test_pages_are_joined_by_continuations(api: Api) -> None:
    endpoint = api.scene.register()
    for number in range(5):
        api.scene.publish(an_event(f"key-{number}"))
        api.scene.dispatch_next()
    first = api(deliveries.list_some, endpoint=endpoint.id, top="3").body
    second = api(deliveries.list_some, endpoint=endpoint.id, top="3", continuation=first["continuation"]).body
    assert len(first["value"]) == 3
    assert len(second["value"]) == 2
    assert "continuation" not in second


def hostile_continuation(value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode()


@pytest.mark.parametrize(
    "params",
    [
        {"top": "0"},
        {"top": "501"},
        {"top": "000000001999999999"},
        {"status": "lost"},
        {"type": "storage.*"},
        {"type": "storage.threshold_exceded"},
        {"from_": "yesterday"},
        {"to": "2026-13-01"},
        {"continuation": "x"},
        {"continuation": hostile_continuation("{}")},
        {"continuation": hostile_continuation('"zzz"')},
    ],
)
def test_a_wrong_query_is_400(api: Api, params: dict[str, str]) -> None:
    assert api(deliveries.list_some, endpoint="A" * 26, **params).status == 400


@pytest.mark.parametrize(
    "params",
    [
        {"from_": "2200-01-01T00:00:00"},
        {"to": "2001-01-01T00:00:00"},
        {"from_": "2026-11-20T00:00:00Z", "to": "2026-11-18T00:00:00Z"},
        {"type": "custom.it's"},
        {"status": "failed", "type": "custom.' or PartitionKey ne '"},
    ],
)
def test_a_query_that_nothing_fits_is_an_empty_list(api: Api, params: dict[str, str]) -> None:
    assert api(deliveries.list_some, endpoint="A" * 26, **params).body == {"value": []}


@pytest.mark.parametrize(
    "params",
    [
        {"from_": "0001-01-01T00:00:00"},
        {"from_": "0001-01-01T00:00:00+14:00"},
        {"to": "0001-01-01T00:00:00+14:00"},
        {"from_": "9999-12-31T23:59:59"},
        {"from_": "9999-12-31T23:59:59-14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"continuation": hostile_continuation("000000000000")},
        {"continuation": hostile_continuation("-00000000001-" + "A" * 26)},
        {"continuation": hostile_continuation("FFFFFFFFFFFF-" + "A" * 26)},
        {"endpoint": "it's"},
        {"endpoint": "é/#?"},
        {"continuation": hostile_continuation("[" * 2000)},
        {"continuation": hostile_continuation("000000000000-" + "A" * 26)},
        {"continuation": hostile_continuation("7FFFFFFFFFFF-" + "A" * 26)},
        {"continuation": hostile_continuation(f"{'0' * 12}-{'A' * 26}-{'A' * 26}")},
    ],
)
def test_no_query_however_strange_is_a_500(api: Api, params: dict[str, str]) -> None:
    assert api(deliveries.list_some, **({"endpoint": "A" * 26} | params)).status in (200, 400)


# The rest


def test_the_catalogue_is_listed_with_schema_and_sample(api: Api) -> None:
    value = api(types.list_all).body["value"]
    assert [each["type"] for each in value] == list(CATALOGUE)
    assert all(set(each) == {"type", "title", "description", "severity", "schema", "sample"} for each in value)


def test_health_is_200_while_storage_answers(api: Api) -> None:
    answer = api(health.get)
    assert (answer.status, answer.body["status"]) == (200, "healthy")
    assert answer.body["storage"] == {"tables": "reachable", "queues": "reachable"}


def test_health_is_503_where_the_key_is_another_one(api: Api) -> None:
    """Whichever is stored: only an endpoint so far, or the signature key too."""
    app = api.scene.app
    other = Cipher([Fernet.generate_key().decode()])
    api.scene.register()
    for keys_are_stored in (False, True):
        if keys_are_stored:
            app.options.signature_keys(app.now())
        api.scene.app = replace(app, options=Options(app.services, other), endpoints=Endpoints(app.services, other))
        answer = api(health.get)
        assert (answer.status, answer.body["status"]) == (503, "unhealthy")
        assert answer.body["reason"].startswith("SECRETS_KEY does not open what is stored: put the key")
        api.scene.app = app
        assert api(health.get).status == 200

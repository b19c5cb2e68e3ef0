"""Endpoints through their handlers."""

import json
from typing import Any

import pytest

from shared.api import endpoint_replays, endpoints, options, subscriptions
from shared.model import endpoint_id
from shared.outbound.addresses import AddressPolicy, Unresolved
from shared.outbound.breaker import OPENS_AFTER

from .api import Api
from .scene import BUSY, OK, URL

LOOPBACK_URL = "http://127.0.0.1:9/hook?code=hidden"


def test_a_registration_answers_null_and_where_it_is(api: Api) -> None:
    answer = api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"]})
    assert (answer.status, answer.text) == (200, "null")
    assert answer.headers["Location"] == f"/v1.0/webhooks/endpoints/{endpoint_id(LOOPBACK_URL)}"
    [listed] = api(endpoints.list_all).body
    assert (listed["endpoint"], listed["types"], listed["id"]) == (LOOPBACK_URL, ["*"], endpoint_id(LOOPBACK_URL))


def test_the_endpoint_itself_is_answered_to_who_prefers_it(api: Api) -> None:
    registration = {"endpoint": LOOPBACK_URL, "types": ["*"], "name": "SIEM", "minSeverity": "high"}
    answer = api(endpoints.register, registration, prefer="return = representation")
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert answer.body == api(endpoints.get, route=endpoint_id(LOOPBACK_URL).lower()).body
    assert (answer.body["name"], answer.body["minSeverity"], answer.body["format"]) == ("SIEM", "high", "point")
    assert "secret" not in answer.text


def test_a_likely_mistake_is_told_in_a_header_or_in_the_endpoint(api: Api) -> None:
    registration = {"endpoint": LOOPBACK_URL, "types": ["*"], "format": "jira", "settings": {"projectKey": "OPS"}}
    told = api(endpoints.register, registration).headers["Warning"]
    assert told.startswith('299 - "auth: receivers of jira ask who calls')
    answer = api(endpoints.register, registration, prefer="return=representation")
    assert "Warning" not in answer.headers
    assert answer.body["warnings"] == [told.removeprefix('299 - "').removesuffix('"')]
    assert "warnings" not in api(endpoints.get, route=endpoint_id(LOOPBACK_URL)).body


def test_a_likely_mistake_in_a_change_is_told_too(api: Api) -> None:
    """Who moved an endpoint to another format by a patch was told of nothing."""
    api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"]})
    change = {"format": "jira", "settings": {"projectKey": "OPS"}, "sites": ["contoso.sharepoint.com/*"]}
    changed = api(endpoints.change, change, route=endpoint_id(LOOPBACK_URL)).body
    assert [each.partition(":")[0] for each in changed["warnings"]] == ["auth", "sites"]


def test_a_name_that_does_not_resolve_is_told_of(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.scene.app.client, "check", lambda url, within: Unresolved("hooks.contoso.con"))
    url = "https://hooks.contoso.con/x"
    assert "does not resolve now" in api(endpoints.register, {"endpoint": url, "types": ["*"]}).headers["Warning"]
    [said] = api(subscriptions.create, {"callbackUrl": url}).body["warnings"]
    assert said.startswith("endpoint: the name hooks.contoso.con does not resolve now")


def test_a_replay_since_a_time_to_come_is_refused(api: Api) -> None:
    api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"]})
    answer = api(endpoint_replays.replay_since, {"since": "2099-01-01"}, route=endpoint_id(LOOPBACK_URL))
    assert (answer.status, answer.body["detail"].partition(":")[2][:17]) == (400, " is in the future")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "endpoint: is required"),
        ({"endpoint": LOOPBACK_URL}, "types: is required"),
        ({"endpoint": LOOPBACK_URL, "types": []}, "types"),
        ({"endpoint": LOOPBACK_URL, "types": "nothing"}, "types: 'nothing' is no event type"),
        ({"endpoint": LOOPBACK_URL, "types": ["nothing"]}, "is no event type"),
        ({"endpoint": LOOPBACK_URL, "types": ["*"], "format": "xml"}, "format"),
        ({"endpoint": LOOPBACK_URL, "types": ["*"], "minSeverity": "severe"}, "minSeverity"),
        ({"endpoint": LOOPBACK_URL, "types": ["*"], "enabled": "yes"}, "enabled"),
        ({"endpoint": LOOPBACK_URL, "types": ["*"], "colour": "red"}, "colour: is not known here"),
        ({"endpoint": "ftp://x.example/?code=hidden", "types": ["*"]}, "https://"),
        ({"endpoint": "https://u:hidden@x.example/", "types": ["*"]}, "user name"),
        ([], "must be a JSON object"),
    ],
)
def test_a_registration_that_cannot_be_used_says_what_to_change(api: Api, body: Any, says: str) -> None:
    answer = api(endpoints.register, body)
    assert answer.status == 400
    assert says in answer.body["detail"]
    assert "hidden" not in answer.text
    assert api(endpoints.list_all).body == []


def test_an_endpoint_that_leads_inward_is_refused_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.scene.app.client, "_policy", AddressPolicy())
    answer = api(endpoints.register, {"endpoint": "https://127.0.0.1/?code=hidden", "types": ["*"]})
    assert answer.status == 400
    assert "not on the public internet" in answer.body["detail"]


def test_a_known_url_may_be_registered_again_without_types(api: Api) -> None:
    api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["storage.*"], "name": "SIEM"})
    assert api(endpoints.register, {"endpoint": LOOPBACK_URL, "format": "spscan"}).status == 200
    [listed] = api(endpoints.list_all).body
    assert (listed["types"], listed["name"], listed["format"]) == (["storage.*"], "SIEM", "spscan")


def test_without_types_a_url_that_was_deleted_elsewhere_is_400(api: Api) -> None:
    api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"]})
    assert api.scene.app.endpoints.all()
    api.scene.elsewhere().app.endpoints.delete(endpoint_id(LOOPBACK_URL))
    assert api(endpoints.register, {"endpoint": LOOPBACK_URL}).status == 400


def test_a_patch_changes_what_it_names_and_null_brings_the_default_back(api: Api) -> None:
    first = api.scene.register(name="SIEM", min_severity="high", tenants=("contoso",))
    changed = api(endpoints.change, {"name": None, "minSeverity": "low", "sites": ["https://x/*"]}, first.id).body
    assert "name" not in changed
    assert (changed["minSeverity"], changed["sites"], changed["tenants"]) == ("low", ["https://x/*"], ["contoso"])
    refused: list[Any] = [{"endpoint": URL}, {"types": None}, {"id": "x"}, {"secret": "x"}, [], None]
    for wrong in refused:
        assert api(endpoints.change, wrong, first.id).status == 400
    assert api(endpoints.change, {"name": "x"}, "A" * 26).status == 404


def test_deleting_by_url_takes_a_body_or_the_query_and_a_404_reads_like_syskits(api: Api) -> None:
    api.scene.register()
    assert api(endpoints.delete_by_url, {"endpoint": URL}).status == 204
    api.scene.register()
    assert api(endpoints.delete_by_url, endpoint=URL).status == 204
    answer = api(endpoints.delete_by_url, {"endpoint": URL})
    assert answer.status == 404
    assert {"message", "exceptionMessage", "exceptionType"} <= set(answer.body)
    assert "hidden" not in answer.text
    assert api(endpoints.delete_by_url).status == 400
    assert api(endpoints.delete, route=endpoint_id(URL)).status == 404


def test_a_test_event_is_sent_now_and_answers_with_the_attempt(api: Api) -> None:
    endpoint = api.scene.register(types=("storage.*",), format="spscan")
    api.scene.receiver.answers = [BUSY]
    answer = api(endpoints.test, route=endpoint.id)
    assert (answer.status, answer.body["status"], answer.body["response"]) == (200, 500, "busy")
    assert {"number", "startedAt", "durationMs"} <= set(answer.body)
    sent = json.loads(api.scene.receiver.posts[0][2])
    assert sent["event"] == "storage.threshold_exceeded"
    assert api.scene.queue.held == []
    assert api(endpoints.test, {"type": "ProvisioningFailed"}, endpoint.id).status == 200
    assert api(endpoints.test, {"type": "nothing"}, endpoint.id).status == 400
    assert api(endpoints.test, route="A" * 26).status == 404


def test_secret_and_signature_key_are_given_to_who_may_ask(api: Api) -> None:
    endpoint = api.scene.register()
    assert api(endpoints.secret, route=endpoint.id).body == {"secret": endpoint.secret}
    key = api.scene.app.options.signature_key(api.scene.clock.now)
    assert api(options.get).body == {"webhooksSignatureAuthenticationKey": key}


def test_as_many_sites_as_are_promised_fit(api: Api) -> None:
    """One property of the row held them all, and storage refused it with a 503."""
    sites = [f"https://contoso.sharepoint.com/sites/{number:03}".ljust(70, "x") for number in range(100)]
    for body in ({"sites": sites}, {"tenants": sites}):
        assert api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"]} | body).status == 200
    shown = api(endpoints.get, route=endpoint_id(LOOPBACK_URL)).body
    assert (shown["sites"], shown["tenants"]) == (sites, sites)
    assert api(endpoints.register, {"endpoint": LOOPBACK_URL, "sites": [*sites, "x"]}).status == 400
    assert api(endpoints.register, {"endpoint": LOOPBACK_URL, "sites": ["x" * 401]}).status == 400


def test_a_port_that_cannot_be_reached_is_refused(api: Api) -> None:
    """`:0` was registered, and delivered to port 443."""
    answer = api(endpoints.register, {"endpoint": "https://host:0/", "types": ["*"]})
    assert (answer.status, "port 0" in answer.body["detail"]) == (400, True)


def test_failing_test_events_do_not_feed_the_breaker(api: Api) -> None:
    """Whoever tried out a receiver that was not there yet stopped its deliveries for a minute."""
    endpoint = api.scene.register()
    api.scene.receiver.answers = [BUSY]
    for _ in range(OPENS_AFTER + 1):
        assert api(endpoints.test, route=endpoint.id).body["status"] == 500
    assert not api.scene.app.breaker.is_open(endpoint.id)
    for number in range(OPENS_AFTER):
        api.scene.app.breaker.record(endpoint.id, f"delivery-{number}", False, api.scene.app.seconds())
    assert api.scene.app.breaker.is_open(endpoint.id)
    api.scene.receiver.answers = [OK]
    assert api(endpoints.test, route=endpoint.id).body["status"] == 200
    assert not api.scene.app.breaker.is_open(endpoint.id), "it is seen to be well again"


def test_the_site_patterns_of_an_endpoint_have_a_limit_together(api: Api) -> None:
    body = {"endpoint": "http://127.0.0.1:9/hook", "types": ["*"]}
    assert api(endpoints.register, {**body, "sites": ["https://x/" + "a" * 350] * 22}).status == 200
    refused = api(endpoints.register, {**body, "sites": ["https://x/" + "a" * 350] * 23})
    assert refused.status == 400
    assert "sites: at most 8192 bytes" in refused.body["detail"]

"""PagerDuty: alerts open and close in a stand-in of its Events API, over the app's own way there."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from doubles.delivering import Deployment
from doubles.format_events import SETTINGS, compact_json, read, sample_of
from doubles.pagerduty import URLS, PagerDuty, faults
from shared.formats import FORMATS
from shared.formats.rendering import render_once, secrets_in, settings_text, shown_settings
from shared.model import SEVERITIES
from shared.model.catalogue import CATALOGUE

KEY = SETTINGS["pagerduty"]["routingKey"]
EXCEEDED, RECOVERED = "storage.threshold_exceeded", "storage.threshold_recovered"


def deployment(service: PagerDuty) -> Deployment:
    def answer(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        status, said = service.answer(url, headers, body)
        return status, json.dumps(said)

    return Deployment(answer)


def registered(service: PagerDuty, *types: str, key: str = KEY, **given: Any) -> Deployment:
    made = deployment(service)
    settings = {"pagerduty": settings_text({"routingKey": key})}
    made.register(URLS[0], types=types, format="pagerduty", settings=settings, **given)
    return made


def test_a_crossing_opens_an_alert_and_its_recovery_resolves_it() -> None:
    service = PagerDuty(KEY)
    app = registered(service, EXCEEDED, RECOVERED, min_severity="critical")
    other = compact_json(CATALOGUE[EXCEEDED].sample | {"threshold": 95})
    [first] = app.deliver(sample_of(EXCEEDED, key="one", severity="critical"))
    assert first.status == "delivered"
    app.deliver(sample_of(EXCEEDED, key="two", severity="critical", content=other))
    assert [len(alert.events) for alert in service.open_alerts()] == [1, 1]
    [last] = app.deliver(sample_of(RECOVERED, key="three"))
    assert last.status == "delivered", "it is of low severity, and asked for by name"
    [still] = service.open_alerts()
    assert still.events[0]["payload"]["custom_details"]["Threshold"] == "95 %"
    app.deliver(sample_of(EXCEEDED, key="four", severity="critical"))
    assert len(service.alerts) == 3, "the next crossing is a new alert"


def test_a_share_that_is_taken_back_is_resolved() -> None:
    service = PagerDuty(KEY)
    app = registered(service, "permission.*")
    content = compact_json(CATALOGUE["permission.external_share_created"].sample)
    app.deliver(sample_of("permission.external_share_created", key="one"))
    app.deliver(sample_of("permission.revoked", key="two"))
    assert len(service.open_alerts()) == 1, "somebody else's share is open"
    app.deliver(sample_of("permission.revoked", key="three", content=content))
    assert service.open_alerts() == []


def test_an_event_that_is_sent_again_is_the_same_alert() -> None:
    service = PagerDuty(KEY, busy=2)
    app = registered(service, "custom.*")
    [delivery] = app.deliver(sample_of("custom.x", key="one"))
    assert delivery.status == "delivered"
    assert [(alert.dedup_key, len(alert.events)) for alert in service.alerts] == [("one", 1)]
    body = FORMATS["pagerduty"].body(sample_of("custom.x", key="one"), _settings())[1]
    assert service.answer(URLS[1], {"Content-Type": "application/json"}, body)[0] == 202
    assert [len(alert.events) for alert in service.alerts] == [2]


def test_a_wrong_key_is_said_and_shown_to_nobody() -> None:
    wrong = "f" * 32
    echoing = Deployment(lambda url, headers, body: (400, f"no integration has {wrong}"))
    echoing.register(
        URLS[0],
        types=("custom.*",),
        format="pagerduty",
        settings={"pagerduty": settings_text({"routingKey": wrong})},
        retry_delays=(),
    )
    [delivery] = echoing.deliver(sample_of("custom.x"))
    assert [attempt.response for attempt in delivery.attempts] == ["no integration has …"]


def test_the_key_is_a_secret() -> None:
    app = registered(PagerDuty(KEY), "*")
    [endpoint] = app.app.endpoints.all()
    assert shown_settings(endpoint) is None
    assert secrets_in(endpoint, "pagerduty") == (KEY,)
    assert secrets_in(endpoint, "slack") == ()
    assert KEY not in repr(_settings())


def test_who_looks_at_a_body_does_not_see_the_key() -> None:
    shown = render_once("pagerduty", settings_text({"routingKey": KEY}), sample_of("permission.granted"))[1].decode()
    assert json.loads(shown)["routing_key"] == "…"
    assert KEY not in shown


@pytest.mark.parametrize("name", [*CATALOGUE, "custom.test"])
def test_an_alert_of_every_type_is_taken(name: str) -> None:
    body = FORMATS["pagerduty"].body(sample_of(name), _settings())
    assert faults({"Content-Type": body[0]}, body[1]) == []


def test_severities_are_pagerdutys() -> None:
    def levels(**settings: Any) -> list[str]:
        given = SETTINGS["pagerduty"] | settings
        events = [sample_of("custom.x", severity=severity) for severity in SEVERITIES]
        return [read("pagerduty", event, given)["payload"]["severity"] for event in events]

    assert levels() == ["info", "warning", "error", "critical"]
    assert levels(severities={"high": "critical", "low": "warning"}) == ["warning", "warning", "critical", "critical"]


def test_what_is_affected_is_the_site_and_the_object() -> None:
    payload = read("pagerduty", sample_of("permission.granted"))["payload"]
    assert payload["source"] == "https://contoso.sharepoint.com/sites/hr"
    assert payload["component"] == "/sites/hr/Shared Documents/Salaries.xlsx"
    assert (payload["group"], payload["class"]) == ("Contoso", "permission.granted")
    failed = sample_of("ProvisioningFailed")
    assert read("pagerduty", failed)["payload"]["source"] == "Contoso"
    assert read("pagerduty", failed.model_copy(update={"tenant": None}))["payload"]["source"] == "Tenant Hooks"
    named = read("pagerduty", failed, SETTINGS["pagerduty"] | {"source": "M365"})["payload"]
    assert (named["source"], named["component"]) == ("M365", "Resource Name")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "routingKey"),
        ({"routingKey": "short"}, "integration key of 32 letters and digits"),
        ({"routingKey": "é" * 32}, "integration key of 32 letters and digits"),
        ({"routingKey": KEY, "severities": {"high": "fatal"}}, "severities"),
        ({"routingKey": KEY, "routing": 1}, "routing"),
    ],
)
def test_wrong_settings_are_refused_with_their_name(settings: dict[str, Any], why: str) -> None:
    kind = FORMATS["pagerduty"].settings
    assert kind is not None
    with pytest.raises(ValidationError, match=why) as error:
        kind.model_validate_json(compact_json(settings), strict=True)
    assert KEY not in str(error.value)


def _settings() -> Any:
    kind = FORMATS["pagerduty"].settings
    assert kind is not None
    return kind.model_validate(SETTINGS["pagerduty"])

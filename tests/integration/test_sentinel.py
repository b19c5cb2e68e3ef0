"""Microsoft Sentinel: from registration to the row, by the way that every delivery goes."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doubles.format_events import sample_of
from doubles.logs_ingestion import LogsIngestion
from shared.admin import registration
from shared.admin.changes import Changes, Unfit, Whole
from shared.admin.registration import Registered, Registration, change_endpoint
from shared.formats.sentinel import COLUMNS
from shared.model import Auth, Endpoint
from shared.model.audiences import ALLOWED
from shared.model.catalogue import CATALOGUE
from shared.outbound.gathering import Waiter

from .identity import Identity
from .scene import Scene

RULE = f"dcr-{'0' * 32}"
URL = f"https://x.westeurope-1.ingest.monitor.azure.com/dataCollectionRules/{RULE}/streams/Custom-A?api-version=2023-01-01"
GLOBAL = "https://monitor.azure.com"
TOKEN = f"token for {GLOBAL}"
AUTH = Whole({"type": "entra", "audience": GLOBAL})
TEMPLATE = Whole({"template": {"EventType": "permission.revoked"}})


@pytest.fixture
def allowed(scene: Scene, identity: Identity) -> Scene:
    """The scene, with Azure Monitor's audience allowed."""
    settings = scene.app.settings.model_copy(update={"allowed_token_audiences": (*ALLOWED, GLOBAL)})
    return replace(scene, app=replace(scene.app, settings=settings))


@pytest.fixture
def service(allowed: Scene) -> LogsIngestion:
    service = LogsIngestion(RULE, {"Custom-A": COLUMNS}, allowed.clock, {TOKEN}, {TOKEN})
    allowed.receiver.stand_ins[URL] = service.post
    return service


def register(scene: Scene, auth: Whole | None = AUTH, **fields: object) -> registration.Refusal | Registered:
    wanted = {"types": ("*", "webhook.*"), "format": "sentinel", **fields}
    return registration.register(scene.app, Registration(URL, Changes(wanted, auth=auth), by_admin=True))


def registered(scene: Scene) -> Endpoint:
    done = register(scene)
    assert isinstance(done, Registered)
    return done.endpoint


def test_every_event_becomes_a_row_of_which_nothing_is_lost(
    allowed: Scene, service: LogsIngestion, identity: Identity
) -> None:
    registered(allowed)
    for name in CATALOGUE:
        allowed.publish(sample_of(name, key=name.replace(".", "-")))
    allowed.run()
    assert service.lost == []
    assert [row["EventType"] for row in service.rows] == list(CATALOGUE)
    assert all(row.keys() == COLUMNS.keys() for row in service.rows)
    assert {query["resource"][0] for query in identity.asked} == {GLOBAL}


def test_until_the_identity_has_its_role_deliveries_fail_with_what_to_do(
    allowed: Scene, service: LogsIngestion
) -> None:
    service.may_post.clear()
    registered(allowed)
    event = sample_of("permission.granted")
    allowed.publish(event)
    allowed.dispatch_next()
    [attempt] = allowed.row(allowed.ids(event)[0]).attempts
    assert attempt.status == 403
    assert "does not have access to ingest data" in str(attempt.response)
    service.may_post.add(TOKEN)
    allowed.run()
    assert len(service.rows) == 1


def test_a_rule_that_has_enough_is_asked_again_when_it_says(
    allowed: Scene, service: LogsIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiter, "sleep", lambda waiter, seconds: allowed.clock.sleep(seconds))
    service.most_in_a_minute = 1
    registered(allowed)
    events = [sample_of("permission.granted", key=key) for key in ("a", "b")]
    for event in events:
        allowed.publish(event)
    started = allowed.clock.now
    allowed.run()
    assert [row["IdempotencyKey"] for row in service.rows] == ["a", "b"]
    assert allowed.clock.now - started >= timedelta(minutes=1)
    assert allowed.row(allowed.ids(events[1])[0]).status == "delivered"


@pytest.mark.parametrize(
    ("auth", "fields", "said"),
    [
        ({"type": "entra", "audience": "https://monitor.azure.us"}, {}, "auth.audience: is not among ALLOWED_TOKEN"),
        (
            {"type": "entra", "audience": GLOBAL},
            {"format": "point"},
            "auth.audience: goes with the wire format sentinel",
        ),
    ],
)
def test_a_token_for_anything_else_is_not_registered(
    allowed: Scene, auth: dict[str, str], fields: dict[str, str], said: str
) -> None:
    refused = register(allowed, Whole(auth), **fields)
    assert isinstance(refused, Unfit)
    assert refused.reason.startswith(said)


def test_without_the_setting_nobody_can_have_the_token_sent(scene: Scene) -> None:
    assert register(scene) == Unfit("auth.audience: is not among ALLOWED_TOKEN_AUDIENCES, an app setting")


def test_the_format_of_such_an_endpoint_stays(allowed: Scene) -> None:
    """Or its owner could write rows of what never happened, in the app's name."""
    endpoint = registered(allowed)
    refused = change_endpoint(allowed.app, endpoint.id, Changes({"format": "template"}, TEMPLATE))
    assert isinstance(refused, Unfit)
    assert "goes with the wire format sentinel alone" in refused.reason
    both = Changes({"format": "template"}, TEMPLATE, Whole({"type": "none"}))
    assert isinstance(change_endpoint(allowed.app, endpoint.id, both), Endpoint)


def test_a_delivery_of_an_earlier_format_is_sent_without_it_or_not_at_all(
    allowed: Scene, service: LogsIngestion
) -> None:
    """The format is fixed when an event is published, whatever the endpoint has when it is sent."""
    settings = {"template": json.dumps(TEMPLATE.value)}
    endpoint = allowed.register(URL, format="template", settings=settings)
    event = sample_of("permission.granted")
    allowed.publish(event)
    allowed.change(endpoint.id, format="sentinel", auth=Auth(type="entra", audience=GLOBAL))
    allowed.dispatch_next()
    assert allowed.receiver.posts == []
    [attempt] = allowed.row(allowed.ids(event)[0]).attempts
    assert "nothing was sent: the audience https://monitor.azure.com goes with the wire format" in str(attempt.error)
    assert service.rows == []


def test_a_rule_that_is_gone_is_said_without_its_id_which_is_part_of_the_url(
    allowed: Scene, service: LogsIngestion
) -> None:
    service.rule = "dcr-another"
    registered(allowed)
    event = sample_of("permission.granted", key="k")
    allowed.publish(event)
    allowed.dispatch_next()
    [attempt] = allowed.row(allowed.ids(event)[0]).attempts
    assert attempt.status == 404
    assert "Data collection rule with immutable Id '…' not found." in str(attempt.response)

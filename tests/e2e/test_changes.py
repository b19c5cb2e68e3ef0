"""When an endpoint changes while a delivery waits for its retry, the delivery ends `cancelled`, with the reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from doubles.hooks import Answer, Hook

from .api import DELIVERIES, ENDPOINTS, Api, Json, custom
from .conftest import App

WAITS = Answer(503, headers={"Retry-After": "3"})
"""The attempt is not spent, and the delivery waits."""


@dataclass(frozen=True)
class Waiting:
    """A delivery that waited when its endpoint was changed."""

    hook: Hook
    endpoint: Json
    delivery_id: str


def delete(api: Api, waiting: Waiting) -> None:
    api.call("DELETE", f"{ENDPOINTS}/{waiting.endpoint['id']}", expect=204)


def delete_and_register_again(api: Api, waiting: Waiting) -> None:
    delete(api, waiting)
    api.register(waiting.endpoint["endpoint"], *waiting.endpoint["types"])


def disable(api: Api, waiting: Waiting) -> None:
    api.call("PATCH", f"{ENDPOINTS}/{waiting.endpoint['id']}", {"enabled": False})


def rename(api: Api, waiting: Waiting) -> None:
    api.call("PATCH", f"{ENDPOINTS}/{waiting.endpoint['id']}", {"name": "renamed"})


def ask_for_other_types(api: Api, waiting: Waiting) -> None:
    """The endpoint matched when the event was accepted: that counts."""
    api.call("PATCH", f"{ENDPOINTS}/{waiting.endpoint['id']}", {"types": ["custom.other"], "format": "spscan"})


CHANGES: list[Callable[[Api, Waiting], None]] = [
    delete,
    delete_and_register_again,
    disable,
    rename,
    ask_for_other_types,
]


@pytest.fixture(scope="module")
def waiting(app: App) -> Iterator[dict[str, Waiting]]:
    """One for each of CHANGES, all made during the same wait."""
    found = {}
    for change in CHANGES:
        hook, own_type = app.receiver.hook(WAITS, 200), f"custom.change.{change.__name__}"
        endpoint = app.api.register(hook.url, own_type)
        key = app.api.publish(custom(own_type))["idempotencyKey"]
        found[change.__name__] = Waiting(hook, endpoint, app.api.delivery_id(key, endpoint))
    for change in CHANGES:
        each = found[change.__name__]
        each.hook.wait()
        app.api.ended(each.delivery_id, "pending")
        change(app.api, each)
    yield found
    for endpoint in app.api.call("GET", ENDPOINTS).json:
        if endpoint["endpoint"] in {each.hook.url for each in found.values()}:
            app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.parametrize(
    ("change", "word"), [(delete, "deleted"), (delete_and_register_again, "again"), (disable, "disabled")]
)
def test_it_is_cancelled_outside_the_alert_log(
    app: App, waiting: dict[str, Waiting], change: Callable[[Api, Waiting], None], word: str
) -> None:
    each = waiting[change.__name__]
    app.host.wait_for("delivery.cancelled", deliveryId=each.delivery_id)
    delivery = app.api.ended(each.delivery_id, "cancelled")
    assert word in delivery["reason"]
    assert [attempt["status"] for attempt in delivery["attempts"]] == []
    assert "nextAttemptAt" not in delivery
    assert len(each.hook.received) == 1
    assert each.delivery_id not in [line["id"] for line in app.api.alerts()]


@pytest.mark.parametrize("change", [rename, ask_for_other_types])
def test_other_changes_let_it_arrive(
    app: App, waiting: dict[str, Waiting], change: Callable[[Api, Waiting], None]
) -> None:
    each = waiting[change.__name__]
    first, second = each.hook.wait(2)
    assert first.body == second.body, "the format is fixed when the event is accepted"
    assert [attempt["status"] for attempt in app.api.ended(each.delivery_id, "delivered")["attempts"]] == [200]


def test_a_registration_after_a_deletion_gets_new_events_and_old_ones_on_request(
    app: App, waiting: dict[str, Waiting]
) -> None:
    each = waiting[delete_and_register_again.__name__]
    app.api.ended(each.delivery_id, "cancelled")
    event = custom(each.endpoint["types"][0])
    app.api.publish(event)
    each.hook.wait(key=event["meta"]["idempotencyKey"])
    app.api.call("POST", f"{DELIVERIES}/{each.delivery_id}/retry", expect=202)
    assert [attempt["status"] for attempt in app.api.ended(each.delivery_id, "delivered")["attempts"]] == [200]


def test_what_was_for_a_deleted_endpoint_cannot_be_retried(app: App, waiting: dict[str, Waiting]) -> None:
    each = waiting[delete.__name__]
    app.api.ended(each.delivery_id, "cancelled")
    problem = app.api.call("POST", f"{DELIVERIES}/{each.delivery_id}/retry", expect=409).json
    assert "register" in problem["detail"]


def test_an_event_to_a_disabled_endpoint_is_not_kept_for_it(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.disabled", enabled=False)
    assert app.api.publish(custom("custom.disabled"))["deliveries"] == 0
    app.api.call("PATCH", f"{ENDPOINTS}/{endpoint['id']}", {"enabled": True})
    event = custom("custom.disabled")
    assert app.api.publish(event)["deliveries"] == 1
    assert hook.wait()[0].key == event["meta"]["idempotencyKey"]
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)

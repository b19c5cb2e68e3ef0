"""The timer `measure` logs all queues; on request it runs at once."""

from collections.abc import Iterator

import pytest

from doubles.hooks import Answer

from .api import ENDPOINTS, Json, custom
from .conftest import App


@pytest.fixture
def waiting(app: App) -> Iterator[Json]:
    """An endpoint to which a delivery waits."""
    hook = app.receiver.hook(Answer(503, headers={"Retry-After": "600"}))
    endpoint = app.api.register(hook.url, "custom.measured")
    key = app.api.publish(custom("custom.measured"))["idempotencyKey"]
    app.api.ended(app.api.delivery_id(key, endpoint), "pending")
    hook.wait()
    yield endpoint
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.usefixtures("waiting")
def test_all_queues_are_measured(app: App) -> None:
    known = len(app.host.found("queue.measured"))
    queues = {"deliveries", "deliveries-poison", "provisioning", "provisioning-poison"}

    def measured() -> dict[str, Json]:
        return {line["queue"]: line for line in app.host.found("queue.measured")[known:]}

    app.api.call("POST", "/admin/functions/measure", {}, expect=202)
    app.host.wait_until(lambda: measured().keys() >= queues, 30)
    lines = measured()
    assert lines.keys() == queues
    for line in lines.values():
        assert line.keys() == {"event", "queue", "length", "oldestSeconds"}
    assert lines["deliveries"]["length"] >= 1
    assert 0 <= lines["deliveries"]["oldestSeconds"] < 60, "what is hidden until its time is not late"

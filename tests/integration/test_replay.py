"""Replay: what an endpoint's log holds is sent again, as new deliveries of the same idempotency keys."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from doubles import registering
from doubles.running import dispatch
from shared.admin import replay as replay_module
from shared.admin.erasure import erase
from shared.admin.replay import MOST_REPLAYED, Replayed, replay
from shared.delivery.deadlines import REPEAT_DELAY
from shared.model import Delivery, DeliveryId, Endpoint
from shared.outbound.client import Response
from shared.storage.messages import decode
from shared.storage.pages import Filters
from shared.storage.weeks import week_start

from .conftest import Calls
from .scene import BUSY, OK, THURSDAY, URL, Scene, an_event

MINUTE = timedelta(minutes=1)
KEYS = [f"key-{number}" for number in range(7)]


@pytest.fixture
def endpoint(scene: Scene) -> Endpoint:
    """Has had an event a minute, all delivered."""
    endpoint = scene.register()
    for key in KEYS:
        scene.publish(an_event(key))
        scene.run_in_order()
        scene.clock.move(MINUTE)
    scene.receiver.posts.clear()
    return endpoint


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """The most of one call, so small that there are pages."""
    monkeypatch.setattr(replay_module, "MOST_REPLAYED", 3)
    return 3


def log(scene: Scene, endpoint: Endpoint) -> list[tuple[DeliveryId, Delivery]]:
    return scene.app.deliveries.log(endpoint.id, Filters(), scene.clock.now, 500).items


def sent(scene: Scene) -> list[str]:
    """The keys of what came to the receiver since the last look, in order."""
    keys = [headers["webhook-id"] for _, headers, _ in scene.receiver.posts]
    scene.receiver.posts.clear()
    return keys


def pages(scene: Scene, endpoint: Endpoint, call_key: str | None = None) -> list[Replayed]:
    found = [replay(scene.app, endpoint, THURSDAY, call_key=call_key)]
    while found[-1].continuation:
        found.append(replay(scene.app, endpoint, THURSDAY, None, found[-1].continuation, call_key))
    return found


def test_one_call_takes_a_thousand_at_most() -> None:
    assert MOST_REPLAYED == 1000


def test_everything_since_a_time_is_sent_again_as_new_deliveries_of_the_same_keys(
    scene: Scene, endpoint: Endpoint
) -> None:
    before = log(scene, endpoint)
    assert replay(scene.app, endpoint, THURSDAY + 2 * MINUTE) == Replayed(5, None)
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS[2:]
    after = log(scene, endpoint)
    new = [each for each in after if each not in before]
    assert len(new) == 5
    assert after[5:] == before, "the old deliveries stay as they were"
    assert not {each for each, _ in new} & {each for each, _ in before}
    assert sorted(row.key for _, row in new) == KEYS[2:]
    assert {row.status for _, row in new} == {"delivered"}
    assert {len(row.attempts) for _, row in new} == {1}


def test_a_replay_has_the_body_of_the_first_time_in_the_format_of_then(scene: Scene, endpoint: Endpoint) -> None:
    large = an_event("large", content=json.dumps({"a": "x" * 60_000}))
    scene.publish(large)
    scene.run_in_order()
    [(_, _, first)] = scene.receiver.posts
    scene.clock.move(MINUTE)
    scene.change(endpoint.id, format="spscan")
    replay(scene.app, endpoint, scene.clock.now - MINUTE)
    scene.run_in_order()
    assert [body for _, _, body in scene.receiver.posts] == [first, first]


def test_pages_together_are_everything_once(scene: Scene, endpoint: Endpoint, few: int) -> None:
    assert [page.count for page in pages(scene, endpoint)] == [few, few, 1]
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS


def test_pages_are_stable_while_deliveries_arrive(scene: Scene, endpoint: Endpoint, few: int) -> None:
    first = replay(scene.app, endpoint, THURSDAY)
    scene.publish(an_event("new"))
    scene.run_in_order()
    scene.clock.move(MINUTE)
    second = replay(scene.app, endpoint, THURSDAY, None, first.continuation)
    third = replay(scene.app, endpoint, THURSDAY, None, second.continuation)
    scene.run_in_order()
    assert (second.count, third.count, third.continuation) == (few, 1, None)
    assert Counter(sent(scene)) == Counter([*KEYS, "new"])


def test_pending_ones_are_skipped(scene: Scene, endpoint: Endpoint) -> None:
    scene.receiver.answers = [BUSY, OK]
    scene.publish(an_event("pending"))
    scene.dispatch_next()
    assert replay(scene.app, endpoint, THURSDAY).count == len(KEYS)
    scene.run_in_order()
    assert Counter(sent(scene)) == Counter({"pending": 2} | dict.fromkeys(KEYS, 1))


def test_only_those_of_a_status(scene: Scene, endpoint: Endpoint) -> None:
    scene.receiver.answers = [BUSY]
    scene.publish(an_event("fails"))
    scene.run_in_order()
    scene.receiver.answers = [OK]
    sent(scene)
    assert replay(scene.app, endpoint, THURSDAY, "cancelled").count == 0
    assert replay(scene.app, endpoint, THURSDAY, "failed").count == 1
    scene.run_in_order()
    assert sent(scene) == ["fails"]
    scene.clock.move(MINUTE)
    assert replay(scene.app, endpoint, THURSDAY, "failed").count == 0, "it has arrived meanwhile"
    assert replay(scene.app, endpoint, THURSDAY, "delivered").count == len(KEYS) + 1


def test_an_event_counts_as_its_newest_replay_is(scene: Scene, endpoint: Endpoint) -> None:
    scene.receiver.answers = [BUSY]
    replay(scene.app, endpoint, THURSDAY + 5 * MINUTE)
    scene.run_in_order()
    assert replay(scene.app, endpoint, THURSDAY, "failed").count == 2
    assert replay(scene.app, endpoint, THURSDAY, "delivered").count == 5
    scene.queue.held.clear()
    scene.clock.move(MINUTE)
    assert replay(scene.app, endpoint, THURSDAY).count == len(KEYS)
    scene.dispatch_next()
    scene.clock.move(timedelta(seconds=1))
    assert replay(scene.app, endpoint, THURSDAY).count == len(KEYS) - 1, "a replay of one of them is under way"


def test_an_event_whose_replay_is_on_another_page_counts_once(scene: Scene, endpoint: Endpoint, few: int) -> None:
    for _ in range(2):
        counts = [page.count for page in pages(scene, endpoint)]
        assert sum(counts) == len(KEYS)
        assert max(counts) <= few
        scene.run_in_order()
        assert sorted(sent(scene)) == KEYS
        scene.clock.move(MINUTE)


def test_erased_events_are_skipped(scene: Scene, endpoint: Endpoint) -> None:
    row = scene.app.events.find(KEYS[0], scene.clock.now)
    assert row is not None
    erase(scene.app, row)
    assert replay(scene.app, endpoint, THURSDAY).count == len(KEYS) - 1


def test_an_event_erased_while_its_replay_waits_is_not_sent(scene: Scene, endpoint: Endpoint) -> None:
    replay(scene.app, endpoint, THURSDAY + 6 * MINUTE)
    row = scene.app.events.find(KEYS[6], scene.clock.now)
    assert row is not None
    erase(scene.app, row)
    scene.run_in_order()
    assert sent(scene) == []
    assert log(scene, endpoint)[0][1].reason == "the event was erased"


def test_other_endpoints_of_the_event_get_nothing(scene: Scene, endpoint: Endpoint) -> None:
    other = scene.register("https://other.example/")
    scene.publish(an_event("both"))
    scene.run_in_order()
    scene.receiver.posts.clear()
    scene.clock.move(MINUTE)
    replay(scene.app, endpoint, THURSDAY)
    scene.run_in_order()
    assert scene.receiver.of("https://other.example/") == []
    assert replay(scene.app, other, THURSDAY).count == 1


def test_what_was_accepted_weeks_ago_is_replayed_into_this_week(scene: Scene, endpoint: Endpoint) -> None:
    scene.clock.move(timedelta(days=21))
    assert replay(scene.app, endpoint, THURSDAY).count == len(KEYS)
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS
    new = [each for each, _ in log(scene, endpoint)[: len(KEYS)]]
    assert {each.accepted_ms for each in new} == {round(scene.clock.now.timestamp() * 1000)}


def test_a_replay_since_long_ago_looks_no_further_back_than_the_log_is_kept(
    scene: Scene, endpoint: Endpoint, calls: Calls
) -> None:
    """From the year 2000 on it asked 1,400 tables for replays."""
    found = replay(scene.app, endpoint, datetime(2000, 1, 1, tzinfo=UTC), dry_run=True)
    assert found.count == len(KEYS)
    weeks = (scene.app.settings.retention + timedelta(days=14)) // timedelta(days=7) + 3
    assert len(calls) <= 2 * weeks


def test_a_replay_fails_and_is_retried_like_any_delivery(scene: Scene, endpoint: Endpoint) -> None:
    scene.receiver.answers = [BUSY]
    replay(scene.app, endpoint, THURSDAY + 6 * MINUTE)
    scene.run_in_order()
    delivery_id, row = log(scene, endpoint)[0]
    assert (row.status, len(row.attempts)) == ("failed", 4)
    assert [line[0] for line in scene.alerts() if isinstance(line, tuple)] == [delivery_id]


@pytest.mark.parametrize("token", ["", "nonsense", "é", "bm9uc2Vuc2U="])
def test_a_continuation_that_is_not_ours_is_an_error(scene: Scene, endpoint: Endpoint, token: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any of them is answered with 400)
        replay(scene.app, endpoint, THURSDAY, continuation=token)
    assert scene.queue.held == []


# With an Idempotency-Key


def test_a_repeated_call_sends_nothing_twice(scene: Scene, endpoint: Endpoint) -> None:
    first = replay(scene.app, endpoint, THURSDAY, call_key="call-1")
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS
    scene.clock.move(MINUTE)
    again = replay(scene.elsewhere().app, endpoint, THURSDAY, call_key="call-1")
    scene.run_in_order()
    assert again.count == first.count == len(KEYS)
    assert sent(scene) == []
    assert len(log(scene, endpoint)) == 2 * len(KEYS)


def test_a_call_repeated_before_anything_was_sent_sends_all_once(scene: Scene, endpoint: Endpoint) -> None:
    replay(scene.app, endpoint, THURSDAY, call_key="call-1")
    ids = {decode(text.encode()).delivery for text, _ in scene.queue.held}
    scene.clock.move(timedelta(seconds=2))
    replay(scene.app, endpoint, THURSDAY, call_key="call-1")
    copies = [(decode(text.encode()), delay) for text, delay in scene.queue.held][len(KEYS) :]
    assert {copy.delivery for copy, _ in copies} == ids
    assert all(copy.possible_duplicate and delay == REPEAT_DELAY for copy, delay in copies)
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS


def test_a_repeated_call_brings_back_what_the_first_could_not_put(scene: Scene, endpoint: Endpoint) -> None:
    replay(scene.app, endpoint, THURSDAY, call_key="call-1")
    del scene.queue.held[3:]
    scene.clock.move(timedelta(seconds=2))
    replay(scene.app, endpoint, THURSDAY, call_key="call-1")
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS
    assert len(log(scene, endpoint)) == 2 * len(KEYS)


def test_each_page_of_a_repeated_call_is_the_same(scene: Scene, endpoint: Endpoint, few: int) -> None:
    first = pages(scene, endpoint, "call-1")
    scene.run_in_order()
    scene.clock.move(MINUTE)
    assert pages(scene, endpoint, "call-1") == first
    scene.run_in_order()
    assert sorted(sent(scene)) == KEYS


def test_another_key_or_endpoint_is_another_call(scene: Scene, endpoint: Endpoint) -> None:
    other = scene.register("https://other.example/")
    scene.publish(an_event("both"))
    scene.run_in_order()
    for call_key in ("call-1", "call-2"):
        scene.clock.move(MINUTE)
        assert replay(scene.app, endpoint, THURSDAY, call_key=call_key).count == len(KEYS) + 1
        scene.run_in_order()
    assert replay(scene.app, other, THURSDAY, call_key="call-1").count == 1
    sent(scene)
    scene.run_in_order()
    assert sent(scene) == ["both"]


def test_a_call_repeated_after_midnight_on_monday_is_the_same_call(scene: Scene, endpoint: Endpoint) -> None:
    monday = week_start(THURSDAY) + timedelta(days=7)
    scene.clock.now = monday - timedelta(seconds=1)
    replay(scene.app, endpoint, THURSDAY, call_key="call-1")
    scene.run_in_order()
    sent(scene)
    scene.clock.now = monday + timedelta(seconds=1)
    assert replay(scene.app, endpoint, THURSDAY, call_key="call-1").count == len(KEYS)
    scene.run_in_order()
    assert sent(scene) == []


# When the endpoint changes while replays wait


def disable(scene: Scene, endpoint: Endpoint) -> None:
    scene.change(endpoint.id, enabled=False)


def delete(scene: Scene, endpoint: Endpoint) -> None:
    scene.app.endpoints.delete(endpoint.id)


def register_again(scene: Scene, endpoint: Endpoint) -> None:
    delete(scene, endpoint)
    scene.clock.move(timedelta(seconds=1))
    scene.register()


def answer_410(scene: Scene, endpoint: Endpoint) -> None:
    scene.publish(an_event("gone"))
    scene.receiver.answers = [Response(410, None, None), OK]
    dispatch(scene.app, scene.queue.held.pop()[0].encode(), 1)


@pytest.mark.parametrize("change", [disable, delete, register_again, answer_410])
def test_replays_of_an_endpoint_that_is_gone_end_cancelled(
    scene: Scene, endpoint: Endpoint, change: Callable[[Scene, Endpoint], None]
) -> None:
    replay(scene.app, endpoint, THURSDAY)
    change(scene, endpoint)
    sent(scene)
    scene.run_in_order()
    assert sent(scene) == []
    replays = [row for _, row in log(scene, endpoint) if row.key in KEYS][: len(KEYS)]
    assert {row.status for row in replays} == {"cancelled"}
    assert all(row.reason for row in replays)
    assert scene.alerts() == []


def test_replays_follow_a_change_of_filters_and_secret(scene: Scene, endpoint: Endpoint) -> None:
    """What matched then is sent again whatever would match now, signed as now."""
    replay(scene.app, endpoint, THURSDAY)
    scene.change(endpoint.id, types=("storage.*",))
    registering.rotate(scene.app.endpoints, endpoint.id, scene.clock.now, scene.clock.now + MINUTE)
    scene.run_in_order()
    assert {len(headers["webhook-signature"].split()) for headers, _ in scene.receiver.of(URL)} == {3}
    assert sorted(sent(scene)) == KEYS


def test_a_dry_run_counts_and_changes_nothing(scene: Scene, endpoint: Endpoint) -> None:
    """Nor does it use up the key of the call that follows."""
    since = THURSDAY - MINUTE
    assert replay(scene.app, endpoint, since, call_key="once", dry_run=True) == Replayed(len(KEYS), None)
    assert scene.queue.held == []
    assert replay(scene.app, endpoint, since, "failed", dry_run=True) == Replayed(0, None)
    assert replay(scene.app, endpoint, since, call_key="once") == Replayed(len(KEYS), None)
    assert len(scene.queue.held) == len(KEYS)

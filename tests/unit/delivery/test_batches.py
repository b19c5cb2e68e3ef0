"""Batches, in virtual time: what waits for an endpoint goes together, and no delivery pays for another."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doubles.samples import URL, a_delivery, a_message, an_attempt, an_endpoint, an_event
from doubles.simulated_storage import FixedOptions
from doubles.virtual_host import OK, TOGETHER, Answer, Post, VirtualHost
from doubles.virtual_time import run
from shared.delivery.batches import Sending, batch_id, fitting_batch, may_go_along, refuses_body
from shared.formats import FORMATS, Body
from shared.model import Delivery, Event
from shared.model.delivery import Unsendable
from shared.model.event import IDEMPOTENCY_KEY
from shared.outbound.breaker import OPENS_AFTER
from shared.outbound.bulkhead import SLOTS
from shared.outbound.client import Response
from shared.outbound.gathering import Gathering
from shared.storage.clients import StorageUnavailable
from shared.storage.pages import Filters

OTHER = "https://other.example/hook"
BUSY = Response(429, None, timedelta(seconds=1))


@pytest.fixture(autouse=True)
def _together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "together", TOGETHER)


def some(count: int, content: str = "{}") -> list[Event]:
    return [an_event(key=f"key-{number:03}", content=content) for number in range(count)]


def quick(post: Post) -> tuple[float, Response]:
    return 0.02, OK


def a_second(limit: int) -> Answer:
    """Takes so many requests in each second of its clock."""
    taken: Counter[int] = Counter()

    def answer(post: Post) -> tuple[float, Response]:
        taken[int(post.at)] += 1
        return 0.02, OK if taken[int(post.at)] <= limit else BUSY

    return answer


def drained(answer: Answer, events: Sequence[Event], format: str = "together") -> VirtualHost:
    """A host that has done all there was to do for these events."""

    async def main() -> VirtualHost:
        host = VirtualHost(answer)
        host.register(format=format)
        host.publish(events)
        await host.run()
        return host

    return run(main())


def attempts(host: VirtualHost, events: Sequence[Event]) -> list[int]:
    """How many attempts of each event are recorded; all were delivered in the end."""
    rows = host.rows(events)
    assert [row.status for row in rows] == ["delivered"] * len(events)
    return [len(row.attempts) for row in rows]


def test_a_burst_goes_in_few_requests() -> None:
    events = some(500)
    host = drained(quick, events)
    assert attempts(host, events) == [1] * 500
    assert sorted(key for post in host.posts for key in post.keys) == sorted(event.key for event in events)
    assert len(host.posts) <= 60


def test_a_receiver_of_two_requests_a_second_gets_five_hundred_within_seconds() -> None:
    events = some(500)
    host = drained(a_second(2), events)
    assert attempts(host, events) == [1] * 500
    assert host.posts[-1].at <= 15
    assert len(host.posts) <= 40
    assert all(sum(at <= post.at < at + 1 for post in host.posts) <= 4 for at in range(15))


def test_one_that_nobody_waits_with_goes_at_once_and_as_ever() -> None:
    events = some(1)
    host = drained(quick, events)
    assert host.posts[0].at < 0.01
    assert host.posts[0].headers["webhook-id"] == events[0].key


def test_a_batch_has_a_name_that_no_event_has() -> None:
    host = drained(quick, some(50))
    for post in host.posts:
        if len(post.keys) > 1:
            assert post.headers["webhook-id"] == batch_id(post.keys)
    assert batch_id(["a", "b"]) == batch_id(["a", "b"]) != batch_id(["b", "a"])
    assert not IDEMPOTENCY_KEY.fullmatch(batch_id(["a"]))


def test_a_body_has_the_order_of_acceptance() -> None:
    async def main() -> VirtualHost:
        host = VirtualHost(quick)
        host.register()
        for event in some(40):
            host.publish([event])
            await asyncio.sleep(0.001)
        host.account.queues["deliveries"].reverse()  # as queues may
        await host.run()
        return host

    for post in run(main()).posts:
        assert post.keys == sorted(post.keys)


def test_what_is_replayed_has_that_order_too() -> None:
    events = [Sending(a_message(key=each.key, format="together"), each) for each in some(4)]
    replayed = [
        replace(each, message=each.message.model_copy(update={"event_accepted_ms": 1000 - number}))
        for number, each in enumerate(events)
    ]
    batch = fitting_batch(an_endpoint(format="together"), replayed[2], [replayed[0], replayed[3], replayed[1]])
    assert batch is not None
    assert [each["key"] for each in json.loads(batch.body[1])] == ["key-003", "key-002", "key-001", "key-000"]


def test_a_body_is_no_longer_than_its_receiver_takes() -> None:
    events = some(60, content=json.dumps({"text": "x" * 300}))
    host = drained(lambda post: (0.3, OK), events)
    assert attempts(host, events) == [1] * 60
    assert max(len(post.body) for post in host.posts) <= TOGETHER.most_bytes
    assert max(len(post.keys) for post in host.posts) == 11


def test_what_grows_in_the_body_goes_in_the_next() -> None:
    """A content counts as it is stored; what JSON makes of it is known when the body is made."""
    events = [
        Sending(a_message(key=each.key, format="together"), each)
        for each in some(8, content=json.dumps({"text": '"' * 300}))
    ]
    batch = fitting_batch(an_endpoint(format="together"), events[0], events[1:])
    assert batch is not None
    assert batch.size == 3
    assert len(batch.body[1]) <= TOGETHER.most_bytes
    large = [Sending(a_message(key=each.key, format="together"), each) for each in some(2, content="x" * 3990)]
    assert fitting_batch(an_endpoint(format="together"), large[0], large[1:]) is None


def test_who_finds_no_room_in_a_body_holds_no_slot_while_it_is_sent() -> None:
    async def main() -> None:
        host = VirtualHost(lambda post: (30.0 if len(post.keys) > 1 else 0.02, OK))
        endpoint = host.register()
        host.publish(some(8, content=json.dumps({"text": '"' * 300})))
        async with asyncio.TaskGroup() as group:
            group.create_task(host.run(until=2))
            await asyncio.sleep(1)
            assert [len(post.keys) for post in host.posts] == [1, 3]
            assert sum(host.app.bulkhead.join(endpoint.id) for _ in range(SLOTS)) == SLOTS // 2 - 3

    run(main())


def refuses(status: int, key: str, body: str | None = None) -> Answer:
    """Answers so where this event is in the body."""
    return lambda post: (0.02, Response(status, body, None) if key in post.keys else OK)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_that_is_refused_costs_its_neighbours_no_attempt(status: int) -> None:
    events = some(100)
    host = drained(refuses(status, "key-050"), events)
    others = [event for event in events if event.key != "key-050"]
    assert attempts(host, others) == [1] * 99
    (refused,) = host.rows([events[50]])
    assert (refused.status, [each.status for each in refused.attempts]) == ("failed", [status] * 4)
    assert len(host.app.alerts.log(Filters(), host.app.now(), 10).items) == 1
    assert len([post for post in host.posts if len(post.keys) > 1 and "key-050" in post.keys]) == 1


def test_after_a_refusal_they_go_by_themselves_for_a_while_only() -> None:
    async def main() -> VirtualHost:
        host = VirtualHost(refuses(400, "key-003"))
        host.register()
        host.publish(some(30))
        await host.run(until=10)
        host.posts.clear()
        host.publish([an_event(key=f"soon-{number}") for number in range(30)])
        await host.run(until=20)
        assert {len(post.keys) for post in host.posts} == {1}
        await host.run(until=100)
        host.posts.clear()
        host.publish([an_event(key=f"later-{number}") for number in range(30)])
        await host.run()
        return host

    assert max(len(post.keys) for post in run(main()).posts) > 1


def test_one_that_breaks_its_receiver_fails_its_neighbours_once() -> None:
    events = some(60)
    host = drained(refuses(500, "key-030"), events)
    others = [event for event in events if event.key != "key-030"]
    assert max(attempts(host, others)) == 2
    assert [row.status for row in host.rows([events[30]])] == ["failed"]


def test_one_that_hangs_its_receiver_fails_no_last_attempt_but_its_own() -> None:
    """No answer says nothing of a body, so they go together again; but each last one goes by itself."""
    events = some(20)
    host = drained(lambda post: (60.0 if "key-010" in post.keys else 0.02, OK), events)
    others = [event for event in events if event.key != "key-010"]
    assert max(attempts(host, others)) <= 4
    assert [row.status for row in host.rows([events[10]])] == ["failed"]


@pytest.mark.parametrize("error", [Unsendable("its type has no name there"), ValueError("a defect of the format")])
def test_one_that_cannot_be_said_fails_alone(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def join(events: Sequence[Event], settings: object) -> Body:
        if any(event.key == "key-005" for event in events):
            raise error
        return TOGETHER.join(events, settings) if TOGETHER.join else ("", b"")

    monkeypatch.setitem(FORMATS, "together", replace(TOGETHER, body=lambda event: join([event], None), join=join))
    events = some(30)
    host = drained(quick, events)
    others = [event for event in events if event.key != "key-005"]
    assert attempts(host, others) == [1] * 29
    (row,) = host.rows([events[5]])
    assert row.status == "failed"
    if isinstance(error, Unsendable):
        assert "its type has no name there" in (row.attempts[0].error or "")


def test_an_outage_fails_a_batch_as_one_request() -> None:
    """The breaker counts requests: five of them open it, however many deliveries they carried."""

    async def main() -> None:
        down = Response(503, None, None)
        host = VirtualHost(lambda post: (0.02, OK if post.keys[0].startswith("key") else down))
        host.register()
        (endpoint,) = host.app.endpoints.all()
        host.publish(some(20))
        await host.run(until=1)
        host.posts.clear()
        host.publish([an_event(key=f"then-{number}") for number in range(100)])
        await host.run(until=60, done=lambda: host.app.breaker.is_open(endpoint.id))
        assert OPENS_AFTER <= len(host.posts) <= OPENS_AFTER + 2
        assert sum(len(post.keys) for post in host.posts) > 4 * OPENS_AFTER

    run(main())


def test_after_an_outage_what_had_no_attempt_goes_together() -> None:
    events = some(300)
    host = drained(lambda post: (0.02, Response(503, None, None) if post.at < 50 else OK), events)
    assert max(attempts(host, events)) <= 4
    assert len(host.posts) <= 100


def test_batches_that_hang_are_not_felt_by_other_endpoints() -> None:
    """Each delivery in a batch holds a slot, as its message is in the host's hand."""
    published: dict[str, float] = {}

    async def main() -> VirtualHost:
        host = VirtualHost(lambda post: (30.0 if post.url == URL and post.at > 1 else 0.02, OK))
        host.register()
        host.register(OTHER, format="cloudevents")

        async def publish() -> None:
            for number in range(600):
                published[f"key-{number}"] = host.seconds()
                host.publish([an_event(key=f"key-{number}")])
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            group.create_task(publish())
            group.create_task(host.run(until=20))
        return host

    host = run(main())
    came = {post.headers["webhook-id"]: post.at for post in host.posts if post.url == OTHER}
    assert came.keys() == published.keys()
    assert max(came[key] - published[key] for key in came) <= 0.6


def test_who_cannot_take_the_others_along_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage fails while a batch is signed: each message in it comes back, and every slot is free again."""

    async def main() -> None:
        host = VirtualHost(lambda post: (0.1, OK))

        async def key(self: object, now: object, in_thread: object) -> str:
            if 0.05 < host.seconds() < 0.5:
                raise StorageUnavailable("simulated")
            return "key"

        monkeypatch.setattr(FixedOptions, "signature_key_on_loop", key)
        host.register()
        host.publish(some(40))
        await host.run()
        assert host.came_back == 39
        assert {row.status for row in host.rows(some(40))} == {"delivered"}
        assert sum(host.app.bulkhead.take(f"new-{number}") for number in range(SLOTS)) == SLOTS // 2

    run(main())


def test_who_is_cut_off_while_others_carry_it_harms_none_of_them() -> None:
    async def main() -> None:
        gathering: Gathering[str, int] = Gathering()
        with gathering.waiter("key", "a"), gathering.waiter("key", "b") as other:

            async def wait() -> int:
                with gathering.waiter("key", "c") as waiter:
                    await waiter.sleep(10)
                    return await waiter.outcome

            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            found = gathering.take("key", str, lambda item: item != "a")
            assert [each.item for each in found] == ["b", "c"]
            assert not gathering.take("key", str, lambda item: item != "a"), "nobody goes twice"
            task.cancel()
            await asyncio.sleep(0)
            for each in found:
                each.settle(1)
            assert await other.outcome == 1
        assert task.cancelled()
        assert not gathering.take("key", str, lambda item: True)

    run(main())


def test_a_manual_attempt_and_the_last_of_a_schedule_go_alone() -> None:
    endpoint, delays = an_endpoint(format="together"), [timedelta(seconds=30)] * 3

    def may(delivery: Delivery | None = None, delays: Sequence[timedelta] = delays, **message: Any) -> bool:
        return may_go_along(a_message(format="together", **message), endpoint, delivery, delays)

    assert may()
    assert not may(manual=True)
    assert may(a_delivery(an_attempt(1, 503)), attempt=2)
    assert may(a_delivery(an_attempt(1, None)), attempt=3)
    assert not may(a_delivery(an_attempt(3, 503)), attempt=4)
    assert not may(delays=[])
    assert not may_go_along(a_message(format="cloudevents"), endpoint, None, delays)


@pytest.mark.parametrize(
    ("status", "goes"),
    [(400, False), (413, False), (422, False), (500, False), (401, True), (403, True), (404, True), (502, True)],
)
def test_who_may_be_at_fault_goes_alone_next_time(status: int, goes: bool) -> None:
    message, row = a_message(format="together", attempt=2), a_delivery(an_attempt(1, status))
    assert may_go_along(message, an_endpoint(format="together"), row, [timedelta(seconds=30)] * 3) is goes


def test_a_receiver_that_is_switched_off_has_not_refused_a_body() -> None:
    assert refuses_body(an_attempt(1, 400))
    assert not refuses_body(an_attempt(1, 400, response='{"error":{"code":"WorkflowTriggerIsNotEnabled"}}'))
    assert refuses_body(an_attempt(1, 400, response='{"error":{"code":"TriggerInputSchemaMismatch"}}'))

"""Digests, in virtual time: what has come within five minutes goes together at their end."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doubles.registering import modify
from doubles.samples import NOW, a_message, an_endpoint, an_event
from doubles.virtual_host import DIGEST, OK, Answer, Post, VirtualHost
from doubles.virtual_time import run
from shared.delivery.batches import GATHER_SECONDS, due_in, next_digest
from shared.formats import FORMATS
from shared.model import Endpoint, Event
from shared.outbound.client import Response
from shared.storage.messages import decode

PERIOD = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "digest", DIGEST)


def some(count: int) -> list[Event]:
    return [an_event(key=f"key-{number:03}") for number in range(count)]


def published(answer: Answer, events: Sequence[Event], every: float = 0.0, **given: Any) -> VirtualHost:
    """A host that has done all there was to do for events that came one after the other, so many seconds apart."""

    async def main() -> VirtualHost:
        host = VirtualHost(answer)
        host.register(format="digest", **given)

        async def publish() -> None:
            for event in events:
                host.publish([event])
                await asyncio.sleep(every)

        await asyncio.gather(publish(), host.run(until=len(events) * every + 1))
        await host.run()
        assert {row.status for row in host.rows(events)} == {"delivered"}
        return host

    return run(main())


def quick(post: Post) -> tuple[float, Response]:
    return 0.02, OK


async def disable(host: VirtualHost, endpoint: Endpoint, at: float) -> None:
    """After so many seconds."""
    await asyncio.sleep(at)
    modify(host.app.endpoints, endpoint.id, host.app.now(), enabled=False)


@pytest.mark.parametrize(
    ("given", "at", "posts"),
    [({"format": "digest"}, 302, 0), ({"format": "point", "max_per_second": 0.4}, 3.5, 2)],
)
def test_what_waits_in_memory_hears_of_a_change(given: dict[str, Any], at: float, posts: int) -> None:
    """A digest is gathered for five seconds, and a pace waited for up to three: longer than a change may take."""

    async def main() -> None:
        host, events = VirtualHost(quick), some(3)
        endpoint = host.register(**given)
        host.publish(events)
        await asyncio.gather(host.run(), disable(host, endpoint, at))
        assert len(host.posts) == posts
        ends = Counter((row.status, row.reason) for row in host.rows(events))
        assert ends[("cancelled", "the endpoint is disabled")] == 3 - posts

    run(main())


def test_what_was_refused_together_hears_of_a_change_before_each_goes_alone() -> None:
    async def main() -> None:
        host = VirtualHost(lambda post: (25, Response(400, None, None)) if len(post.keys) > 1 else (0, OK))
        events = some(3)
        endpoint = host.register(format="digest")
        host.publish(events)
        await asyncio.gather(host.run(), disable(host, endpoint, 308))
        assert len(host.posts) == 1
        assert {row.status for row in host.rows(events)} == {"cancelled"}

    run(main())


def test_a_digest_waits_for_no_change_that_it_does_not_go_by() -> None:
    async def main() -> None:
        host, events = VirtualHost(quick), some(3)
        endpoint = host.register(format="digest")
        host.publish(events)

        async def rename() -> None:
            for number in range(20):
                await asyncio.sleep(2)
                modify(host.app.endpoints, endpoint.id, host.app.now(), name=f"Name {number}")

        await host.run(until=PERIOD.total_seconds())
        await asyncio.gather(host.run(), rename())
        assert host.posts[0].at < PERIOD.total_seconds() + GATHER_SECONDS + 1

    run(main())


def test_what_has_come_in_a_period_goes_together_at_its_end() -> None:
    host = published(quick, some(30), every=20)
    assert [len(post.keys) for post in host.posts] == [15, 15]
    assert [int(post.at) // 10 for post in host.posts] == [30, 60]
    assert all(post.keys == sorted(post.keys) for post in host.posts)


def test_an_endpoint_of_which_nothing_is_known_gets_one_body_all_the_same() -> None:
    assert [len(post.keys) for post in published(quick, some(50)).posts] == [50]


def test_more_than_an_instance_can_hold_go_in_several_bodies() -> None:
    """No digest waits for the next, or a steady stream would be later and later."""
    host = published(quick, some(300))
    assert sum(len(post.keys) for post in host.posts) == 300
    assert len(host.posts) <= 8
    assert host.posts[-1].at <= PERIOD.total_seconds() + 4 * GATHER_SECONDS


def test_an_endpoint_that_wants_no_second_attempt_gets_digests_all_the_same() -> None:
    assert [len(post.keys) for post in published(quick, some(20), retry_delays=()).posts] == [20]


def test_a_digest_that_fails_comes_again_as_one() -> None:
    host = published(lambda post: (0.02, Response(503, None, None) if post.at < 310 else OK), some(40))
    assert [len(post.keys) for post in host.posts] == [40, 40]


@pytest.mark.parametrize(
    ("accepted", "due"),
    [("10:00:00", "10:05:00"), ("10:04:59", "10:05:00"), ("10:05:00", "10:10:00"), ("23:59:00", "00:00:00")],
)
def test_a_digest_is_due_at_multiples_of_its_period(accepted: str, due: str) -> None:
    at = datetime.fromisoformat(f"2026-11-22T{accepted}").replace(tzinfo=UTC)
    assert f"{next_digest(at, PERIOD):%H:%M:%S}" == due
    assert next_digest(at, timedelta(hours=1)).minute == 0


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [({}, 5), ({"attempt": 2}, 0), ({"attempt": 3, "schedule_start": 3, "manual": True}, 0), ({"manual": True}, 0)],
)
def test_only_first_attempts_wait_for_it(changes: dict[str, Any], minutes: int) -> None:
    message = a_message(format="digest", **changes)
    assert due_in(message, an_endpoint(format="digest"), NOW) == timedelta(minutes=minutes)
    assert due_in(message, an_endpoint(format="digest"), NOW + PERIOD) == timedelta()


def test_other_formats_wait_for_nothing() -> None:
    assert due_in(a_message(), an_endpoint(), NOW) == timedelta()


def test_a_delivery_is_given_its_whole_time_from_then_on() -> None:
    async def main() -> None:
        host = VirtualHost(quick)
        host.register(format="digest")
        host.publish(some(1))
        (queued,) = host.account.queues["deliveries"]
        before = decode(queued.text.encode())
        await host.run(until=1)
        (queued,) = host.account.queues["deliveries"]
        message = decode(queued.text.encode())
        assert message.due_at == queued.visible_at == NOW + PERIOD
        assert message.deadline_at == before.deadline_at + PERIOD
        assert message.attempt == 1

    run(main())

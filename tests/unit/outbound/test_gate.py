"""Breaker, pacing and bulkhead together, as a host's messages meet them: what one receiver does is felt by no other."""

import asyncio
import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from doubles.simulated_dispatch import WHOLE_SECONDS, Host, Seen, most_within, percentile, publish_steadily
from doubles.simulated_receivers import HANGS, Answer, Receiver, bucket, hangs_from, healthy, spaced, windowed
from doubles.virtual_time import run
from shared.outbound.breaker import LATER_PROBE_DEADLINE, PROBE_FACTORS, RETURNS_A_SECOND
from shared.outbound.bulkhead import SLOTS

WELL = [f"well-{number}" for number in range(10)]
FIRST_SECOND, FIRST_TEN, ALWAYS = (0, 1), (0, 10), (0, math.inf)


def latencies(host: Host, since: float, until: float) -> list[float]:
    return [latency for name in WELL for at, latency in host.seen[name].latencies if since <= at < until]


def beside(count: int, receiver: Receiver, per_second: float, seconds: float, check: Callable[[Host], None]) -> Host:
    """Ten healthy endpoints with 5 events/s each beside so many others."""
    others = [f"other-{number}" for number in range(count)]

    async def watch(host: Host) -> None:
        while host.now() < seconds:
            await asyncio.sleep(0.5)
            check(host)

    async def main() -> Host:
        host = Host({name: healthy(0.02) for name in WELL} | dict.fromkeys(others, receiver))
        async with asyncio.TaskGroup() as group:
            group.create_task(publish_steadily(host, WELL, 5, seconds))
            if others:
                group.create_task(publish_steadily(host, others, per_second, seconds))
            group.create_task(watch(host))
            group.create_task(host.run(seconds + 1))
        await host.end()
        return host

    return run(main())


@pytest.fixture(scope="module")
def alone() -> float:
    """The p99 of ten healthy endpoints that nothing is beside."""
    return percentile(latencies(beside(0, HANGS_ALWAYS, 0, 60, lambda host: None), *ALWAYS), 0.99)


HANGS_ALWAYS: Receiver = hangs_from(-1)
ONCE_PROVEN: Receiver = hangs_from(20)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("count", "receiver", "per_second", "seconds"),
    [
        pytest.param(1, HANGS_ALWAYS, 5, 120, id="1 new"),
        pytest.param(8, HANGS_ALWAYS, 5, 120, id="8 new"),
        pytest.param(100, HANGS_ALWAYS, 0.5, 120, id="100 new"),
        pytest.param(1, ONCE_PROVEN, 5, 120, id="1 once proven"),
        pytest.param(8, ONCE_PROVEN, 5, 120, id="8 once proven"),
        pytest.param(100, ONCE_PROVEN, 0.5, 120, id="100 once proven"),
        pytest.param(100, HANGS_ALWAYS, 0.5, 600, id="100 new, for ten minutes, their breakers open"),
    ],
)
def test_endpoints_that_hang_are_not_felt_by_those_that_are_well(
    alone: float, count: int, receiver: Receiver, per_second: float, seconds: float
) -> None:
    def slots_left(host: Host) -> None:
        hung = sum(seen.in_flight for name, seen in host.seen.items() if name not in WELL and host.now() > 20.5)
        assert SLOTS - hung >= (SLOTS // 4 if host.now() < 60 else SLOTS * 3 // 4)

    host = beside(count, receiver, per_second, seconds, slots_left)
    for since, until in (FIRST_SECOND, FIRST_TEN, (20, 21), (20, 30), (30, 60), (60, 120), ALWAYS):
        assert percentile(latencies(host, since, until), 0.99) <= 1.5 * alone, (since, until)
    assert not any(host.seen[name].deferred_at for name in WELL)


@pytest.mark.simulation
def test_endpoints_that_always_answer_and_late_are_not_felt_by_those_that_are_well(alone: float) -> None:
    """Three hundred had all slots, one each: what was well waited for up to 40 s."""
    host = beside(300, healthy(25), 1 / 27, 180, lambda host: None)
    assert percentile(latencies(host, *ALWAYS), 0.99) <= 1.5 * alone
    assert not any(host.seen[name].deferred_at for name in WELL)


def test_a_burst_for_endpoints_that_hang_puts_off_none_that_is_well() -> None:
    """Their second messages wait for a slot too, and must leave room in which to wait."""
    others = [f"other-{number}" for number in range(100)]

    async def main() -> Host:
        host = Host({name: healthy(0.02) for name in WELL} | dict.fromkeys(others, HANGS_ALWAYS))

        async def publish() -> None:
            await asyncio.sleep(5)
            for name in others * 3:  # three events, each for all of them
                host.publish(name)
            for _ in range(20):  # as they wait
                for name in WELL:
                    host.publish(name, 2)
                await asyncio.sleep(0.2)

        async with asyncio.TaskGroup() as group:
            group.create_task(publish_steadily(host, WELL, 5, 5))
            group.create_task(publish())
            group.create_task(host.run(12))
        await host.end()
        return host

    host = run(main())
    assert not any(host.seen[name].deferred_at for name in WELL)


def burst(
    receiver: Receiver,
    count: int,
    until: float = 3600,
    max_per_second: float | None = None,
    cpu_seconds: float = 0.001,
    whole_seconds: float = WHOLE_SECONDS,
) -> Seen:
    """So many events at once for one endpoint; runs until all have ended."""

    async def main() -> Seen:
        host = Host({"e": receiver}, cpu_seconds, whole_seconds)
        if max_per_second is not None:
            host.max_per_second["e"] = max_per_second
        host.publish("e", count)
        seen = host.seen["e"]
        await host.run(until, lambda: len(seen.delivered) + len(seen.given_up) == count)
        await host.end()
        return seen

    return run(main())


def deferrals(seen: Seen) -> list[int]:
    return [len(times) for times in seen.deferred_at.values()]


@pytest.mark.parametrize(
    "receiver",
    [
        pytest.param(lambda: spaced(1, 1), id="at least a second apart"),
        pytest.param(lambda: windowed(1, 1, 1), id="one in each second of its clock"),
        pytest.param(lambda: bucket(1, 1, 1), id="a bucket of one token"),
        pytest.param(lambda: spaced(1, 1, seconds=0.4), id="at least a second apart, and slow to answer"),
    ],
)
def test_a_receiver_of_one_a_second_gets_two_hundred_in_time(
    receiver: Callable[[], Receiver],
) -> None:
    seen = burst(receiver(), 200)
    assert not seen.given_up
    assert max(seen.delivered.values()) <= 260
    assert most_within(seen.posts_at, 1) <= 2
    assert len(seen.posts_at) <= 1.15 * 200
    assert max(deferrals(seen)) <= 10


@pytest.mark.parametrize(
    "receiver",
    [
        pytest.param(lambda: spaced(0.25, 1), id="at least 250 ms apart"),
        pytest.param(lambda: windowed(4, 1, 1), id="four in each second of its clock"),
        pytest.param(lambda: bucket(4, 4, 1), id="a bucket of four tokens"),
    ],
)
def test_a_receiver_of_four_a_second_gets_a_hundred_in_45_seconds(receiver: Callable[[], Receiver]) -> None:
    seen = burst(receiver(), 100)
    assert not seen.given_up
    assert max(seen.delivered.values()) <= 45
    assert most_within(seen.posts_at, 1) <= 8


@pytest.mark.parametrize("answer_seconds", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("per_second", [1.0, 5.0, 20.0])
def test_a_registered_pace_is_never_exceeded(per_second: float, answer_seconds: float) -> None:
    seen = burst(healthy(answer_seconds), 100, max_per_second=per_second)
    assert most_within(seen.posts_at, 1) <= per_second
    assert max(seen.delivered.values()) <= 100 / per_second + 15


def test_after_a_deployment_all_that_waits_is_there_within_a_minute() -> None:
    back_at = 60.0
    seen = burst(lambda now: Answer(0.02) if now >= back_at else Answer(0.02, retry_after=60), 500)
    assert len(seen.posts_at) <= 502
    assert max(seen.delivered.values()) <= back_at + 60
    assert not seen.given_up


def test_a_receiver_of_one_in_ten_seconds_gets_one_in_about_eleven() -> None:
    seen = burst(spaced(10, 10), 30)
    assert max(seen.delivered.values()) <= 30 * 11
    assert len(seen.posts_at) <= 36


def test_a_burst_to_a_new_endpoint_that_answers_quickly_is_put_off_by_nothing() -> None:
    seen = burst(healthy(0.005), 500, cpu_seconds=0)
    assert not seen.deferred_at
    assert next(at for at, most in seen.most_at if most >= 100) <= 0.05


def test_an_event_for_a_thousand_new_endpoints_is_put_off_by_none() -> None:
    names = [f"e{number}" for number in range(1000)]

    async def main() -> Host:
        host = Host(dict.fromkeys(names, healthy(0.005)))
        for name in names:
            host.publish(name)
        await host.run(10, lambda: sum(len(host.seen[name].delivered) for name in names) == len(names))
        await host.end()
        return host

    host = run(main())
    assert all(len(host.seen[name].delivered) == 1 for name in names)
    assert not any(host.seen[name].deferred_at for name in names)


def test_a_thousand_events_for_a_slow_endpoint_are_not_felt_by_others(alone: float) -> None:
    async def main() -> Host:
        host = Host({name: healthy(0.02) for name in WELL} | {"slow": healthy(2)})
        host.publish("slow", 1000)
        async with asyncio.TaskGroup() as group:
            group.create_task(publish_steadily(host, WELL, 5, 120))
            group.create_task(host.run(300, lambda: host.now() > 121 and len(host.seen["slow"].delivered) == 1000))
        await host.end()
        return host

    host = run(main())
    for since, until in ((2, 10), (10, 60), ALWAYS):  # all thousand were before them in the queue
        assert percentile(latencies(host, since, until), 0.99) <= 1.5 * alone, (since, until)
    slow = host.seen["slow"]
    assert max(slow.delivered.values()) <= 150
    assert slow.most_in_flight <= SLOTS // 2


def test_in_an_outage_of_hours_a_message_is_put_back_about_once_a_probe() -> None:
    hours, count = 3, 200
    seen = burst(lambda now: Answer(0.02, taken=now >= hours * 3600), count, 12_000, whole_seconds=24 * 3600)
    probes = [at for at in seen.posts_at if 1 < at < hours * 3600]
    expected = [sum(PROBE_FACTORS[:number]) * 60 for number in range(1, len(PROBE_FACTORS) + 1)]
    while expected[-1] + 900 < hours * 3600:
        expected.append(expected[-1] + 900)
    assert len(probes) in (len(expected), len(expected) - 1)
    assert all(0 <= at - due <= 35 for at, due in zip(probes, expected, strict=False))
    assert max(deferrals(seen)) <= len(expected) + 4
    assert min(later - at for times in seen.deferred_at.values() for at, later in pairwise(times)) > 4
    recovered = min(seen.delivered.values())
    known = recovered + LATER_PROBE_DEADLINE.total_seconds()
    assert max(seen.delivered.values()) <= known + count / RETURNS_A_SECOND + 15
    assert {seen.attempts[delivery] for delivery in seen.given_up} <= {4}, "but for those whose schedule is spent"


def test_after_an_outage_an_endpoint_that_needs_twelve_seconds_is_well_again() -> None:
    """Each probe had ten: so what was fast enough before was given up, that day and ever after."""
    seen = burst(lambda now: Answer(12, taken=now >= 600), 50, 7200, whole_seconds=24 * 3600)
    assert len(seen.delivered) == 50
    assert min(seen.delivered.values()) <= 600 + 15 * 60 + 30


def test_a_probe_of_an_endpoint_that_hangs_is_alone() -> None:
    seen = burst(lambda now: HANGS, 50, 1600)
    opened = 70  # five have failed by then
    probes = [at for at in seen.posts_at if at > opened]
    assert probes
    assert min(later - at for at, later in pairwise(probes)) > 60


@pytest.mark.parametrize(
    "receiver", [pytest.param(lambda now: HANGS, id="hangs"), pytest.param(lambda now: Answer(0.02, False), id="fails")]
)
def test_at_its_deadline_a_delivery_is_given_up_after_an_attempt_at_least(receiver: Receiver) -> None:
    seen = burst(receiver, 100, 3 * 3600)
    assert len(seen.given_up) == 100
    assert min(seen.given_up.values()) >= WHOLE_SECONDS
    assert all(1 <= seen.attempts[delivery] <= 4 for delivery in seen.given_up)

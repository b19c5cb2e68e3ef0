"""How many attempts one endpoint, and all that cannot be relied on, have in flight at once."""

import asyncio
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.virtual_time import run
from shared.outbound.bulkhead import (
    FAILING_TOGETHER,
    FEW_LINES,
    PATIENCE_SECONDS,
    QUICK_SECONDS,
    SLOTS,
    SLOW_SECONDS,
    WARY_SECONDS,
    Bulkhead,
)

TOLD_IN = "docs/operations.md#endpoints-that-fail-or-hang"

HOST = Path(__file__).parents[3] / "host.json"
QUARTER, HALF = SLOTS // 4, SLOTS // 2


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bulkhead(clock: Clock) -> Bulkhead:
    return Bulkhead(clock)


def prove(bulkhead: Bulkhead, endpoint: str, successes: int = 1) -> None:
    """Has an endpoint succeed so many times in a row, one by one."""
    for _ in range(successes):
        assert bulkhead.take(endpoint)
        bulkhead.record(endpoint, True)
        bulkhead.give_back(endpoint)


def take_all(bulkhead: Bulkhead, endpoint: str) -> int:
    """Takes whatever slots an endpoint can have."""
    taken = 0
    while bulkhead.take(endpoint):
        taken += 1
    return taken


def fail(bulkhead: Bulkhead, endpoint: str, times: int = 1) -> None:
    for _ in range(times):
        assert bulkhead.take(endpoint)
        bulkhead.record(endpoint, False)
        bulkhead.give_back(endpoint)


def test_attempts_never_keep_the_host_from_receiving() -> None:
    """It receives while it has no more than newBatchThreshold messages in hand."""
    queues = json.loads(HOST.read_text(encoding="utf-8"))["extensions"]["queues"]
    assert queues["newBatchThreshold"] == SLOTS


def test_a_new_endpoint_has_one_slot_and_each_success_lets_it_have_one_more(bulkhead: Bulkhead) -> None:
    assert take_all(bulkhead, "e") == 1
    for successes in (1, 2, 3, 4):
        bulkhead.record("e", True)
        bulkhead.give_back("e")
        assert take_all(bulkhead, "e") == (1 if successes <= 1 else 2), "one for the slot given back, one more"


def test_one_proven_endpoint_holds_half_and_several_never_the_last_quarter(bulkhead: Bulkhead) -> None:
    for name in "abcd":
        prove(bulkhead, name, 300)
    assert take_all(bulkhead, "a") == HALF
    assert take_all(bulkhead, "b") == QUARTER
    assert take_all(bulkhead, "c") == 1
    assert take_all(bulkhead, "d") == 1
    for number in range(QUARTER - 2):
        assert take_all(bulkhead, f"new-{number}") == (1 if number < 28 else 0), "an eighth is for new endpoints"


def test_a_hundred_proven_endpoints_that_hang_leave_a_quarter_to_other_proven_ones(bulkhead: Bulkhead) -> None:
    names = [f"hung-{number}" for number in range(100)]
    for name in [*names, *(f"well-{number}" for number in range(QUARTER))]:
        prove(bulkhead, name)
    assert sum(take_all(bulkhead, name) for name in names) == 100
    assert all(bulkhead.take(f"well-{number}") for number in range(QUARTER))


def test_however_many_new_endpoints_hang_half_of_the_slots_are_left(bulkhead: Bulkhead, clock: Clock) -> None:
    prove(bulkhead, "well", 100)
    assert sum(take_all(bulkhead, f"hung-{number}") for number in range(1000)) == HALF
    assert bulkhead.take("well")
    bulkhead.give_back("well")
    clock.seconds += SLOW_SECONDS + 1
    for number in range(1000):  # those that hang are found out, and make room for others that are new
        take_all(bulkhead, f"hung-{number}")
    assert sum(take_all(bulkhead, f"hung-{number}") for number in range(1000, 2000)) <= QUARTER
    prove(bulkhead, "well", 100)
    assert take_all(bulkhead, "well") >= 1
    assert sum(bulkhead._held.values()) <= SLOTS - QUARTER + 1


def test_failing_endpoints_share_a_quarter(bulkhead: Bulkhead) -> None:
    for number in range(100):
        fail(bulkhead, f"failing-{number}")
    taken = [take_all(bulkhead, f"failing-{number}") for number in range(100)]
    assert taken[0] == FAILING_TOGETHER
    assert sum(taken) == QUARTER
    prove(bulkhead, "well", 300)
    assert take_all(bulkhead, "well") == (SLOTS - QUARTER) // 2


def test_an_endpoint_that_keeps_an_attempt_waiting_is_not_relied_on_until_it_answers(
    bulkhead: Bulkhead, clock: Clock
) -> None:
    prove(bulkhead, "slow", 100)
    assert [bulkhead.take("slow") for _ in range(10)] == [True] * 10
    clock.seconds += SLOW_SECONDS + 0.1
    assert take_all(bulkhead, "slow") == QUARTER - 10
    for _ in range(QUARTER):
        bulkhead.record("slow", True)
        bulkhead.give_back("slow")
    assert take_all(bulkhead, "slow") > QUARTER


@pytest.mark.parametrize("asks_for_less", [False, True], ids=["takes it", "asks for less"])
def test_endpoints_that_answer_after_seconds_share_a_quarter(
    bulkhead: Bulkhead, clock: Clock, asks_for_less: bool
) -> None:
    """Each was proven by its answer, and had a slot for its next attempt: 224 such endpoints had them all."""
    names = [f"slow-{number}" for number in range(2 * SLOTS)]
    for name in names:
        assert bulkhead.take(name)
        clock.seconds += SLOW_SECONDS + 0.1
        if asks_for_less:
            bulkhead.slow_down(name)
        else:
            bulkhead.record(name, True)
        bulkhead.give_back(name)
    taken = [take_all(bulkhead, name) for name in names]
    assert sum(taken) == QUARTER
    for name, count in zip(names, taken, strict=True):
        for _ in range(count):
            bulkhead.record(name, True)
            bulkhead.give_back(name)
    assert sum(take_all(bulkhead, name) for name in names) > QUARTER, "who answers soon is relied on again"


def test_a_failure_or_a_request_for_less_halves_what_an_endpoint_may_have(bulkhead: Bulkhead) -> None:
    prove(bulkhead, "e", 40)
    bulkhead.take("e")
    bulkhead.slow_down("e")
    bulkhead.give_back("e")
    assert take_all(bulkhead, "e") == 20
    bulkhead.record("e", False)
    bulkhead.give_back("e")
    assert take_all(bulkhead, "e") == 0
    for _ in range(10):
        bulkhead.give_back("e")
    assert take_all(bulkhead, "e") == 1


def test_what_it_could_take_is_forgotten_while_an_endpoint_is_idle(bulkhead: Bulkhead, clock: Clock) -> None:
    for _ in range(64):
        assert bulkhead.take("e")
        clock.seconds += 0.02
        bulkhead.record("e", True)
        bulkhead.give_back("e")
    clock.seconds += 0.18
    assert take_all(bulkhead, "e") == 16
    for _ in range(16):
        bulkhead.give_back("e")
    clock.seconds += 10
    assert take_all(bulkhead, "e") == 1


def test_a_slot_is_given_back_even_when_the_attempt_raises() -> None:
    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)

        async def crash() -> None:
            async with bulkhead.slot("e") as taken:
                assert taken
                raise RuntimeError("crash")

        for _ in range(3):
            with pytest.raises(RuntimeError, match="crash"):
                await crash()
        assert sum(bulkhead._held.values()) == 0

    run(main())


async def attempt(bulkhead: Bulkhead, endpoint: str, seconds: float, succeeds: bool = True) -> bool:
    async with bulkhead.slot(endpoint) as taken:
        if taken:
            await asyncio.sleep(seconds)
            bulkhead.record(endpoint, succeeds)
    return taken


def test_a_burst_to_a_new_endpoint_that_answers_quickly_waits_in_line_and_in_order() -> None:
    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        order: list[int] = []

        async def one(number: int) -> bool:
            async with bulkhead.slot("e") as taken:
                order.append(number)
                await asyncio.sleep(0.005)
                bulkhead.record("e", True)
            return taken

        assert all(await asyncio.gather(*(one(number) for number in range(60))))
        assert order == list(range(60))
        assert asyncio.get_running_loop().time() < 0.05

    run(main())


def test_who_waits_for_an_endpoint_that_hangs_goes_back_in_half_a_second() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        bulkhead = Bulkhead(loop.time)
        assert bulkhead.take("hung")
        assert not await attempt(bulkhead, "hung", 1)
        assert loop.time() == pytest.approx(PATIENCE_SECONDS)
        assert not await attempt(bulkhead, "hung", 1)
        assert loop.time() == pytest.approx(PATIENCE_SECONDS), "the next one does not wait at all"
        assert not bulkhead._lines

    run(main())


def test_all_that_there_is_for_a_new_endpoint_awaits_its_first_answer() -> None:
    """A backlog that an instance finds when it starts: nothing of it goes back to the queue."""

    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        seconds = [0.2, *[0.01] * (SLOTS + 31)]
        burst = [asyncio.create_task(attempt(bulkhead, "new", each)) for each in seconds]
        await asyncio.sleep(0.1)
        assert all(await asyncio.gather(*(attempt(bulkhead, "other", 0.02) for _ in range(10)))), "it finds slots"
        assert all(await asyncio.gather(*burst))

    run(main())


def test_all_that_there_is_for_an_endpoint_that_was_idle_awaits_its_answer() -> None:
    """A burst finds one slot, and a loop that is busy with taking it in: an answer seems slower than it is."""

    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        assert await attempt(bulkhead, "idle", 0.005)
        await asyncio.sleep(1)
        burst = [asyncio.create_task(attempt(bulkhead, "idle", 0.2))]
        await asyncio.sleep(0.15)
        burst += [asyncio.create_task(attempt(bulkhead, "idle", 0.005)) for _ in range(SLOTS)]
        assert all(await asyncio.gather(*burst))

    run(main())


def test_once_a_first_answer_was_awaited_in_vain_few_wait_for_others() -> None:
    """Else whoever registers endpoints that hang, one after the other, keeps the host from receiving."""

    async def main() -> None:
        bulkhead, told = Bulkhead(asyncio.get_running_loop().time), list[int]()
        for wait in (0.0, 1.0, WARY_SECONDS):
            await asyncio.sleep(wait)
            name = f"hung-{len(told)}"
            tasks = [asyncio.create_task(attempt(bulkhead, name, 30, False)) for _ in range(SLOTS)]
            await asyncio.sleep(PATIENCE_SECONDS / 2)
            told.append(sum(not task.done() for task in tasks))
            await asyncio.sleep(PATIENCE_SECONDS)
            assert sum(not task.done() for task in tasks) == 1, "the attempt itself"
        assert told[0] == told[2] == SLOTS
        assert told[1] <= HALF

    run(main())


def test_first_answers_of_many_new_endpoints_are_awaited_for_a_tenth_of_a_second() -> None:
    """Beside a hundred that hang, the first events of the healthy came half a second late."""

    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        for number in range(100):
            assert bulkhead.take(f"hung-{number}")
        tasks = [asyncio.create_task(attempt(bulkhead, f"hung-{n % 100}", 30, False)) for n in range(156)]
        await asyncio.sleep(QUICK_SECONDS / 2)
        assert not any(task.done() for task in tasks), "an answer may come yet"
        await asyncio.sleep(QUICK_SECONDS)
        assert sum(not task.done() for task in tasks) == FEW_LINES, "those who waited before there were many"
        assert not any(await asyncio.gather(*tasks))

    run(main())


def test_those_who_wait_leave_room_for_the_host_to_receive() -> None:
    """A hundred new endpoints hang, and several messages for each are in hand at once."""

    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        hung = [asyncio.create_task(attempt(bulkhead, "hung", 30, False)) for _ in range(2)]
        await asyncio.wait(hung, return_when=asyncio.FIRST_COMPLETED)
        tasks = [asyncio.create_task(attempt(bulkhead, f"hung-{n % 100}", 30, False)) for n in range(1000)]
        for _ in range(5):
            await asyncio.sleep(0)
        waiting_or_held = sum(not task.done() for task in tasks)
        assert waiting_or_held <= 100 + (SLOTS - 100) // 2 + 1, "of the last thousand"
        assert await attempt(bulkhead, "well", 0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_nobody_waits_for_an_endpoint_that_fails_again_and_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        bulkhead = Bulkhead(loop.time)
        taken = await asyncio.gather(*(attempt(bulkhead, "down", 0.005, succeeds=False) for _ in range(60)))
        assert taken.count(True) <= 1 + FAILING_TOGETHER, "not one after the other, as long as they wait"
        assert loop.time() < 0.1

    run(main())


def test_an_endpoint_that_asks_for_less_sends_back_whoever_waits() -> None:
    """They asked when their time was before it said so."""

    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        assert bulkhead.take("e")
        waiting = [asyncio.create_task(attempt(bulkhead, "e", 1)) for _ in range(10)]
        await asyncio.sleep(0.01)
        bulkhead.slow_down("e")
        bulkhead.give_back("e")
        assert await asyncio.gather(*waiting) == [False] * 10
        assert asyncio.get_running_loop().time() == pytest.approx(0.01)

    run(main())


def test_a_slot_that_is_given_back_goes_to_whoever_may_have_it() -> None:
    """More new endpoints than may begin at once: each waits for a slot of another."""

    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time)
        early = asyncio.create_task(attempt(bulkhead, "early", 0.005))
        first = [asyncio.create_task(attempt(bulkhead, f"first-{number}", 0.01)) for number in range(HALF - 1)]
        await early
        second = [asyncio.create_task(attempt(bulkhead, f"second-{number}", 0.01)) for number in range(21)]
        assert all(await asyncio.gather(*first, *second))
        assert asyncio.get_running_loop().time() == pytest.approx(0.02)

    run(main())


def test_lines_take_turns() -> None:
    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time, slots=64)
        order: list[str] = []

        async def one(endpoint: str) -> None:
            async with bulkhead.slot(endpoint) as taken:
                assert taken
                order.append(endpoint)
                await asyncio.sleep(0.01)
                bulkhead.record(endpoint, True)

        await asyncio.gather(*(one(endpoint) for endpoint in "aaaaaaaabbbbbbbb"))
        assert abs(order[:8].count("a") - 4) <= 1

    run(main())


def join_all(bulkhead: Bulkhead, endpoint: str) -> int:
    """Takes a slot, and as many for others as may go in the same request."""
    assert bulkhead.take(endpoint)
    joined = 0
    while bulkhead.join(endpoint):
        joined += 1
    return joined


def test_a_request_of_a_proven_endpoint_carries_as_many_as_half_of_the_slots(bulkhead: Bulkhead) -> None:
    prove(bulkhead, "a")
    prove(bulkhead, "b")
    assert join_all(bulkhead, "a") == HALF - 1
    join_all(bulkhead, "b")
    assert take_all(bulkhead, "c") == 1, "of the last quarter only first attempts have one"
    assert not bulkhead.take("a")


def test_requests_of_endpoints_that_are_not_proven_carry_a_quarter_together(bulkhead: Bulkhead) -> None:
    fail(bulkhead, "b", 2)
    assert join_all(bulkhead, "a") == QUARTER - 1
    assert join_all(bulkhead, "b") == 0
    assert all(bulkhead.take(f"new-{number}") for number in range(QUARTER - 1)), "which others have as well"


def test_slots_of_those_that_went_along_are_had_by_others_again() -> None:
    async def main() -> None:
        bulkhead = Bulkhead(asyncio.get_running_loop().time, slots=8)
        prove(bulkhead, "a")
        joined = join_all(bulkhead, "a")
        assert joined == 3
        prove(bulkhead, "b", 8)
        assert take_all(bulkhead, "b") == 2
        waits = asyncio.create_task(attempt(bulkhead, "b", 0.01))
        await asyncio.sleep(0)
        bulkhead.part("a", joined)
        assert await waits

    run(main())


def test_who_is_taken_along_waits_no_longer() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        bulkhead = Bulkhead(loop.time)
        assert bulkhead.take("a")
        taken_along = loop.create_future()
        loop.call_later(0.1, taken_along.set_result, None)
        async with bulkhead.slot("a", taken_along) as taken:
            assert not taken
        assert loop.time() == 0.1
        bulkhead.give_back("a")
        assert bulkhead.take("a"), "nobody is in line any more"

    run(main())


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.sampled_from([0.0, 0.005, 0.3, 5.0, 30.0]),  # it lasts so long
        st.sampled_from(["succeeds", "succeeds", "fails", "asks for less", "crashes"]),
        st.sampled_from([0.0, 0.0, 0.004, 0.25, 1.0]),  # until the next comes
        st.sampled_from([None, None, 0.0, 0.003, 0.1, 0.5, 2.0]),  # cut off after so long
        st.sampled_from([0, 0, 0, 1, 6]),  # others that go in its request
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS, st.integers(8, 24), st.integers(0, 1000))
def test_no_slot_is_lost_and_nobody_forgotten(
    actions: list[tuple[str, float, str, float, float | None, int]], slots: int, seed: int
) -> None:
    async def main() -> None:
        loop, chance = asyncio.get_running_loop(), random.Random(seed)
        bulkhead = Bulkhead(loop.time, slots=slots)
        running: dict[str, int] = dict.fromkeys("abcde", 0)
        joined = dict(running)

        def check() -> None:
            assert {name: len(state.began) for name, state in bulkhead._endpoints.items() if state.began} == {
                name: count for name, count in running.items() if count
            }
            assert {name: state.joined for name, state in bulkhead._endpoints.items() if state.joined} == {
                name: count for name, count in joined.items() if count
            }
            assert sum(bulkhead._held.values()) == sum(running.values()) + sum(joined.values()) <= slots
            assert all(count >= 0 for count in bulkhead._held.values())
            assert bulkhead._waiting == sum(len(state.line) for state in bulkhead._endpoints.values())
            assert set(bulkhead._lines) == {name for name, state in bulkhead._endpoints.items() if state.line}

        async def one(endpoint: str, seconds: float, ends: str, others: int) -> None:
            began = loop.time()
            async with bulkhead.slot(endpoint) as taken:
                assert loop.time() - began <= PATIENCE_SECONDS + 0.001
                if not taken:
                    return
                running[endpoint] += 1
                along = sum(bulkhead.join(endpoint) for _ in range(others))
                joined[endpoint] += along
                try:
                    await asyncio.sleep(seconds)
                    if ends == "crashes":
                        raise RuntimeError("crash")
                    if ends == "asks for less":
                        bulkhead.slow_down(endpoint)
                    else:
                        bulkhead.record(endpoint, ends == "succeeds")
                finally:
                    bulkhead.part(endpoint, along)
                    joined[endpoint] -= along
                    running[endpoint] -= 1

        tasks = []
        for endpoint, seconds, ends, pause, cut_off, others in actions:
            task = loop.create_task(one(endpoint, seconds, ends, others))
            tasks.append(task)
            if cut_off is not None:
                loop.call_later(cut_off, task.cancel)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            if pause:
                await asyncio.sleep(pause)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10_000)
        check()
        assert not any(running.values())
        assert not any(joined.values())
        assert not bulkhead._lines

    run(main())

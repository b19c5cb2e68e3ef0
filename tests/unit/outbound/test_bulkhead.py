"""How many of an instance's workers one endpoint may hold."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.outbound import bulkhead as share_module
from shared.outbound.bulkhead import PLACES, Share

HOST = Path(__file__).parents[3] / "host.json"
WORKERS = 32


def test_attempts_never_keep_the_host_from_receiving() -> None:
    """It receives while it has no more than newBatchThreshold messages in hand."""
    queues = json.loads(HOST.read_text(encoding="utf-8"))["extensions"]["queues"]
    assert queues["newBatchThreshold"] == PLACES
    assert queues["batchSize"] + queues["newBatchThreshold"] == WORKERS


def test_an_endpoint_holds_at_most_its_share_and_others_have_theirs() -> None:
    share = Share(places=4, patience_seconds=0)
    with ExitStack() as stack:
        assert [stack.enter_context(share.place("hung")) for _ in range(3)] == [True, True, False]
        assert stack.enter_context(share.place("other"))
    with share.place("hung") as has_place:
        assert has_place


def test_the_default_share_is_a_quarter_of_the_workers() -> None:
    share = Share(patience_seconds=0)
    with ExitStack() as stack:
        taken = [stack.enter_context(share.place("e")) for _ in range(WORKERS)]
    assert taken.count(True) == WORKERS // 4


def test_a_place_is_given_back_even_when_the_attempt_raises() -> None:
    share = Share(places=2, patience_seconds=0)

    def crash() -> None:
        with share.place("e") as has_place:
            assert has_place
            raise RuntimeError("crash")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="crash"):
            crash()


def test_a_worker_waits_a_moment_for_a_place_that_is_about_to_be_given_back() -> None:
    share, answered = Share(places=2, patience_seconds=5), threading.Event()

    def hold() -> None:
        with share.place("e"):
            answered.wait(5)

    def ask() -> bool:
        with share.place("e") as has_place:
            return has_place

    with ThreadPoolExecutor(2) as threads:
        holder = threads.submit(hold)
        asker = threads.submit(ask)
        answered.set()
        holder.result()
        assert asker.result()


def test_nobody_waits_for_an_endpoint_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    share, patience = Share(places=2, patience_seconds=5), 5
    with share.place("hung"):
        hangs_since = time.monotonic()
        monkeypatch.setattr(share_module, "time", SimpleNamespace(monotonic=lambda: hangs_since + 3 * patience))
        with share.place("hung") as has_place:
            assert not has_place
        assert time.monotonic() - hangs_since < patience


def test_no_more_than_the_places_are_ever_held() -> None:
    """More workers than places, each back at once for another turn."""
    share, held, most, lock = Share(places=6, patience_seconds=0.01), 0, 0, threading.Lock()

    def work(_: int) -> bool:
        nonlocal held, most
        with share.place("e") as has_place:
            if has_place:
                with lock:
                    held += 1
                    most = max(most, held)
                threading.Event().wait(0.001)
                with lock:
                    held -= 1
            return has_place

    with ThreadPoolExecutor(12) as threads:
        turns = list(threads.map(work, range(300)))
    assert most == 3
    assert turns.count(True) >= 100
    assert held == 0
    with ExitStack() as stack:
        assert all(stack.enter_context(share.place("e")) for _ in range(3)), "every place came back"


def test_an_endpoint_that_answers_at_once_loses_no_turn() -> None:
    share, start = Share(patience_seconds=10), threading.Barrier(WORKERS)

    def work(_: int) -> list[bool]:
        start.wait()
        turns = []
        for _ in range(10):
            with share.place("e") as has_place:
                threading.Event().wait(0.001)
                turns.append(has_place)
        return turns

    with ThreadPoolExecutor(WORKERS) as threads:
        assert all(all(turns) for turns in threads.map(work, range(WORKERS)))


@pytest.mark.parametrize("order", ["in turns", "one after the other"])
def test_four_endpoints_that_hang_leave_workers_to_all_others(order: str) -> None:
    """Each held a fixed quarter of the workers, and so three of them stalled all others until their breakers opened."""
    share = Share(patience_seconds=0)
    turns = [f"hung{turn % 4 if order == 'in turns' else turn // WORKERS}" for turn in range(4 * WORKERS)]
    with ExitStack() as stack:
        hung = [stack.enter_context(share.place(name)) for name in turns].count(True)
        assert hung < PLACES, "the host goes on receiving"
        assert stack.enter_context(share.place("well"))


@pytest.mark.parametrize("endpoints", [1, 2, 4, 10, 31])
def test_a_new_endpoint_finds_a_place_however_many_others_hang(endpoints: int) -> None:
    share = Share(patience_seconds=0)
    with ExitStack() as stack:
        for turn in range(4 * WORKERS):
            stack.enter_context(share.place(f"hung{turn % endpoints}"))
        assert stack.enter_context(share.place("well"))


def test_an_event_for_many_endpoints_waits_for_none_of_them() -> None:
    share = Share(patience_seconds=0)
    with ExitStack() as stack:
        assert all(stack.enter_context(share.place(f"e{number}")) for number in range(WORKERS))


def test_while_one_endpoint_hangs_others_have_places_at_once() -> None:
    share, asked = Share(places=8, patience_seconds=5), threading.Event()

    def wait_in_vain() -> bool:
        asked.set()
        with share.place("hung") as has_place:
            return has_place

    with ThreadPoolExecutor(1) as threads:
        with ExitStack() as hung, ExitStack() as others:
            assert all(hung.enter_context(share.place("hung")) for _ in range(4))
            waiting = threads.submit(wait_in_vain)
            asked.wait(5)
            began = time.monotonic()
            assert all(others.enter_context(share.place(f"e{number}")) for number in range(4))
            assert time.monotonic() - began < 2, "less than the patience of who waits for the hung one"
            assert not waiting.done()
        assert waiting.result(), "it had its turn as soon as a place was given back"

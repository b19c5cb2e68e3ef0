"""A receiver that takes few requests a second, and else asks for less, gets all of a burst without a failure."""

import json
import math
import threading
import time
from contextlib import ExitStack, closing

from doubles.hooks import Answer, Receivers

from .api import Api, custom
from .conftest import Issuer, MakeSettings, MakeStorage
from .hosting import hosting

TYPE = "custom.paced"


class Quota:
    """Takes so many requests in each second of its clock; the others are told to come back after a second."""

    def __init__(self, a_second: int) -> None:
        self._a_second = a_second
        self._lock = threading.Lock()
        self._second, self._used = -1, 0
        self.taken: dict[str, float] = {}
        """By `webhook-id`, when."""

    def answer(self, key: str, _: int) -> Answer:
        with self._lock:
            now = time.monotonic()
            if math.floor(now) != self._second:
                self._second, self._used = math.floor(now), 0
            self._used += 1
            if self._used > self._a_second:
                return Answer(429, headers={"Retry-After": "1"})
            self.taken[key] = now
            return Answer(200)


def test_a_burst_arrives_whole_and_not_in_waves(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers, full: bool
) -> None:
    """Under the schedule and the host.json as they are: no 429 spends an attempt."""
    a_second, count, within = (1, 200, 260) if full else (4, 40, 25)
    quota, hook = Quota(a_second), receivers.serve().hook()
    hook.answer_by(quota.answer)
    with ExitStack() as stack:
        host = stack.enter_context(hosting(make_settings(make_storage())))
        api = stack.enter_context(closing(Api(host.url, issuer.key)))
        api.register(hook.url, TYPE)
        events = [custom(TYPE) for _ in range(count)]
        keys = {each["meta"]["idempotencyKey"] for each in events}
        for start in range(0, count, 100):
            api.publish(events[start : start + 100])
        began = time.monotonic()
        assert hook.wait_until(lambda: quota.taken.keys() == keys, within), f"{len(quota.taken)} of {count} came"
        seconds = time.monotonic() - began
        print(f"\n{count} at {a_second} a second came in {seconds:.0f} s with {len(hook.received)} POSTs", end=" ")
        host.wait_until(lambda: len(host.found("delivery.attempted", next="delivered")) == count, within=5)
        assert {each["attempt"] for each in host.found("delivery.attempted")} == {1}
        assert api.alerts() == []
    times = [each.at for each in hook.received]
    most = max(sum(at <= each < at + 1 for each in times) for at in times)
    assert most <= 2 * a_second + 1, "by a second that begins with any request, one of which is the first try"


def test_where_a_format_says_several_what_waits_goes_together(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers, full: bool
) -> None:
    """A few requests a second are enough for hundreds of events."""
    a_second, count = (2, 500) if full else (5, 300)
    quota, hook = Quota(a_second), receivers.serve().hook()
    hook.answer_by(quota.answer)

    def rows() -> set[str]:
        taken = [each for each in hook.received if each.key in quota.taken]
        return {row["IdempotencyKey"] for each in taken for row in json.loads(each.body)}

    with ExitStack() as stack:
        host = stack.enter_context(hosting(make_settings(make_storage())))
        api = stack.enter_context(closing(Api(host.url, issuer.key)))
        api.register(hook.url, TYPE, format="sentinel")
        events = [custom(TYPE) for _ in range(count)]
        began = time.monotonic()
        for start in range(0, count, 100):
            api.publish(events[start : start + 100])
        assert hook.wait_until(lambda: len(rows()) >= count, within=40), f"{len(rows())} of {count} came"
        seconds = time.monotonic() - began
        print(
            f"\n{count} at {a_second} requests a second came in {seconds:.0f} s with {len(hook.received)} POSTs",
            end=" ",
        )
        host.wait_until(lambda: len(host.found("delivery.attempted", next="delivered")) == count, within=10)
        assert {each["attempt"] for each in host.found("delivery.attempted")} == {1}
        assert api.alerts() == []
    assert rows() == {each["meta"]["idempotencyKey"] for each in events}
    assert len(hook.received) <= count / 5
    assert {
        each.headers["webhook-id"].partition("/")[0] for each in hook.received if len(json.loads(each.body)) > 1
    } == {"batch"}

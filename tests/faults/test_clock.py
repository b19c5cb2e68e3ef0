"""The clock of an instance jumps, or differs from another's and from storage's. Storage hides messages by its own."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bench.ledger import balance
from doubles import registering
from doubles.hooks import Receivers
from doubles.running import dispatch, exhausted
from doubles.storage_account import Account, Queue, app_on
from e2e.api import Api
from e2e.conftest import Issuer, MakeSettings, MakeStorage
from e2e.hosting import ROOT, hosting, write_app
from integration.scene import Clock, an_event
from shared.delivery.publisher import publish
from shared.outbound.breaker import OPENS_AFTER
from shared.outbound.client import NoResponse, Response
from shared.settings import read_settings
from shared.storage import snapshot
from shared.storage.queues import DELIVERIES, POISON

from .flow import QUICKLY, flowing, reconciles, take_note, wait_until_drained

URL = "https://one.example/hook"
SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)
SUNDAY_NIGHT = datetime(2026, 11, 22, 23, 59, 30, tzinfo=UTC)
SUMMER_TIME_ENDS = datetime(2026, 10, 25, 0, 59, 30, tzinfo=UTC)
JUMPS = {
    "an hour back": -timedelta(hours=1),
    "an hour on": timedelta(hours=1),
    "into the week before": -timedelta(days=7),
    "into the week after": timedelta(days=7),
    "a minute, over a boundary of weeks": timedelta(minutes=1),
}


@pytest.mark.parametrize("begins_at", [SUNDAY_NIGHT, SUMMER_TIME_ENDS], ids=["sunday night", "summer time ends"])
@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS.keys())
def test_a_clock_that_jumps_while_deliveries_wait_loses_none(
    begins_at: datetime, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their endpoint fails, its breaker open, before the jump and is well some minutes after it: they are delivered as
    soon as without it."""
    ours, storages = Clock(begins_at), Clock(begins_at)
    taken: list[str] = []
    answers = [Response(500, None, None)]

    def post(url: str, headers: Mapping[str, str], body: bytes, spent: timedelta) -> Response | NoResponse:
        if answers[0].status == 200:
            taken.append(headers["webhook-id"])
        return answers[0]

    seconds: Any = type("Elapsed", (), {"monotonic": staticmethod(lambda: storages.now.timestamp())})
    monkeypatch.setattr(snapshot, "time", seconds)
    account = Account()
    queue, poison = Queue(account, DELIVERIES, storages), Queue(account, POISON, storages)
    app = app_on(account, SETTINGS, post, ours, storages, storages.move)
    registering.register(app.endpoints, URL, ours.now)
    keys = [f"key-{number}" for number in range(2 * OPENS_AFTER)]

    def work_until(at: datetime) -> None:
        while waiting := [each for each in (*queue.messages, *poison.messages) if each.visible_at <= at]:
            message = min(waiting, key=lambda each: each.visible_at)
            passed = max(message.visible_at - storages.now, timedelta())
            storages.move(passed)
            ours.move(passed)
            of_queue = message in queue.messages
            (queue if of_queue else poison).messages.remove(message)
            if of_queue:
                dispatch(app, message.text.encode(), 1)
            else:
                exhausted(app, message.text.encode(), ours.now)

    for key in keys:
        publish(app, [an_event(key)])
    work_until(begins_at + timedelta(seconds=20))
    ours.move(jump)
    publish(app, [an_event("after")])
    work_until(begins_at + timedelta(minutes=3))
    answers[0] = Response(200, None, None)
    work_until(begins_at + timedelta(minutes=15))
    found = balance([("/", key) for key in (*keys, "after")], [("/", key) for key in taken])
    late = jump > timedelta(minutes=20)  # by such a clock the time of what waits behind a breaker is over
    if late:
        assert {key for _, key in found.lost} <= set(keys)
        alerts = [row for row in account.tables if row.startswith("failures") and account.tables[row]]
        assert sum(len(account.tables[name]) for name in alerts) == len(found.lost)
    else:
        assert found.faults == []
    assert not queue.messages


APART = timedelta(minutes=12)
"""Azure Storage refuses requests whose clock is 15 minutes off."""

SHIFTED = """
import datetime
from dataclasses import replace

from shared import app as _app

_build = _app.build
_app.build = lambda settings: replace(
    _build(settings), now=lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds={seconds})
)
"""


def test_hosts_whose_clocks_differ_lose_nothing(
    tmp_path: Path, make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers
) -> None:
    storage = make_storage()
    settings = make_settings(storage, **QUICKLY)
    hook = receivers.serve().hook()
    taken = take_note(hook)
    with ExitStack() as stack:
        hosts = []
        for name, seconds in (("behind", -APART.total_seconds()), ("ahead", APART.total_seconds())):
            source = SHIFTED.format(seconds=seconds) + (ROOT / "function_app.py").read_text()
            folder = write_app(tmp_path / name, source)
            hosts.append(stack.enter_context(hosting(settings, folder=folder)))
        with closing(Api(hosts[0].url, issuer.key)) as api:
            api.register(hook.url, "custom.flow")
        with flowing(issuer.key, "custom.flow", [host.url for host in hosts]) as flow:
            flow.wait(80)
        wait_until_drained(storage.connection)
        assert reconciles(flow, taken, hosts[0].url, issuer.key).repeated == 0
        assert all(host.found("delivery.attempted") for host in hosts)

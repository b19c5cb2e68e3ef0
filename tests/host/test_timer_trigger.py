"""The timer trigger, against Azurite, with the host as a process of its own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from azure.storage.blob import ContainerClient
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import Schedule, parse_schedule
from local.host.timer_listener import decide_start
from local.host.timer_state import Status, parse_status

from .conftest import StartHost
from .running import write_app

TICK = """
@app.timer_trigger("timer", "%SCHEDULE%")
def tick(timer: func.TimerRequest) -> None:
    seen("tick", past_due=timer.past_due, last=timer.schedule_status.get("Last") if timer.schedule_status else None)
"""
EVERY_FIVE_MINUTES = "0 */5 * * * *"


@pytest.fixture
def container(storage: str) -> Iterator[ContainerClient]:
    with ContainerClient.from_connection_string(storage, "azure-webjobs-hosts") as container:
        if not container.exists():
            container.create_container()
        yield container


@pytest.fixture
def host_id() -> str:
    return f"test-{uuid4().hex[:8]}"


def status_name(host_id: str) -> str:
    return f"timers/{host_id}/Host.Functions.tick/status"


def store_status(container: ContainerClient, host_id: str, last: datetime, following: datetime) -> None:
    status = Status(last, following, last)
    container.upload_blob(status_name(host_id), json.dumps(status.document()).encode())


def read_status(container: ContainerClient, host_id: str) -> Status:
    return parse_status(json.loads(container.download_blob(status_name(host_id)).readall()))


def test_first_start_writes_a_status_and_does_not_run(
    container: ContainerClient, host_id: str, start_host: StartHost, tmp_path: Path
) -> None:
    settings = {"SCHEDULE": EVERY_FIVE_MINUTES, "AzureFunctionsWebHost__hostid": host_id}
    host = start_host(write_app(tmp_path, TICK), **settings)
    answer = requests.post(f"{host.url}/admin/functions/TICK", json={"input": ""}, timeout=10)
    assert answer.status_code == 202
    assert host.seen("tick", 1) == [{"past_due": False, "last": None}]
    host.ask_to_stop()
    assert host.wait() == 0
    status = read_status(container, host_id)
    assert status.last is None  # a run through the admin route is not on the schedule
    assert status.next == parse_schedule(EVERY_FIVE_MINUTES).next_after(status.updated)


def test_a_missed_run_is_made_up_once(
    container: ContainerClient, host_id: str, start_host: StartHost, tmp_path: Path
) -> None:
    last = datetime.now(UTC) - timedelta(hours=3)
    store_status(container, host_id, last, parse_schedule(EVERY_FIVE_MINUTES).next_after(last))
    settings = {"SCHEDULE": EVERY_FIVE_MINUTES, "AzureFunctionsWebHost__hostid": host_id}
    host = start_host(write_app(tmp_path, TICK.replace('%")', '%", run_on_startup=True)')), **settings)
    [run] = host.seen("tick", 1)
    host.ask_to_stop()
    assert host.wait() == 0
    assert run["past_due"] is True
    # run_on_startup does not add a run of its own.
    assert len(host.matching("SEEN tick")) == 1
    status = read_status(container, host_id)
    assert status.last
    assert status.last > last + timedelta(hours=2)
    assert status.updated == status.last  # the start of the run


def test_of_two_hosts_one_runs_the_timer(host_id: str, start_host: StartHost, tmp_path: Path) -> None:
    folder = write_app(tmp_path, TICK)
    settings = {"SCHEDULE": "* * * * * *", "AzureFunctionsWebHost__hostid": host_id}
    first = start_host(folder, **settings)
    first.wait_for("SEEN tick")
    second = start_host(folder, **settings)
    second.wait_for("Timer tick is run by another host")
    first.wait_for("SEEN tick", 3)
    first.ask_to_stop()
    second.ask_to_stop()
    assert first.wait() == 0
    assert second.wait() == 0
    assert not second.matching("SEEN tick")
    # The first gave its lock back, so a third need not wait for the lease to end.
    third = start_host(folder, **settings)
    third.wait_for("SEEN tick")


def test_a_run_is_never_overlapped_and_a_failed_one_is_retried(
    host_id: str, start_host: StartHost, tmp_path: Path
) -> None:
    source = """
tries = running = 0
@app.timer_trigger("timer", "* * * * * *")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
async def tick(timer: func.TimerRequest) -> None:
    global tries, running
    tries += 1
    running += 1
    seen("tick", tries=tries, running=running)
    if tries > 2:
        await asyncio.sleep(1.5)
    running -= 1
    if tries <= 2:
        raise RuntimeError("as asked")
"""
    host = start_host(write_app(tmp_path, source), AzureFunctionsWebHost__hostid=host_id)
    runs = host.seen("tick", 4)
    assert [run["tries"] for run in runs] == [1, 2, 3, 4]
    assert {run["running"] for run in runs} == {1}
    assert len(host.matching("Invocation failed")) == 2


moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
schedules = st.sampled_from(["0 */5 * * * *", "0 0 3 * * *", "0 30 9 * * 1-5"]).map(parse_schedule)


@given(schedules, moments, st.timedeltas(timedelta(0), timedelta(days=10)))
def test_a_run_is_past_due_exactly_when_its_time_has_come(
    schedule: Schedule, last: datetime, elapsed: timedelta
) -> None:
    stored = Status(last, schedule.next_after(last), last)
    decision = decide_start(stored, schedule, last + elapsed)
    assert decision.past_due is (last + elapsed > stored.next)
    assert decision.status == stored


@given(schedules, schedules, moments, st.timedeltas(timedelta(0), timedelta(days=10)))
def test_a_changed_schedule_is_never_past_due(old: Schedule, new: Schedule, last: datetime, elapsed: timedelta) -> None:
    now = last + elapsed
    decision = decide_start(Status(last, old.next_after(last), last), new, now)
    if old.next_after(last) != new.next_after(last):
        assert not decision.past_due
        assert decision.write
        assert decision.status.last is None
        assert decision.status.next >= now
        assert decision.status.next == new.next_after(decision.status.updated)
        assert decision.status.updated in (last, now)


def test_a_changed_schedule_is_past_due_at_the_next_start() -> None:
    """Daily at 3, made hourly at 10:30; stopped, and started again at 12:30."""
    daily, hourly = parse_schedule("0 0 3 * * *"), parse_schedule("0 0 * * * *")

    def at(hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 11, 22, hour, minute, tzinfo=UTC)

    changed = decide_start(Status(at(3), daily.next_after(at(3)), at(3)), hourly, at(10, 30)).status
    assert changed == Status(None, at(11), at(10, 30))
    assert decide_start(parse_status(changed.document()), hourly, at(12, 30)).past_due


@given(schedules, moments)
def test_without_a_status_nothing_is_past_due(schedule: Schedule, now: datetime) -> None:
    decision = decide_start(None, schedule, now)
    assert not decision.past_due
    assert decision.write
    assert decision.status == Status(None, schedule.next_after(now), now)


@given(moments, moments)
def test_a_status_survives_its_blob(last: datetime, following: datetime) -> None:
    status = Status(last, following, last)
    assert parse_status(status.document()) == status
    never = Status(None, following, last)
    assert never.document()["Last"] == "0001-01-01T00:00:00+00:00"
    assert parse_status(never.document()) == never

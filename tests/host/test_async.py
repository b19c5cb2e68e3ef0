"""`async def` functions are awaited on the worker's loop, as Azure's Python worker does it."""

import re
import sys
from pathlib import Path

import pytest
import requests

from .conftest import MakeQueue, StartHost
from .running import Host, host_json, write_app

WORK = '@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")\nasync def work(msg: func.QueueMessage) -> None:\n'


def ask_to_run(host: Host, *functions: str) -> None:
    for name in functions:
        answer = requests.post(f"{host.url}/admin/functions/{name}", json={"input": name}, timeout=10)
        assert answer.status_code == 202


def test_nothing_but_the_host_bounds_them(make_queue: MakeQueue, start_host: StartHost, tmp_path: Path) -> None:
    """As many run at once as batchSize + newBatchThreshold allow, in no thread at all."""
    source = f"""
running = 0
full = asyncio.Event()
{WORK}    global running
    running += 1
    if running == 256:
        seen("full", threads=threading.active_count())
        full.set()
    await full.wait()
    assert running <= 256
    running -= 1
    seen("done")
"""
    queue = make_queue()
    queue.put(*map(str, range(300)))
    folder = write_app(tmp_path, source, host_json(batchSize=32, newBatchThreshold=224))
    host = start_host(folder, QUEUE=queue.name, PYTHON_THREADPOOL_THREAD_COUNT="1")
    host.wait_for("SEEN done", 300, timeout=60)
    host.ask_to_stop()
    assert host.wait() == 0
    assert host.seen("full", 1) == [{"threads": 1}]
    assert not host.matching("Invocation failed")
    assert len(queue) == 0


def test_everything_runs_on_one_loop_that_runs_during_the_import(start_host: StartHost, tmp_path: Path) -> None:
    source = """
from contextvars import ContextVar
found = ContextVar("found", default="unset")
found.set("at import")
home = asyncio.get_running_loop()
kept = set()

async def later():
    await asyncio.sleep(0.1)
    seen("later")

@app.timer_trigger("timer", "0 0 0 1 1 *")
async def tick(timer: func.TimerRequest) -> None:
    kept.add(asyncio.create_task(later()))
    seen("tick", home=asyncio.get_running_loop() is home, main=threading.current_thread() is threading.main_thread(),
         found=found.get(), loop=type(home).__module__.partition(".")[0])
    found.set("in tick")

@app.queue_trigger("msg", "unused", "AzureWebJobsStorage")
def threaded(msg: func.QueueMessage) -> None:
    seen("threaded", main=threading.current_thread() is threading.main_thread(), found=found.get())
"""
    host = start_host(write_app(tmp_path, source))
    ask_to_run(host, "tick")
    [tick] = host.seen("tick", 1)
    host.wait_for("SEEN later")  # it outlives the invocation that began it
    ask_to_run(host, "threaded", "tick")
    expected_loop = "uvloop" if sys.version_info >= (3, 13) and sys.platform != "win32" else "asyncio"
    assert tick == {"home": True, "main": True, "found": "unset", "loop": expected_loop}
    assert host.seen("tick", 2)[1] == tick
    assert host.seen("threaded", 1) == [{"main": False, "found": "unset"}]


def test_log_lines_carry_the_invocation(start_host: StartHost, tmp_path: Path) -> None:
    """In the function's task, in the tasks that it makes and in a thread of the pool, but in no other thread."""
    source = """
async def child(where):
    seen(where)

@app.queue_trigger("msg", "unused", "AzureWebJobsStorage")
async def one(msg: func.QueueMessage) -> None:
    seen("task")
    async with asyncio.TaskGroup() as group:
        group.create_task(child("child"))
    await asyncio.to_thread(seen, "elsewhere")

@app.timer_trigger("timer", "0 0 0 1 1 *")
def two(timer: func.TimerRequest) -> None:
    seen("pool")
"""
    host = start_host(write_app(tmp_path, source))
    ask_to_run(host, "one", "two")
    lines = [host.wait_for(f"SEEN {where}")[0] for where in ("task", "child", "pool", "elsewhere")]
    ids = [re.findall(r"Z \[([0-9a-f]{8})\] INFO root: ", line) for line in lines]
    assert len(ids[0]) == len(ids[2]) == 1
    assert ids[1] == ids[0] != ids[2]
    assert ids[3] == []


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise asyncio.CancelledError", "ended with asyncio.CancelledError"),
        ("raise SystemExit(3)", r"called sys.exit\(3\)"),
        ("raise RuntimeError('as asked')", "RuntimeError: as asked"),
        ("return 'something'", "it returned a value"),
        ("await asyncio.sleep(60)", "work ran longer than functionTimeout"),
    ],
)
def test_what_goes_wrong_fails_one_invocation(
    statement: str, message: str, make_queue: MakeQueue, start_host: StartHost, tmp_path: Path
) -> None:
    queue = make_queue()
    queue.put("x")
    source = f"{WORK}    seen('work', count=msg.dequeue_count)\n    if msg.dequeue_count == 1:\n        {statement}\n"
    document = {**host_json(), "functionTimeout": "00:00:01"}
    host = start_host(write_app(tmp_path, source.replace(" -> None", ""), document), QUEUE=queue.name)
    assert [each["count"] for each in host.seen("work", 2)] == [1, 2]
    host.wait_for(message)
    host.ask_to_stop()
    assert host.wait() == 0
    assert len(queue) == 0


def test_nothing_is_cancelled_when_the_host_ends(start_host: StartHost, tmp_path: Path) -> None:
    """A task that nobody waits for is cut off, as when Azure ends the worker: no `finally` of it runs."""
    source = """
kept = set()
async def endless():
    try:
        await asyncio.Event().wait()
    finally:
        seen("cancelled")

@app.queue_trigger("msg", "unused", "AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    kept.add(asyncio.create_task(endless()))
    seen("work")
"""
    host = start_host(write_app(tmp_path, source))
    ask_to_run(host, "work")
    host.wait_for("SEEN work")
    host.ask_to_stop()
    assert host.wait() == 0
    assert not host.matching("SEEN cancelled")
    assert "Stopped." in host.output

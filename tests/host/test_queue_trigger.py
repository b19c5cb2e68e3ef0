"""The queue trigger, against Azurite, with the host as a process of its own."""

import json
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError

from local.azurite import connection_string as azurite_at
from local.ports import free_ports

from .conftest import MakeQueue, Queue, StartHost
from .running import host_json, write_app


@pytest.fixture
def queue(make_queue: MakeQueue) -> Queue:
    return make_queue()


WORK = """
@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    seen("work", body=body, id=msg.id, count=msg.dequeue_count, receipt=msg.pop_receipt, inserted=msg.insertion_time)
    if "fail" in body:
        raise RuntimeError("as asked")
"""
POISON = """
@app.queue_trigger("msg", "%QUEUE%-poison", "AzureWebJobsStorage")
def poison(msg: func.QueueMessage) -> None:
    seen("poison", body=msg.get_body().decode(), id=msg.id, count=msg.dequeue_count)
"""


def test_backlog_is_worked_off_and_deleted(queue: Queue, start_host: StartHost, tmp_path: Path) -> None:
    queue.put(*(json.dumps({"n": n}) for n in range(40)))
    host = start_host(write_app(tmp_path, WORK, host_json()), QUEUE=queue.name)
    seen = host.seen("work", 40)
    host.ask_to_stop()
    assert host.wait() == 0
    assert {json.loads(each["body"])["n"] for each in seen} == set(range(40))
    assert {each["count"] for each in seen} == {1}
    assert all(each["receipt"] and each["inserted"].endswith("+00:00") for each in seen)
    assert len(queue) == 0


def test_failures_come_back_and_end_in_the_poison_queue(queue: Queue, start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(write_app(tmp_path, WORK + POISON, host_json(maxDequeueCount=2)), QUEUE=queue.name)
    host.wait_for("Listening")
    queue.put("fail")
    tries = host.seen("work", 2)
    [copy] = host.seen("poison", 1)
    assert [each["count"] for each in tries] == [1, 2]
    # A poison copy is a new message.
    assert copy["body"] == "fail"
    assert copy["count"] == 1
    assert copy["id"] != tries[0]["id"]
    host.wait_for("RuntimeError: as asked", 2)  # each with its traceback
    assert len(queue) == 0


def test_hostile_properties_fail_before_the_function_runs(queue: Queue, start_host: StartHost, tmp_path: Path) -> None:
    queue.put('{"dequeueCount": "abc"}', '{"ID": "mine", "n": [1]}')
    folder = write_app(tmp_path, WORK + POISON, host_json(maxDequeueCount=1, visibilityTimeout="00:00:00"))
    host = start_host(folder, QUEUE=queue.name)
    host.wait_for("cannot convert value of field 'DequeueCount'")
    # The copy fails in the poison function too, and a poison queue has no poison queue: it stays until its lease ends.
    host.wait_for("comes back when its lease ends")
    [good] = host.seen("work", 1)
    assert good["id"] == "mine"
    assert not host.matching("SEEN poison")


def test_too_many_dequeues_go_to_poison_unseen(queue: Queue, start_host: StartHost, tmp_path: Path) -> None:
    queue.put("worn")
    for _ in range(2):
        message = queue.client.receive_message(visibility_timeout=60)
        assert message
        queue.client.update_message(message.id, message.pop_receipt, visibility_timeout=0)
    host = start_host(write_app(tmp_path, WORK + POISON, host_json(maxDequeueCount=2)), QUEUE=queue.name)
    assert host.seen("poison", 1)[0]["body"] == "worn"
    assert not host.matching("SEEN work")


def test_a_poison_trigger_runs_again_after_each_lease_however_often(
    queue: Queue, make_queue: MakeQueue, start_host: StartHost, tmp_path: Path
) -> None:
    poison = make_queue(queue.poison)
    poison.put("bad")
    source = POISON + "    raise RuntimeError('as asked')\n"
    folder = write_app(tmp_path, source, host_json(maxDequeueCount=2, visibilityTimeout="00:00:00"))
    host = start_host(folder, "--lease", "1", QUEUE=queue.name)
    assert [each["count"] for each in host.seen("poison", 4)] == [1, 2, 3, 4]
    assert len(poison) == 1


def test_a_long_run_keeps_its_lease(queue: Queue, start_host: StartHost, tmp_path: Path) -> None:
    source = """
@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    seen("start", count=msg.dequeue_count)
    await asyncio.sleep(4)
    seen("end")
"""
    queue.put("long")
    host = start_host(write_app(tmp_path, source, host_json()), "--lease", "2", QUEUE=queue.name)
    host.wait_for("SEEN end")
    host.ask_to_stop()
    assert host.wait() == 0
    assert len(host.matching("SEEN start")) == 1
    # Deleted with the receipt of the last renewal.
    assert len(queue) == 0


def test_a_message_that_was_taken_away_is_neither_renewed_nor_deleted(
    queue: Queue, start_host: StartHost, tmp_path: Path
) -> None:
    source = """
@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    seen("start", id=msg.id, receipt=msg.pop_receipt)
    await asyncio.sleep(5)
"""
    queue.put("mine")
    document = {**host_json(), "logging": {"logLevel": {"default": "Debug"}}}
    host = start_host(write_app(tmp_path, source, document), "--lease", "4", QUEUE=queue.name)
    [start] = host.seen("start", 1)
    queue.client.update_message(start["id"], start["receipt"], visibility_timeout=60)  # its receipt is stale now
    host.wait_for("taken by someone else before it was deleted")
    # The lease would have been renewed after two and after four seconds.
    assert len(host.matching("taken by someone else before its visibility changed")) == 1
    assert not host.matching("WARNING host")
    assert len(queue) == 1


def test_in_flight_is_bounded_and_sync_functions_share_the_threads(
    queue: Queue, make_queue: MakeQueue, start_host: StartHost, tmp_path: Path
) -> None:
    source = """
running = 0
async def enter(name, seconds):
    global running
    running += 1
    seen(name, running=running)
    await asyncio.sleep(seconds)
    running -= 1

@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
async def asynchronous(msg: func.QueueMessage) -> None:
    await enter("async", 0.1 if msg.get_body() in b"bdfhjl" else 0.4)

lock = threading.Lock()
threads = 0
@app.queue_trigger("msg", "%OTHER%", "AzureWebJobsStorage")
def threaded(msg: func.QueueMessage) -> None:
    global threads
    with lock:
        threads += 1
        seen("thread", running=threads)
    time.sleep(0.1)
    with lock:
        threads -= 1
"""
    other = make_queue()
    for each in (queue, other):
        each.put(*"abcdefghijkl")
    folder = write_app(tmp_path, source, host_json(batchSize=16, newBatchThreshold=1))
    settings = {"QUEUE": queue.name, "OTHER": other.name, "PYTHON_THREADPOOL_THREAD_COUNT": "2"}
    # The setting overrides host.json, as on Azure.
    host = start_host(folder, AzureFunctionsJobHost__extensions__queues__batchSize="2", **settings)
    assert max(each["running"] for each in host.seen("async", 12)) == 3  # batchSize + newBatchThreshold
    assert max(each["running"] for each in host.seen("thread", 12)) == 2


def test_missing_queue_is_waited_for_and_never_made(
    make_queue: MakeQueue, start_host: StartHost, tmp_path: Path
) -> None:
    queue = make_queue(create=False)
    host = start_host(write_app(tmp_path, WORK, host_json()), QUEUE=queue.name)
    host.wait_for("Listening")
    with pytest.raises(ResourceNotFoundError):
        queue.client.get_queue_properties()
    queue.client.create_queue()
    queue.put("late")
    assert host.seen("work", 1)[0]["body"] == "late"


def test_base64(queue: Queue, make_queue: MakeQueue, start_host: StartHost, tmp_path: Path) -> None:
    queue.put("aGVsbG8=", "plain text", "/w==")
    source = WORK + POISON.replace("-poison", "-none")
    options = {"messageEncoding": "base64", "maxDequeueCount": 2, "visibilityTimeout": "00:00:00"}
    host = start_host(write_app(tmp_path, source, host_json(**options)), QUEUE=queue.name)
    assert host.seen("work", 1)[0]["body"] == "hello"
    host.wait_for(f"moved to {queue.poison}", 2)
    host.ask_to_stop()
    assert host.wait() == 0
    left = make_queue(queue.poison, create=False).client.peek_messages(max_messages=2)
    assert {each.content for each in left} == {"plain text", "/w=="}
    assert len(host.matching("is not base64 text")) == 1
    # Bytes that are no UTF-8 fail as often as a function would.
    assert len(host.matching("fails before its function runs")) == 2
    assert len(host.matching("SEEN work")) == 1


SLOW = """
@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
{} work(msg: func.QueueMessage) -> None:
    seen("start", count=msg.dequeue_count)
    {}({})
    seen("end")
"""
KINDS = pytest.mark.parametrize(("define", "pause"), [("def", "time.sleep"), ("async def", "await asyncio.sleep")])


@KINDS
def test_stopping_finishes_what_is_in_flight(
    define: str, pause: str, queue: Queue, start_host: StartHost, tmp_path: Path
) -> None:
    queue.put("slow")
    host = start_host(write_app(tmp_path, SLOW.format(define, pause, 1.5), host_json()), QUEUE=queue.name)
    host.wait_for("SEEN start")
    host.ask_to_stop()
    host.ask_to_stop()  # as after Ctrl+C, which reaches this process and the one that started it
    assert host.wait() == 0
    assert host.matching("SEEN end")
    assert len(queue) == 0


@KINDS
def test_what_a_kill_interrupts_comes_back_when_its_lease_ends(
    define: str, pause: str, queue: Queue, start_host: StartHost, tmp_path: Path
) -> None:
    queue.put("slow")
    source = SLOW.format(define, pause, "60 if msg.dequeue_count == 1 else 0")
    folder = write_app(tmp_path, source, host_json())
    first = start_host(folder, "--lease", "2", QUEUE=queue.name)
    assert first.seen("start", 1) == [{"count": 1}]
    first.kill()
    assert len(queue) == 1
    second = start_host(folder, "--lease", "2", QUEUE=queue.name)
    second.wait_for("SEEN end")
    second.ask_to_stop()
    assert second.wait() == 0
    assert second.seen("start", 1) == [{"count": 2}]
    assert len(queue) == 0


def test_function_timeout_fails_the_invocation(queue: Queue, start_host: StartHost, tmp_path: Path) -> None:
    source = """
@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    seen("work", count=msg.dequeue_count)
    if msg.dequeue_count == 1:
        time.sleep(60)
"""
    queue.put("stuck")
    document = {**host_json(), "functionTimeout": "00:00:01"}
    host = start_host(write_app(tmp_path, source, document), QUEUE=queue.name)
    assert [each["count"] for each in host.seen("work", 2)] == [1, 2]
    host.wait_for("work ran longer than functionTimeout")
    host.ask_to_stop()
    assert host.wait() == 0
    assert "were left behind" in host.output


def test_returning_a_value_is_a_failure_and_a_disabled_function_is_off(
    queue: Queue, make_queue: MakeQueue, start_host: StartHost, tmp_path: Path
) -> None:
    source = """
@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
def work(msg: func.QueueMessage):
    return "something"

@app.queue_trigger("msg", "%QUEUE%-poison", "AzureWebJobsStorage")
def off(msg: func.QueueMessage) -> None:
    seen("off")
"""
    queue.put("x")
    folder = write_app(tmp_path, source, host_json(maxDequeueCount=1))
    host = start_host(folder, QUEUE=queue.name, **{"AzureWebJobs.off.Disabled": "true"})
    host.wait_for(f"moved to {queue.poison}")
    host.wait_for(r"Function off: .*\(disabled\)")
    host.ask_to_stop()
    assert host.wait() == 0
    assert len(make_queue(queue.poison, create=False)) == 1
    assert not host.matching("SEEN off")


def test_unreachable_storage_is_said_in_one_line(start_host: StartHost, tmp_path: Path) -> None:
    nowhere = azurite_at(free_ports(3))
    host = start_host(write_app(tmp_path, WORK + POISON, host_json()), QUEUE="q", AzureWebJobsStorage=nowhere)
    host.wait_for("Storage cannot be used: there is no connection")
    host.ask_to_stop()
    assert host.wait() == 0
    assert len(host.matching("Storage cannot be used")) == 1
    assert "Traceback" not in host.output

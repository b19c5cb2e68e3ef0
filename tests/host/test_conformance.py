"""The same app under Microsoft's own worker library and under this host: the same functions, the same answers."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from .conftest import StartHost
from .running import ROOT, Host, host_environment, write_app

PROBE = Path(__file__).with_name("worker_probe.py")
# The worker library of older Pythons is not on the package index.
VERSIONS = ("3.13", "3.14", "3.15")
SAMPLE = """
@app.route("hello/{name}", methods=["GET", "POST"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    shown = {"method": req.method, "body": req.get_body().decode(), "header": req.headers["X-A"],
             "query": req.params.get("q"), "name": req.route_params["name"]}
    return func.HttpResponse(json.dumps(shown), status_code=202, mimetype="application/json", headers={"X-B": "c"})

@app.queue_trigger("msg", "work", "AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    if msg.id != "mine" or msg.dequeue_count != 2 or msg.get_body() != b"text":
        raise RuntimeError("not what was put")

@app.queue_trigger("msg", "value", "AzureWebJobsStorage")
def value(msg: func.QueueMessage):
    return "something"

@app.timer_trigger("timer", "0 */5 * * * *")
async def tick(timer: func.TimerRequest) -> None: ...
"""


ASYNC_SAMPLE = """
from contextvars import ContextVar
found = ContextVar("found", default="unset")
found.set("at import")
home = asyncio.get_running_loop()
observed = []
running, full, kept = 0, asyncio.Event(), set()

def note(name, loop=None):
    main = threading.current_thread() is threading.main_thread()
    observed.append([name, loop is home, main, found.get(), threading.active_count() if name == "many" else 0])
    found.set("left behind by " + name)
    seen(name)

@app.queue_trigger("msg", "many", "AzureWebJobsStorage")
async def many(msg: func.QueueMessage) -> None:
    global running
    running += 1
    if running == 40:
        full.set()
    await asyncio.wait_for(full.wait(), 20)
    note("many", asyncio.get_running_loop())

@app.queue_trigger("msg", "threaded", "AzureWebJobsStorage")
def threaded(msg: func.QueueMessage) -> None:
    found.set("unset")  # a thread of the pool keeps its own from one invocation to the next
    note("threaded")

async def later():
    await asyncio.sleep(0.2)
    note("later", asyncio.get_running_loop())

@app.timer_trigger("timer", "0 0 0 1 1 *")
async def tick(timer: func.TimerRequest) -> None:
    note("tick", asyncio.get_running_loop())
    assert timer.past_due is False
    found.set("handed on by tick")
    kept.add(asyncio.create_task(later()))

@app.timer_trigger("timer", "0 0 0 1 1 *")
async def ticks_badly(timer: func.TimerRequest) -> None:
    raise ValueError("as asked")

@app.queue_trigger("msg", "raises", "AzureWebJobsStorage")
async def raises(msg: func.QueueMessage) -> None:
    await asyncio.sleep(0)
    raise ValueError("as asked")

@app.queue_trigger("msg", "value", "AzureWebJobsStorage")
async def value(msg: func.QueueMessage):
    return "something"

@app.queue_trigger("msg", "generates", "AzureWebJobsStorage")
async def generates(msg: func.QueueMessage):
    yield

@app.queue_trigger("msg", "cancelled", "AzureWebJobsStorage")
async def cancelled(msg: func.QueueMessage) -> None:
    asyncio.current_task().cancel()
    await asyncio.sleep(1)

@app.route("report", methods=["GET"])
async def report(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.gather(*kept)
    return func.HttpResponse(json.dumps(observed), status_code=203, mimetype="application/json")

@app.route("broken", methods=["GET"])
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(0)
    raise ValueError("as asked")
"""
# In this order; the 40 at once, though the pool has one thread.
ASYNC_CALLS = (["many"] * 40, ["threaded"], ["tick"], ["ticks_badly"], ["raises"], ["value"], ["generates"],
               ["cancelled"])  # fmt: skip


def find_python() -> str | None:
    """A Python that Microsoft's worker library runs on."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates: list[str | Path | None] = [sys.executable]
    for version in VERSIONS:
        candidates += [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    return next((str(each) for each in candidates if each and is_new_enough(each)), None)


def is_new_enough(python: str | Path) -> bool:
    """Asked of the program itself, because a version manager's stub may stand for nothing."""
    check = "import sys; sys.exit(sys.version_info < (3, 13))"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def worker_python() -> Path:
    """The Python of an environment with the app's requirements, this host's and the worker library, made once."""
    python = find_python()
    if python is None:
        pytest.skip("no Python 3.13 or later here, which Microsoft's worker library azure-functions-runtime needs")
    requirements = ROOT / "requirements.txt"
    others = [*host_requirements(), "azure-functions-runtime"]
    made_from = hashlib.sha256(
        requirements.read_bytes() + (ROOT / "constraints.txt").read_bytes() + repr([others, python]).encode()
    ).hexdigest()[:12]
    folder = ROOT / ".local" / f"conformance-{made_from}"
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if not complete.exists():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        install = [str(inside), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(requirements), *others], check=True)
        complete.touch()
    return inside


def host_requirements() -> list[str]:
    """What `local.host` needs besides the app's requirements."""
    lines = (ROOT / "requirements-local.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith(("azure-storage-blob~", "uvloop~"))]


def ask_worker(python: Path, folder: Path, environment: dict[str, str], *calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Each list of calls runs at once, after the list before it."""
    job = json.dumps({"folder": str(folder), "calls": calls})
    done = subprocess.run(
        [python, PROBE], input=job, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def describe(trigger: dict[str, Any]) -> str:
    """A trigger as this host prints it."""
    match trigger["type"]:
        case "queueTrigger":
            return f"queueTrigger {trigger['queueName']}"
        case "timerTrigger":
            return f"timerTrigger {trigger['schedule']}"
        case _:
            return f"httpTrigger [{','.join(sorted(trigger.get('methods', ()))) or '*'}] /{trigger['route']}"


def http_call(function: str, method: str, url: str, **rest: Any) -> dict[str, Any]:
    return {"function": function, "http": {"method": method, "url": url, **rest}}


def queue_call(function: str, body: str, **metadata: Any) -> dict[str, Any]:
    return {"function": function, "queue": {"body": body, "metadata": metadata}}


def test_sample(worker_python: Path, storage: str, start_host: StartHost, tmp_path: Path) -> None:
    folder = write_app(tmp_path, SAMPLE)
    outcome = ask_worker(
        worker_python,
        folder,
        host_environment(storage, {}),
        [
            http_call(
                "hello", "POST", "http://h/", headers={"x-a": "1"}, params={"name": "you"}, query={"q": "2"}, body="hi"
            ),
            queue_call("work", "text", Id="mine", DequeueCount=2),
            queue_call("work", "text", Id="mine", DequeueCount="abc"),
            queue_call("value", "text"),
        ],
    )
    host = start_host(folder)
    answer = requests.post(f"{host.url}/hello/you?q=2", headers={"X-A": "1"}, data=b"hi", timeout=10)

    found = {name: describe(trigger) for name, trigger in outcome["functions"].items()}
    assert {line.partition(": ")[0]: line.partition(": ")[2] for line in functions_in(host.output)} == found
    theirs, good, hostile, value = outcome["results"]
    assert (answer.status_code, answer.json()) == (theirs["status"], json.loads(theirs["body"]))
    assert {name: answer.headers[name] for name in theirs["headers"]} == theirs["headers"]
    assert good == {"completed": True}
    assert "cannot convert value of field 'DequeueCount'" in hostile["error"]
    assert "non-None value" in value["error"]


@pytest.mark.parametrize("same", [False, True], ids=["own python", "python of the worker"])
def test_async_sample(same: bool, worker_python: Path, storage: str, start_host: StartHost, tmp_path: Path) -> None:
    """The order and the outcome of each call, and what it saw: loop, thread, context."""
    folder = write_app(tmp_path, ASYNC_SAMPLE)
    settings = {"PYTHON_THREADPOOL_THREAD_COUNT": "1"}
    calls = [[any_call(name) for name in names] for names in ASYNC_CALLS]
    last = [http_call("report", "GET", "http://h/"), http_call("broken", "GET", "http://h/")]
    theirs = ask_worker(worker_python, folder, host_environment(storage, settings), *calls, *([each] for each in last))
    host = start_host(folder, python=str(worker_python) if same else sys.executable, **settings)
    for names in ASYNC_CALLS:
        run_by_admin(host, names)
    report, broken = (requests.get(f"{host.url}/{name}", timeout=20) for name in ("report", "broken"))
    host.wait_for("ERROR Function.broken:")

    *results, their_report, their_broken = theirs["results"]
    asked = [name for names in ASYNC_CALLS for name in names]
    failed = {name for name, result in zip(asked, results, strict=True) if "error" in result}
    assert failed == {"ticks_badly", "raises", "value", "generates", "cancelled"}
    assert {line.partition("ERROR Function.")[2].partition(":")[0] for line in host.matching("ERROR Function")} == {
        *failed,
        "broken",
    }
    assert (report.status_code, report.json()) == (their_report["status"], json.loads(their_report["body"]))
    assert sorted({tuple(each) for each in report.json()}) == [
        ("later", True, True, "handed on by tick", 0),
        ("many", True, True, "unset", 1),
        ("threaded", False, False, "unset", 0),
        ("tick", True, True, "unset", 0),
    ]
    assert "ValueError: as asked" in their_broken["error"]
    assert (broken.status_code, broken.content) == (500, b"")
    if same:
        assert host.matching(f"event loop of {theirs['loop']}$")


def run_by_admin(host: Host, names: list[str]) -> None:
    """Runs them at once, and waits until each has noted what it saw, or failed."""
    for name in names:
        answer = requests.post(f"{host.url}/admin/functions/{name}", json={"input": "text"}, timeout=10)
        assert answer.status_code == 202
    host.wait_for(f"SEEN {names[0]} |ERROR Function.{names[0]}:", len(names))


def any_call(function: str) -> dict[str, Any]:
    if "tick" in function:
        return {"function": function, "timer": {"Schedule": {"AdjustForDST": True}, "IsPastDue": False}}
    return queue_call(function, "text", Id="mine", DequeueCount=1)


def test_tenant_hooks(worker_python: Path, storage: str, start_host: StartHost) -> None:
    settings = {
        "SECRETS_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AzureFunctionsWebHost__hostid": "conformance",
        "STORAGE_SCAN_SCHEDULE": "0 0 0 1 1 *",
        "SHARING_POLL_SCHEDULE": "0 0 0 2 1 *",
        "ENTRA_TENANT_ID": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    }
    environment = host_environment(storage, settings)
    calls = [
        http_call("health_get", "GET", "http://h/health"),
        http_call("options_get", "GET", "http://h/v1.0/options"),
        http_call("zz_unknown", "GET", "http://h/nowhere", params={"path": "nowhere"}),
    ]
    outcome = ask_worker(worker_python, ROOT, environment, calls)
    host = start_host(ROOT, **settings)
    answers = [requests.get(host.url + path, timeout=20) for path in ("/health", "/v1.0/options", "/nowhere")]

    found = {name: describe(trigger) for name, trigger in outcome["functions"].items()}
    for name, setting in (("scan_storage", "STORAGE_SCAN_SCHEDULE"), ("poll_sharing", "SHARING_POLL_SCHEDULE")):
        found[name] = found[name].replace(f"%{setting}%", settings[setting])
    assert {line.partition(": ")[0]: line.partition(": ")[2] for line in functions_in(host.output)} == found
    assert [answer.status_code for answer in answers] == [result["status"] for result in outcome["results"]]
    assert [answer.status_code for answer in answers] == [200, 401, 404]
    for answer, result in zip(answers, outcome["results"], strict=True):
        assert {name: answer.headers[name] for name in result["headers"]} == result["headers"]


def functions_in(output: str) -> list[str]:
    marker = "INFO host: Function "
    return [line.partition(marker)[2] for line in output.splitlines() if marker in line]

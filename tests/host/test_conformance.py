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
from .running import ROOT, host_environment, write_app

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
    """The Python of an environment with the app's requirements and the worker library, made once."""
    python = find_python()
    if python is None:
        pytest.skip("no Python 3.13 or later here, which Microsoft's worker library azure-functions-runtime needs")
    requirements = ROOT / "requirements.txt"
    made_from = hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()[:12]
    folder = ROOT / ".local" / f"conformance-{made_from}"
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if not complete.exists():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        install = [str(inside), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(requirements), "azure-functions-runtime"], check=True)
        complete.touch()
    return inside


def ask_worker(python: Path, folder: Path, environment: dict[str, str], *calls: dict[str, Any]) -> dict[str, Any]:
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
        http_call(
            "hello", "POST", "http://h/", headers={"x-a": "1"}, params={"name": "you"}, query={"q": "2"}, body="hi"
        ),
        queue_call("work", "text", Id="mine", DequeueCount=2),
        queue_call("work", "text", Id="mine", DequeueCount="abc"),
        queue_call("value", "text"),
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


def test_tenant_hooks(worker_python: Path, storage: str, start_host: StartHost) -> None:
    settings = {
        "SECRETS_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AzureFunctionsWebHost__hostid": "conformance",
        "STORAGE_SCAN_SCHEDULE": "0 0 0 1 1 *",
    }
    environment = host_environment(storage, settings)
    calls = (
        http_call("health_get", "GET", "http://h/health"),
        http_call("options_get", "GET", "http://h/v1.0/options"),
        http_call("zz_unknown", "GET", "http://h/nowhere", params={"path": "nowhere"}),
    )
    outcome = ask_worker(worker_python, ROOT, environment, *calls)
    host = start_host(ROOT, **settings)
    answers = [requests.get(host.url + path, timeout=20) for path in ("/health", "/v1.0/options", "/nowhere")]

    found = {name: describe(trigger) for name, trigger in outcome["functions"].items()}
    found["scan_storage"] = found["scan_storage"].replace("%STORAGE_SCAN_SCHEDULE%", settings["STORAGE_SCAN_SCHEDULE"])
    assert {line.partition(": ")[0]: line.partition(": ")[2] for line in functions_in(host.output)} == found
    assert [answer.status_code for answer in answers] == [result["status"] for result in outcome["results"]]
    assert [answer.status_code for answer in answers] == [200, 401, 404]
    for answer, result in zip(answers, outcome["results"], strict=True):
        assert {name: answer.headers[name] for name in result["headers"]} == result["headers"]


def functions_in(output: str) -> list[str]:
    marker = "INFO host: Function "
    return [line.partition(marker)[2] for line in output.splitlines() if marker in line]

"""What a user can get wrong at the start is told in one paragraph, and ends the host."""

import socket
from pathlib import Path

import pytest
import requests

from .conftest import StartHost
from .running import write_app

QUEUE = '@app.queue_trigger("msg", "{}", "{}")\ndef work(msg: func.QueueMessage) -> None: ...\n'
TIMER = '@app.timer_trigger("timer", "{}")\ndef tick(timer: func.TimerRequest) -> None: ...\n'


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nonsense_module\n", "No module named 'nonsense_module' (function_app.py line 6). Install"),
        ("raise ValueError('SETTING is missing')\n", "ValueError: SETTING is missing (function_app.py line 6)"),
        ("second = func.FunctionApp()\n", "must define one azure.functions.FunctionApp"),
        (QUEUE.format("%NOWHERE%", "AzureWebJobsStorage"), "uses %NOWHERE%, but there is no setting NOWHERE"),
        (QUEUE.format("q", "OtherStorage"), "The setting OtherStorage is missing"),
        (QUEUE.format("q", "Identity"), "takes only a connection string"),
        (TIMER.format("0 0 0 30 2 *"), "never occurs"),
        (TIMER.format("00:00:30"), "is a time span"),
        ('@app.route("{a:odd}")\ndef f(req: func.HttpRequest) -> str: ...\n', "does not know: a:odd()"),
        ('@app.route("x")\ndef f(req: func.HttpRequest, context) -> str: ...\n', "no others and no context"),
        ('@app.blob_trigger("b", "c/d", "AzureWebJobsStorage")\ndef f(b) -> None: ...\n', "has a blobTrigger"),
        (
            QUEUE.format("q", "AzureWebJobsStorage").replace("\n", '\n@app.retry("fixed_delay", "1", "00:00:01")\n', 1),
            "retry policy, which Azure supports for timers only",
        ),
    ],
)
def test_wrong_app(source: str, message: str, start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(write_app(tmp_path, source), Identity__accountName="account")
    assert host.wait() == 1
    assert message in host.output
    assert "The function host cannot start." in host.output
    assert "Traceback" not in host.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "host.json is not valid JSON"),
        ("[]", '"version": "2.0"'),
        ('{"version": "2.0", "extensions": {"queues": {"batchSize": 33}}}', "batchSize must be a whole number from 1"),
        ('{"version": "2.0", "extensions": {"queues": {"visibilityTimeout": 30}}}', "must be a time span"),
        ('{"version": "2.0", "extensions": {"queues": {"messageEncoding": "hex"}}}', "must be base64 or none"),
        ('{"version": "2.0", "extensions": {"queues": {"maxPollingInterval": "00:00:00.099"}}}', "at least 100 ms"),
        ('{"version": "2.0", "extensions": {"queues": {"newBatchThreshold": -1}}}', "a whole number from 0"),
    ],
)
def test_wrong_host_json(text: str, message: str, start_host: StartHost, tmp_path: Path) -> None:
    folder = write_app(tmp_path, "")
    (folder / "host.json").write_text(text, "utf-8")
    host = start_host(folder)
    assert host.wait() == 1
    assert message in host.output
    assert "Traceback" not in host.output


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("0 0 0 * * 7", "'7' is not a day of week"),
        ("%NOWHERE%", "uses %NOWHERE%, but there is no setting NOWHERE"),
        ("%SCHEDULE%", "invalid NCRONTAB schedule: '*\\n' is not a day of week"),
    ],
)
def test_a_timer_without_a_schedule_is_left_out(
    schedule: str, message: str, start_host: StartHost, tmp_path: Path
) -> None:
    other = '@app.timer_trigger("timer", "0 0 0 1 1 *")\ndef other(timer: func.TimerRequest) -> None: ...\n'
    host = start_host(write_app(tmp_path, TIMER.format(schedule) + other), SCHEDULE="0 0 3 * * *\n")
    host.wait_for("Listening")
    assert message in host.output
    assert "The host starts without it, as on Azure." in host.output
    assert host.matching("Function other")
    assert not host.matching("Function tick: ")
    answer = requests.post(f"{host.url}/admin/functions/tick", json={"input": ""}, timeout=10)
    assert answer.status_code == 404


def test_nothing_there(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(tmp_path)
    assert host.wait() == 1
    assert "There is no host.json" in host.output


def test_port_in_use(start_host: StartHost, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start_host(write_app(tmp_path, ""), "--port", str(port))
        assert host.wait() == 1
    assert f"Port {port} cannot be used" in host.output
    assert "Traceback" not in host.output


def test_wrong_connection_string(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(write_app(tmp_path, QUEUE.format("q", "Wrong")), Wrong="UseDevelopmentStorage")
    assert host.wait() == 1
    assert "The setting Wrong is not a connection string" in host.output
    assert "Traceback" not in host.output


def test_end_of_stdin_ends_the_host(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(write_app(tmp_path, ""), "--exit-with-parent")
    host.wait_for("Listening")
    host.close_stdin()
    assert host.wait(timeout=5) == 1


def test_log_lines(start_host: StartHost, tmp_path: Path) -> None:
    source = "logging.info('quiet')\nlogging.getLogger('mine').warning('loud')\n"
    folder = write_app(tmp_path, source, {"version": "2.0", "logging": {"logLevel": {"default": "Warning"}}})
    host = start_host(folder)
    host.wait_for(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING mine: loud$")
    assert not host.matching("quiet")

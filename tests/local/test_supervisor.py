"""`dev.py start` as its users meet it: what it prints, that it cleans up behind itself, and what it survives."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from local import ROOT, STATE
from local.azurite import connection_string
from local.command_line import parse
from local.ports import free_ports, is_free
from local.run import make_plan

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")


class Started:
    """A running `dev.py start`, on ports of its own."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.port = free_ports(6)
        self.url = f"http://127.0.0.1:{self.port}"
        ports = [f"--port={self.port}", f"--azurite-port={self.port + 1}", f"--receiver-port={self.port + 4}"]
        ports.append(f"--graph-port={self.port + 5}")
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "start", *ports, *(options or ["--in-memory"])],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def ports(self) -> range:
        return range(self.port, self.port + 6)

    def read_until(self, text: str) -> str:
        """The first further line with `text` in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line.strip()
        raise AssertionError(f"it ended without {text!r}:\n{''.join(self.lines)}")

    def host_pid(self) -> int:
        return int((STATE / f"run-{self.port}" / "host.pid").read_text(encoding="ascii"))

    def get(self, path: str, token: str) -> Any:
        answer = requests.get(self.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def started(*options: str, **environment: str) -> Iterator[Started]:
    """A `dev.py start` that is ready; ended at the end, whatever happens."""
    running = Started(*options, **environment)
    with ExitStack() as cleanup:
        assert running.process.stdout is not None
        cleanup.callback(running.process.stdout.close)
        cleanup.callback(running.process.wait, 60)
        cleanup.callback(running.process.terminate)
        running.read_until("Ready: ")
        yield running


def dev_token(*options: str) -> str:
    command = [sys.executable, "-m", "local", "token", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    return result.stdout.strip()


@pytest.fixture(scope="module")
def stack() -> Iterator[Started]:
    with started() as running:
        yield running


def test_is_ready_with_one_line_and_takes_its_own_tokens(stack: Started) -> None:
    assert [line for line in stack.lines if line.startswith("Ready:")] == [f"Ready: {stack.url}\n"]
    assert stack.get("/v1.0/webhooks/types", dev_token("--roles", "Point.Read"))["value"]
    with pytest.raises(requests.HTTPError, match="401"):
        stack.get("/v1.0/webhooks/types", dev_token("--expires-in", "-600"))
    with pytest.raises(requests.HTTPError, match="403"):
        stack.get("/v1.0/options", dev_token("--roles", "Point.Read"))


def test_the_host_writes_to_a_file_and_what_went_wrong_to_the_terminal_too(stack: Started) -> None:
    shown = "".join(stack.lines)
    assert f"The app's log: .local/run-{stack.port}/host.log (here too with --verbose)" in shown
    assert " INFO " not in shown
    assert "settings.dangerous" in shown
    kept = (STATE / f"run-{stack.port}" / "host.log").read_text("utf-8")
    assert f" INFO host: Listening on {stack.url}" in kept
    assert "settings.dangerous" in kept


def test_its_receiver_verifies_what_the_app_sends(stack: Started) -> None:
    endpoint = f"http://127.0.0.1:{stack.port + 4}/status/202"
    headers = {"Authorization": f"Bearer {dev_token()}", "Prefer": "return=representation"}
    registered = requests.post(
        stack.url + "/v1.0/webhooks/endpoints",
        json={"endpoint": endpoint, "types": ["*"]},
        headers=headers,
        timeout=30,
    ).json()
    tested = requests.post(
        f"{stack.url}/v1.0/webhooks/endpoints/{registered['id']}/test", json={}, headers=headers, timeout=30
    )
    assert tested.json()["status"] == 202
    assert "✓ verified" in stack.read_until("receiver: ")


def test_it_scans_the_sites_of_its_graph(stack: Started) -> None:
    (told,) = [line for line in stack.lines if line.startswith("Microsoft Graph: ")]
    graph = re.findall(r"http://[0-9.:]+", told)[0]
    headers = {"Authorization": f"Bearer {dev_token()}"}
    endpoint = f"http://127.0.0.1:{stack.port + 4}/status/204"
    body = {"endpoint": endpoint, "types": ["storage.*"]}
    requests.post(stack.url + "/v1.0/webhooks/endpoints", json=body, headers=headers, timeout=30).raise_for_status()
    change = [{"url": "https://contoso.sharepoint.com/sites/hr", "usedBytes": 25838523252736}]
    requests.patch(graph + "/sites", json=change, timeout=30).raise_for_status()
    requests.post(stack.url + "/admin/functions/scan_storage", json={}, timeout=30).raise_for_status()
    assert "✓ verified · storage.threshold_exceeded" in stack.read_until("/status/204 → 204")


def refused(**ports: int) -> str:
    """What a start on these ports says instead of starting."""
    options = [f"--{name.replace('_', '-')}={port}" for name, port in ports.items()]
    command = [sys.executable, "-m", "local", "start", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_taken_ports_are_told_all_at_once_with_a_command_that_starts(stack: Started) -> None:
    told = refused(port=stack.port + 4, azurite_port=stack.port + 1, receiver_port=stack.port)
    for offset, what in [(4, "the app"), (0, "the receiver"), (1, "Azurite's blob service"), (2, "Azurite's queue")]:
        assert f"  {stack.port + offset} {what}" in told
    options = re.findall(r"(--[a-z-]+) (\d+)", told.rpartition("Free ones: python3 dev.py start ")[2])
    assert [option for option, _ in options] == ["--port", "--azurite-port", "--receiver-port"]
    assert all(is_free(int(port)) for _, port in options)


def test_an_earlier_start_is_recognised(stack: Started) -> None:
    told = refused(port=stack.port)
    assert f"`dev.py start` runs in this folder already, with the app on port {stack.port}" in told
    assert re.search(r"A second one: python3 dev.py start --port \d+$", told.strip())


@pytest.mark.parametrize(("port", "first"), [(7071, 10000), (7171, 10100), (7070, 9999)])
def test_all_ports_follow_the_apps(port: int, first: int) -> None:
    plan = make_plan(ROOT, parse(["start", "--port", str(port)]))
    assert plan.azurite_port == first
    assert str(plan.data) == str(STATE / ("azurite" if first == 10000 else f"azurite-{first}"))
    assert plan.beside == {}


def test_a_port_that_was_chosen_stays() -> None:
    plan = make_plan(ROOT, parse(["start", "--port", "7171", "--azurite-port", "10000"]))
    assert plan.azurite_port == 10000
    assert plan.beside == {"--azurite-port": 10000}


def test_another_shell_gets_its_variables(stack: Started) -> None:
    command = [sys.executable, "-m", "local", "env", f"--port={stack.port}", "--roles=Point.Read"]
    lines = subprocess.run([*command, "--shell=sh"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ask = f'{lines}\nprintf "%s\\n" "$app" "$receiver" "$graph" "$json" "$auth"'
    app, receiver, graph, json_type, auth = subprocess.check_output(["sh", "-c", ask], text=True).splitlines()
    assert (app, receiver) == (stack.url, f"http://127.0.0.1:{stack.port + 4}")
    assert f"Microsoft Graph: a stand-in at {graph} " in "".join(stack.lines)
    assert json_type == "Content-Type: application/json"
    assert stack.get("/v1.0/webhooks/types", auth.removeprefix("Authorization: Bearer "))["value"]


def test_variables_of_nothing_that_runs_are_refused() -> None:
    command = [sys.executable, "-m", "local", "env", f"--port={free_ports()}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert "Run `python3 dev.py start` first." in result.stderr


def test_a_host_that_dies_is_started_again(stack: Started) -> None:
    os.kill(stack.host_pid(), signal.SIGKILL)
    assert "signal 9" in stack.read_until("ended by itself")
    stack.read_until("The function host runs again")
    assert stack.get("/v1.0/webhooks/types", dev_token())["value"]


def test_a_second_one_can_share_its_storage_without_an_azurite_of_its_own(stack: Started) -> None:
    with started(AzureWebJobsStorage=connection_string(stack.port + 1)) as second:
        ours = stack.get("/v1.0/options", dev_token())
        assert second.get("/v1.0/options", dev_token()) == ours
        assert is_free(second.port + 1)
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(60) == 0


def test_a_data_folder_in_use_is_not_shared_and_sigterm_ends_everything_with_0(tmp_path: Path) -> None:
    data = f"--data={tmp_path / 'data'}"
    with started(data) as running:
        other = Started(data)
        assert "Another Azurite uses the data in" in other.process.communicate(timeout=60)[0]
        assert other.process.returncode == 1
        assert running.process.stdout is not None
        running.process.stdout.close()  # that nobody reads any more must not keep it from ending
        running.process.terminate()
        assert running.process.wait(60) == 0
        assert all(is_free(port) for port in running.ports)
    assert any((tmp_path / "data").iterdir())


def test_nothing_outlives_a_supervisor_that_is_killed() -> None:
    with started() as running, ExitStack() as sockets:
        connections = [
            sockets.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for port in running.ports
            if not is_free(port)
        ]
        assert len(connections) == 6
        running.process.kill()
        for connection in connections:
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        left = 100  # a process that ends closes its sockets one by one
        while left and not all(is_free(port) for port in running.ports):
            left -= 1
            threading.Event().wait(0.1)
        assert left


def test_a_host_that_cannot_start_shows_why() -> None:
    running = Started("--in-memory", PYTHON_THREADPOOL_THREAD_COUNT="many")
    shown = running.process.communicate(timeout=60)[0]
    assert running.process.returncode == 1
    assert "PYTHON_THREADPOOL_THREAD_COUNT must be a whole number" in shown
    assert "The function host ended while starting" in shown
    assert all(is_free(port) for port in running.ports)

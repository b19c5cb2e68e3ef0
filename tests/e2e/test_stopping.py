"""`dev.py start` drains on SIGTERM and exits 0, and with the same data it goes on where it stopped."""

import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from doubles.hooks import Answer, Receivers
from local.issuer import read_key
from local.ports import free_ports

from .api import DELIVERIES, Api, custom
from .hosting import ROOT, Process

ISSUER_KEY = ROOT / ".local" / "issuer.pem"


class Dev:
    """`dev.py start` on ports and data of its own."""

    def __init__(self, data: Path) -> None:
        self.port = free_ports(6)
        self._options = [f"--port={self.port}", f"--azurite-port={self.port + 2}", f"--data={data}", "--verbose"]
        self._options += [f"--receiver-port={self.port + 1}", f"--graph-port={self.port + 5}"]

    def start(self) -> Process:
        return Process([sys.executable, "dev.py", "start", *self._options], {"RETRY_DELAYS": "60"})


@pytest.fixture
def dev(tmp_path: Path) -> Dev:
    return Dev(tmp_path / "data")


def test_what_is_under_way_is_finished_and_recorded(dev: Dev, receivers: Receivers) -> None:
    held, failing = receivers.serve().hook(), receivers.serve().hook(Answer(500))
    held.hold()
    with ExitStack() as stack:
        process = dev.start()
        stack.callback(process.kill)
        url = process.wait_for_line("Ready: ", within=60).partition("Ready: ")[2]
        assert url == f"http://127.0.0.1:{dev.port}"
        api = stack.enter_context(closing(Api(url, read_key(ISSUER_KEY))))
        _check_token(api)
        endpoints = [api.register(hook.url, "custom.stopped") for hook in (held, failing)]
        key = api.publish(custom("custom.stopped"))["idempotencyKey"]
        ids = [api.delivery_id(key, endpoint) for endpoint in endpoints]
        held.wait()
        api.ended(ids[1], "pending")
        process.ask_to_stop()
        process.wait_for_line("Stopping: finishing what is in flight")
        held.release()
        assert process.wait() == 0
        assert process.found("delivery.attempted", deliveryId=ids[0], status=200)

        again = dev.start()
        stack.callback(again.kill)
        again.wait_for_line("Ready: ", within=60)
        delivered, waiting = (api.call("GET", f"{DELIVERIES}/{each}").json for each in ids)
        assert (delivered["status"], len(delivered["attempts"])) == ("delivered", 1)
        assert (waiting["status"], len(waiting["attempts"])) == ("pending", 1)
        assert waiting["nextAttemptAt"]
        assert len(held.received) == 1
        assert again.stop() == 0


def _check_token(api: Api) -> None:
    """The app takes a token of the command line, for what it is."""
    command = [sys.executable, "dev.py", "token", "--roles", "Point.Read"]
    token = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    sent: dict[str, str | None] = {"Authorization": f"Bearer {token}"}
    api.call("GET", "/v1.0/webhooks/types", headers=sent)
    api.call("GET", "/v1.0/options", expect=403, headers=sent)

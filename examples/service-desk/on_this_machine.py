#!/usr/bin/env python3
"""The whole round trip on one machine, beside `dev.py start`: a stand-in for the desk, and its bridge.

It files a ticket that is approved already, asks Tenant Hooks for the workspace, which is made in the stand-in for
Microsoft 365, and shows the ticket when the result has come back. Give the ticket a name that is taken (Finance) to see
a failure.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

from service_desk.desk import Outcome, Rest
from service_desk.hooks import Hooks
from service_desk.inbox import Inbox
from service_desk.jira import Jira
from service_desk.receiving import Receiver, Work
from service_desk.round_trip import TYPES, approve, noting
from service_desk.servicenow import ServiceNow
from standins.desk_server import DeskServer
from standins.jira import JiraServer
from standins.servicenow import ServiceNowServer

PATIENCE_SECONDS = 60
TEMPLATE = "service-desk"
DESKS: dict[str, tuple[type[ServiceNowServer] | type[JiraServer], type[ServiceNow] | type[Jira], str]] = {
    "servicenow": (ServiceNowServer, ServiceNow, "INC{:010d}"),
    "jira": (JiraServer, Jira, "OPS-{}"),
}


class Admin:
    """The calls that an admin makes once: a template, a receiver, and its secret handed over."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def make_template(self) -> None:
        body = {"name": "What the service desk asks for", "kind": "teams"}
        self._call("PUT", f"/v1.0/provision/templates/{TEMPLATE}", json=body)

    def register(self, url: str, *types: str) -> tuple[str, str]:
        """The endpoint's id and secret."""
        path = "/v1.0/webhooks/endpoints"
        body = {"endpoint": url, "types": list(types), "format": "point"}
        endpoint = self._call("POST", path, json=body, headers={"Prefer": "return=representation"})
        return endpoint["id"], self._call("GET", f"{path}/{endpoint['id']}/secret")["secret"]

    def delete(self, endpoint_id: str) -> None:
        self._call("DELETE", f"/v1.0/webhooks/endpoints/{endpoint_id}")

    def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._session.request(method, self._base + path, timeout=60, **more)
        except requests.ConnectionError:
            raise SystemExit(f"Nothing answers at {self._base}. Start the app: python3 dev.py start") from None
        if not answer.ok:
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None


@contextlib.contextmanager
def received(admin: Admin, inbox: Inbox, work: Work, *types: str) -> Iterator[None]:
    """A registered receiver, listening meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint_id, secret = admin.register(f"http://127.0.0.1:{port}/", *types)
    receiver = Receiver(secret, inbox, work, port=port)
    thread = threading.Thread(target=receiver.run)
    thread.start()
    try:
        yield
    finally:
        receiver.stop()
        thread.join()
        admin.delete(endpoint_id)


@contextlib.asynccontextmanager
async def serving(server: DeskServer, app: web.Application) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = "http://{}:{}".format(*runner.addresses[0])
        yield
    finally:
        await runner.cleanup()


async def show(desk_name: str, workspace: str | None, base: str, token: str) -> bool:
    """Whether the ticket got its result. Without a name the workspace has the ticket's."""
    make_server, make_desk, numbered = DESKS[desk_name]
    ticket = numbered.format(int(time.time()))  # a new one each time: the app remembers the keys of earlier ones
    workspace = workspace or f"Project {ticket}"
    server = make_server()
    server.file(ticket, workspace)
    admin, hooks = Admin(base, token), Hooks(base, lambda: token, TEMPLATE)
    admin.make_template()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        async with serving(server, server.make()):
            desk = make_desk(Rest(server.url, server.user, server.password))
            loop, done = asyncio.get_running_loop(), asyncio.Event()

            def note(key: str, event: dict[str, Any]) -> Outcome:
                outcome = noting(desk)(key, event)
                if event["type"] != "ProvisioningStarted" and outcome.state == "noted":
                    loop.call_soon_threadsafe(done.set)
                return outcome

            stack.enter_context(received(admin, Inbox(Path(folder) / "inbox.sqlite"), note, *TYPES))
            request_id = await asyncio.to_thread(approve, desk, hooks, ticket)
            print(f"Approved {ticket} for “{workspace}”: request {request_id}.")
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await done.wait()
            except TimeoutError:
                print(f"No result came within {PATIENCE_SECONDS} s.", file=sys.stderr)
                return False
            print(ticket_text(server))
            await asyncio.to_thread(stack.close)
    return True


def ticket_text(server: ServiceNowServer | JiraServer) -> str:
    """The ticket as its readers see it."""
    if isinstance(server, ServiceNowServer):
        incident = next(iter(server.incidents.values()))
        states = {"1": "New", "2": "In Progress", "6": "Resolved"}
        return f"\n{incident['number']}: {states[incident['state']]}\n\n{incident['work_notes']}"
    key, issue = next(iter(server.issues.items()))
    return "\n\n".join([f"\n{key}: {issue.status}", *issue.texts])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("desk", choices=DESKS)
    parser.add_argument("workspace", nargs="?", help="its name (default: the ticket's number)")
    parser.add_argument("--app", default="http://127.0.0.1:7071", help="the running app (default %(default)s)")
    arguments = parser.parse_args()
    token = os.environ.get("TENANT_HOOKS_TOKEN")
    if not token:
        print("Set TENANT_HOOKS_TOKEN to what `python3 dev.py token` prints.", file=sys.stderr)
        return 1
    return 0 if asyncio.run(show(arguments.desk, arguments.workspace, arguments.app, token)) else 1


if __name__ == "__main__":
    sys.exit(main())

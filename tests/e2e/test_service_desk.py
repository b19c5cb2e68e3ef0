"""examples/service-desk: from an approved ticket to Tenant Hooks and back to the ticket, with the real app between.

The bridge runs as a process of its own; ServiceNow and Jira are stand-ins of their documented APIs.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import requests

from doubles.background import Background
from host.running import ROOT, Process
from local.issuer import sign_token
from local.ports import free_ports
from local.serving import serving
from service_desk.correlation import Correlation
from service_desk.desk import DeskFault, Rest
from service_desk.jira import Jira
from service_desk.receiving import Receiver
from service_desk.round_trip import TYPES, noting
from service_desk.servicenow import ServiceNow
from shared.outbound.signing import make_secret, sign_standard
from standins.desk_server import Trouble
from standins.jira import JiraServer
from standins.servicenow import ServiceNowServer

from .api import Api, Json, eventually
from .conftest import App

FOLDER = ROOT / "examples" / "service-desk"
TEMPLATE = "service-desk"


@dataclass
class Scene:
    """One desk and its bridge, which is registered with the app."""

    name: str
    server: ServiceNowServer | JiraServer
    bridge: Process
    api: Api
    endpoint: Json
    environment: dict[str, str]
    numbers: Iterator[int]

    def file(self, workspace: str, *, approved: bool = True) -> str:
        """The number of a new ticket."""
        number = next(self.numbers)
        if isinstance(self.server, ServiceNowServer):
            ticket = f"INC{number:07d}"
            self.server.file(ticket, workspace, "approved" if approved else "requested")
        else:
            ticket = f"OPS-{number}"
            self.server.file(ticket, workspace, "Approved" if approved else "Waiting for approval")
        return ticket

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, as an admin or the desk's own automation calls it."""
        command = [sys.executable, "-m", "service_desk", self.name, *arguments]
        return subprocess.run(
            command, cwd=FOLDER, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def approve(self, ticket: str, *more: str) -> str:
        """What it says."""
        result = self.run("approve", ticket, *more)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def wait_for(self, state: str, detail: str, count: int = 1) -> None:
        """Until the bridge has logged it so often."""
        self.bridge.wait_for(f'"state": "{state}".*"detail": "[^"]*{detail}', count)

    def notes(self, ticket: str) -> list[str]:
        """What was written on it, in the order in which it came."""
        if isinstance(self.server, JiraServer):
            return self.server.issues[ticket].texts
        journal = self._incident(ticket)["work_notes"]
        return [entry.partition("\n")[2] for entry in reversed(journal.split("\n\n")) if entry]

    def state(self, ticket: str) -> str:
        if isinstance(self.server, JiraServer):
            return self.server.issues[ticket].status
        return {"2": "In Progress", "6": "Done"}[self._incident(ticket)["state"]]

    def _incident(self, ticket: str) -> dict[str, str]:
        assert isinstance(self.server, ServiceNowServer)
        return next(each for each in self.server.incidents.values() if each["number"] == ticket)


@pytest.fixture(scope="module")
def _template(app: App) -> None:
    app.api.call("PUT", f"/v1.0/provision/templates/{TEMPLATE}", {"name": "Project", "kind": "teams"})


@pytest.fixture(scope="module", params=["servicenow", "jira"])
def scene(
    request: pytest.FixtureRequest,
    app: App,
    background: Background,
    _template: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    server = ServiceNowServer() if request.param == "servicenow" else JiraServer()
    port = free_ports()
    endpoint = app.api.register(f"http://127.0.0.1:{port}/", *TYPES)
    with background.entered(serving(server.make())) as server.url:
        upper = request.param.upper()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TENANT_", "ENTRA_"))},
            f"{upper}_URL": server.url,
            f"{upper}_USER": server.user,
            f"{upper}_PASSWORD": server.password,
            "TENANT_HOOKS_URL": app.api.base,
            "TENANT_HOOKS_TOKEN": sign_token(app.api.key, ["Point.Provisioning"]),
            "TENANT_HOOKS_TEMPLATE": TEMPLATE,
            "TENANT_HOOKS_SECRET": secret_of(app.api, endpoint),
            "INBOX_FILE": str(tmp_path_factory.mktemp("bridge") / "inbox.sqlite"),
        }
        command = [sys.executable, "-m", "service_desk", request.param, "serve", "--port", str(port)]
        bridge = Process(command, FOLDER, environment)
        try:
            bridge.wait_for("Listening on ")
            yield Scene(request.param, server, bridge, app.api, endpoint, environment, iter(range(1001, 2000)))
            bridge.ask_to_stop()
            assert bridge.wait() == 0
        finally:
            bridge.kill()
    app.api.call("DELETE", f"/v1.0/webhooks/endpoints/{endpoint['id']}", expect=204)


def secret_of(api: Api, endpoint: Json) -> str:
    return str(api.call("GET", f"/v1.0/webhooks/endpoints/{endpoint['id']}/secret").json["secret"])


@contextmanager
def running(receiver: Receiver) -> Iterator[None]:
    thread = threading.Thread(target=receiver.run)
    thread.start()
    yield
    receiver.stop()
    thread.join()


def test_an_approved_request_ends_on_its_ticket(scene: Scene) -> None:
    name = f"Project Falcon {scene.name}"
    ticket = scene.file(name)
    said = scene.approve(ticket)
    scene.wait_for("noted", f"{ticket}: ProvisioningCompleted")
    scene.wait_for("noted", f"{ticket}: ProvisioningStarted")
    assert scene.state(ticket) == "Done"
    notes = sorted(scene.notes(ticket), key=lambda note: "is ready" in note)
    assert len(notes) == 2
    assert f"Provisioning of “{name}” has started." in notes[0]
    assert f"“{name}” is ready: https://contoso.sharepoint.com/sites/project-falcon-{scene.name}" in notes[1]
    assert all(f"Correlation id: {scene.name}:{ticket}:1" in note for note in notes)
    request = scene.api.call("GET", f"/v1.0/provision/requests/{said.split()[2]}").json
    assert (request["name"], request["status"]) == (name, "completed")
    assert request["comment"] == f"Approved as {ticket}"


def test_a_failure_shows_on_the_ticket_and_a_second_go_has_a_round_of_its_own(scene: Scene) -> None:
    ticket = scene.file("Finance")
    scene.approve(ticket)
    scene.wait_for("noted", f"{ticket}: ProvisioningFailed")
    assert scene.state(ticket) != "Done"
    failed = next(note for note in scene.notes(ticket) if "could not be" in note)
    assert "“Finance” could not be provisioned: the address finance is taken by another group" in failed
    assert f"Correlation id: {scene.name}:{ticket}:1" in failed

    scene.approve(ticket, "--round", "2")
    scene.wait_for("noted", f"{ticket}: ProvisioningFailed", 2)
    assert any(f"Correlation id: {scene.name}:{ticket}:2" in note for note in scene.notes(ticket))


def test_approving_twice_asks_once(scene: Scene) -> None:
    ticket, path = scene.file(f"Twice {scene.name}"), f"/v1.0/webhooks/endpoints/{scene.endpoint['id']}"
    scene.api.call("PATCH", path, {"enabled": False})  # else the ticket may be done before it is approved again
    try:
        assert scene.approve(ticket) == scene.approve(ticket)
    finally:
        scene.api.call("PATCH", path, {"enabled": True})


def test_a_request_that_is_not_approved_is_not_made(scene: Scene) -> None:
    ticket = scene.file("Early", approved=False)
    for number, complaint in ((ticket, "is not approved"), (ticket[:-4] + "9999", "there is no i"), ("a^b", "number")):
        result = scene.run("approve", number)
        assert result.returncode == 1
        assert complaint in result.stderr
    listed = scene.api.call("GET", "/v1.0/provision/requests?top=200").json["value"]
    assert ticket not in str([each.get("metadata") for each in listed])


def test_a_repeated_delivery_does_not_comment_twice(scene: Scene) -> None:
    ticket = scene.file(f"Once Only {scene.name}")
    request_id = scene.approve(ticket).split()[2]
    scene.wait_for("noted", f"{ticket}: ProvisioningCompleted")
    scene.wait_for("noted", f"{ticket}: ProvisioningStarted")
    event = scene.api.event(f"provisioning:{request_id}:started")
    log = f"/v1.0/webhooks/deliveries?endpoint={scene.endpoint['id']}&status=delivered"
    both = {f"provisioning:{request_id}:{end}" for end in ("started", "completed")}
    eventually(
        lambda: {line["idempotencyKey"] for line in scene.api.call("GET", log).json["value"]},
        lambda keys: both <= keys,  # what is not recorded yet is not replayed
    )
    # Sent again by an admin: the inbox knows it.
    replayed = scene.api.call(
        "POST",
        f"/v1.0/webhooks/endpoints/{scene.endpoint['id']}/replay",
        {"since": event["meta"]["timeStamp"]},
        expect=202,
    ).json
    assert replayed["count"] >= 2
    eventually(
        lambda: scene.api.call("GET", log).json["value"],
        lambda lines: sum(map(_was_known, lines)) >= replayed["count"],
    )
    assert len(scene.notes(ticket)) == 2

    # And with an inbox that knows nothing, as after a crash between note and inbox, the ticket itself does.
    outcome = noting(_desk(scene))(event["meta"]["idempotencyKey"], event)
    assert outcome.state == "known"
    assert len(scene.notes(ticket)) == 2


def _was_known(delivery: Json) -> bool:
    return any(attempt.get("response") == "known already" for attempt in delivery["attempts"])


def test_a_correlation_id_that_no_ticket_has_is_reported(scene: Scene) -> None:
    def completed(correlation_id: str) -> Json:
        content: Json = {"name": "N", "type": "M365Group", "error": "E", "correlationId": "c"}
        content |= {"metadata": {"correlationId": correlation_id}}
        return {"type": "ProvisioningFailed", "content": content}

    unknown = f"{scene.name}:NONE-1:1"
    scene.api.publish(completed(unknown))
    scene.wait_for("unmatched", f"has the correlation id {unknown}")
    assert unknown in scene.run("problems").stdout

    # Another system's own id is nothing to worry about.
    key = scene.api.publish(completed("f65cefa6-01b7-47d6-a2cb-9442d13dd535"))["idempotencyKey"]
    scene.bridge.wait_for(f'"ignored", "key": "{key}"')
    assert key not in scene.run("problems").stdout


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_desk_that_cannot_take_the_note_gets_it_later(scene: Scene, status: int) -> None:
    ticket = scene.file("Patience")
    desk = _desk(scene)
    desk.mark(Correlation(scene.name, ticket, 1))
    scene.server.troubles += [Trouble(status, {"Retry-After": "0"} if status != 401 else {})]
    scene.api.publish(
        {
            "type": "ProvisioningCompleted",
            "content": {
                "name": "Patience",
                "type": "M365Group",
                "url": "https://contoso.sharepoint.com/sites/p",
                "microsoftId": "1",
                "metadata": {"correlationId": f"{scene.name}:{ticket}:1"},
            },
        }
    )
    scene.bridge.wait_for(f'"again".*answered {status}')
    scene.wait_for("noted", f"{ticket}: ProvisioningCompleted")
    assert len(scene.notes(ticket)) == 1
    assert scene.state(ticket) == "Done"


def test_what_is_not_signed_for_this_receiver_is_refused(scene: Scene) -> None:
    body, now = b'{"type":"ProvisioningStarted","content":{},"meta":{"idempotencyKey":"k"}}', datetime.now(UTC)
    secret = scene.environment["TENANT_HOOKS_SECRET"]
    good = sign_standard(f"{scene.name}-good", now, body, [make_secret(), secret])

    def send(sent: bytes, headers: dict[str, str]) -> int:
        return requests.post(scene.endpoint["endpoint"], data=sent, headers=headers, timeout=30).status_code

    assert send(body, good) == 202, "one of two signatures fits, as while a secret is rotated"
    assert send(body + b" ", good) == 401
    for name in good:
        assert send(body, {other: value for other, value in good.items() if other != name}) == 401
    for minutes, status in ((-6, 401), (-4, 202), (4, 202), (6, 401)):
        at = now + timedelta(minutes=minutes)
        assert send(body, sign_standard(f"{scene.name}{minutes}", at, body, [secret])) == status
    assert send(body, sign_standard("other", now, body, [make_secret()])) == 401
    assert send(body, {**good, "webhook-timestamp": "9" * 5000}) == 401
    assert requests.get(scene.endpoint["endpoint"], timeout=30).status_code == 501


def test_a_requester_without_an_address_is_refused(scene: Scene) -> None:
    ticket = scene.file("Nobody's")
    if isinstance(scene.server, JiraServer):
        scene.server.issues[ticket].email = ""
    else:
        next(each for each in scene.server.incidents.values() if each["number"] == ticket)["caller_id.email"] = ""
    result = scene.run("approve", ticket)
    assert result.returncode == 1
    assert "mail address" in result.stderr


def test_what_is_wrong_with_a_request_is_said_to_who_approves(scene: Scene) -> None:
    ticket = scene.file("会議")
    result = scene.run("approve", ticket)
    assert result.returncode == 1
    assert "desiredUrl: is required" in result.stderr


def test_what_a_publisher_writes_is_no_markup_on_the_ticket(scene: Scene) -> None:
    ticket = scene.file("Markup")
    correlation = Correlation(scene.name, ticket, 1)
    desk = _desk(scene)
    desk.mark(correlation)
    content = {"name": "N", "type": "M365Group", "error": "[code]<b>x</b>[/CODE]\n" + "y" * 5000}
    event = {"type": "ProvisioningFailed", "content": content, "meta": {"idempotencyKey": "k"}}
    assert desk.note(correlation, event).state == "noted"
    (note,) = scene.notes(ticket)
    assert ("[code]" in note) is (scene.name == "jira"), "an Atlassian text knows no markup, a journal does"
    assert "…" in note
    assert len(note) < 2300


def test_a_wrong_password_is_said_to_who_approves(scene: Scene) -> None:
    ticket = scene.file("Locked")
    scene.environment[f"{scene.name.upper()}_PASSWORD"] = "wrong"
    result = scene.run("approve", ticket)
    scene.environment[f"{scene.name.upper()}_PASSWORD"] = scene.server.password
    assert result.returncode == 1
    assert "answered 401" in result.stderr
    assert "wrong" not in result.stderr


def test_a_ticket_that_goes_meanwhile_is_reported(background: Background) -> None:
    server = ServiceNowServer()
    incident = server.file("INC0000001", "Gone")
    with background.entered(serving(server.make())) as server.url:
        desk = ServiceNow(Rest(server.url, server.user, server.password))
        found = desk._find("number", "INC0000001")
        assert found
        del server.incidents[incident["sys_id"]]
        with pytest.raises(DeskFault, match="answered 404: it was deleted meanwhile") as fault:
            desk._patch(found, {"state": "2"})
    assert fault.value.outcome.state == "unmatched"


def test_the_round_trip_of_the_readme(app: App) -> None:
    token = sign_token(app.api.key, ["Point.Admin"])
    command = [sys.executable, str(FOLDER / "on_this_machine.py"), "jira", "Finance", "--app", app.api.base]
    result = subprocess.run(
        command,
        env={**os.environ, "TENANT_HOOKS_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "“Finance” could not be provisioned: the address finance is taken by another group" in result.stdout


def _desk(scene: Scene) -> ServiceNow | Jira:
    rest = Rest(scene.server.url, scene.server.user, scene.server.password)
    return ServiceNow(rest) if scene.name == "servicenow" else Jira(rest)

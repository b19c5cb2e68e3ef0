"""The whole app at debug level, with marked secrets everywhere; each may be only where it belongs."""

import base64
import json
import secrets
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from doubles.hooks import MARK, Answer, Hook, Receiver, Receivers
from local.issuer import sign_token

from .api import DELIVERIES, ENDPOINTS, Api, Json, eventually
from .conftest import Issuer, MakeSettings, MakeStorage, Storage
from .hosting import QUEUES, Host, hosting
from .identity import Identity

TYPE = "custom.redacted"
HELD_BACK = ("exhausted", "sweep")
DEBUG = {"AzureFunctionsJobHost__logging__logLevel__default": "Debug", f"{QUEUES}maxPollingInterval": "00:00:00.2"}
OPTIONS = "/v1.0/options"


def mark(name: str) -> str:
    return f"{name}-{secrets.token_hex(8)}"


@dataclass
class Traces:
    """What the run left behind, and the marks by what they stand for."""

    marks: dict[str, str]
    output: str = ""
    errors: list[str] = field(default_factory=list)
    rows: dict[str, list[str]] = field(default_factory=dict)
    """By table, without its week."""
    messages: dict[str, list[str]] = field(default_factory=dict)
    """By queue."""
    received: list[str] = field(default_factory=list)
    """Headers and bodies, at the receivers."""


class Run:
    """Drives the app and keeps what it shows."""

    def __init__(self, storage: Storage, issuer: Issuer, receiver: Receiver) -> None:
        self.storage = storage
        self.issuer = issuer
        self.receiver = receiver
        self.path, self.content, self.answer, self.header = map(mark, ("PATH", "CONTENT", "ANSWER", "HEADER"))
        self.marks = {"query": MARK, "path": self.path, "content": self.content, "answer": self.answer}
        self.marks |= {"header": self.header, "malformed": mark("MALFORMED")}
        self.traces = Traces(self.marks)
        self.hooks: list[Hook] = []

    def secret(self, name: str) -> str:
        """A new mark."""
        value = mark(name)
        self.keep_secret(name, value)
        return value

    def keep_secret(self, name: str, value: str) -> None:
        self.marks[f"{name} {len(self.marks)}"] = value

    def hook(self, *answers: int | Answer) -> Hook:
        self.hooks.append(self.receiver.hook(*answers, suffix=f"/{self.path}"))
        return self.hooks[-1]

    def api(self, host: Host) -> Api:
        api = Api(host.url, self.issuer.key)
        self.keep_secret("token", api._token)
        return api

    def event(self, **more: Any) -> Json:
        return {"type": TYPE, "content": {"password": self.content, "n": 1}, **more}

    def refused(self, api: Api, status: int, method: str, path: str, body: Any = None, **more: Any) -> None:
        headers = {"X-Secret": self.header, "Idempotency-Key": self.header} | more.pop("headers", {})
        self.traces.errors.append(api.call(method, path, body, expect=status, headers=headers, **more).text)

    def peek(self, queue: str) -> None:
        """Keeps the messages that can be seen now."""
        with QueueServiceClient.from_connection_string(self.storage.connection) as service:
            found = service.get_queue_client(queue).peek_messages(32)
            self.traces.messages[queue] = [str(message.content) for message in found]

    def put(self, queue: str, text: str) -> None:
        with QueueServiceClient.from_connection_string(self.storage.connection) as service:
            service.get_queue_client(queue).send_message(text)

    def read_tables(self) -> None:
        with TableServiceClient.from_connection_string(self.storage.connection) as service:
            for table in service.list_tables():
                found = service.get_table_client(table.name).list_entities()
                rows = ["\n".join(_text(value) for value in row.values()) for row in found]
                self.traces.rows.setdefault(table.name.rstrip("0123456789"), []).extend(rows)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def register_and_publish(run: Run, api: Api) -> list[Json]:
    """With nothing dispatched yet, so that the messages can be seen."""
    bad = run.hook(Answer(500, body=run.answer, headers={"X-Secret": run.header, "Location": f"/{run.path}"}))
    hang_up, good = run.hook(Answer(hang_up=True)), run.hook(Answer(200, body=run.answer))
    nobody = f"http://127.0.0.1:9/{run.path}?code={MARK}"
    endpoints = [api.register(url, TYPE) for url in (bad.url, hang_up.url, good.url, nobody)]
    api.register(good.url, TYPE, "webhook.*")
    endpoints += [register_with_auth(run, api, auth) for auth in auths(run)]
    for endpoint in endpoints:
        path = f"{ENDPOINTS}/{endpoint['id']}/secret"
        run.keep_secret("endpoint secret", api.call("GET", path).json["secret"])
    rotated = api.call("POST", f"{ENDPOINTS}/{endpoints[0]['id']}/secret/rotate").json["secret"]
    run.keep_secret("endpoint secret", rotated)
    for name in ("webhooksSignatureAuthenticationKey", "nextWebhooksSignatureAuthenticationKey"):
        run.keep_secret("signature key", api.call("POST", f"{OPTIONS}/signature-key/rotate").json[name])
    run.keep_secret("signature key", api.call("GET", OPTIONS).json["nextWebhooksSignatureAuthenticationKey"])
    api.publish(run.event(meta={"idempotencyKey": "inline"}), traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    api.publish(run.event(meta={"idempotencyKey": "large"}, content={"x": run.content + "x" * 60_000}))
    be_refused(run, api, endpoints[0], nobody)
    run.peek("deliveries")
    return endpoints


def auths(run: Run) -> list[Json]:
    """Ways for deliveries to prove themselves, each with secrets."""
    password, basic = run.secret("PASSWORD"), run.secret("HEADER")
    run.keep_secret("basic", base64.b64encode(f"desk:{password}".encode()).decode())
    return [
        {"type": "headers", "headers": {"X-Token": run.secret("HEADER"), "Authorization": run.secret("HEADER")}},
        {"type": "basic", "username": "desk", "password": password, "headers": {"X-Token": basic}},
        {"type": "entra", "audience": "api://nobody", "headers": {"X-Token": run.secret("HEADER")}},
        {"type": "entra", "audience": "api://desk", "headers": {"X-Token": run.secret("HEADER")}},
    ]


def register_with_auth(run: Run, api: Api, auth: Json) -> Json:
    """Every answer that shows the endpoint is kept with the errors: it may hold none of these marks."""
    hook = run.hook(Answer(401, body=run.answer, headers={"X-Secret": run.header}))
    template = {"template": {"routing_key": run.secret("SETTINGS"), "type": "{{type}}"}}
    endpoint = api.register(hook.url, TYPE, auth=auth, format="template", settings=template)
    for shown in (endpoint, api.call("PATCH", f"{ENDPOINTS}/{endpoint['id']}", {"name": "desk"}).json):
        run.traces.errors.append(json.dumps(shown["auth"]))
    return endpoint


def be_refused(run: Run, api: Api, endpoint: Json, nobody: str) -> None:
    """In every way in which a request with secrets can be wrong."""
    url, at = endpoint["endpoint"], f"{ENDPOINTS}/{endpoint['id']}"
    for wrong in (
        nobody.replace("9/", "x/"),
        nobody + "#x",
        nobody.replace("//", "//u:p@"),
        nobody + "\t",
        "ftp" + nobody,
    ):
        run.refused(api, 400, "POST", ENDPOINTS, {"endpoint": wrong, "types": ["*"]})
        run.refused(api, 404, "DELETE", f"{ENDPOINTS}?endpoint={wrong.replace('#', '%23')}")
    run.refused(api, 400, "POST", ENDPOINTS, {"endpoint": [url], "types": [{"x": run.content}], "enabled": run.content})
    run.refused(api, 400, "POST", ENDPOINTS, {"endpoint": url, "types": ["*"], "format": run.content, "secret": "x"})
    run.refused(api, 400, "PATCH", at, {"endpoint": url})
    for auth in (
        {"type": "headers", "headers": {"Host": run.content}},
        {"type": "headers", "headers": {"X-Token": run.content + "\n"}},
        {"type": "basic", "username": "a:b", "password": run.content},
        {"type": "basic", "username": "a", "secret": run.content},
        {"type": "entra", "audience": "https://graph.microsoft.com", "headers": {"X": run.content}},
        {"headers": {"X-Token": run.content}},
        [run.content],
    ):
        run.refused(api, 400, "PATCH", at, {"auth": auth})
        run.refused(api, 400, "POST", ENDPOINTS, {"endpoint": url, "auth": auth})
    run.refused(api, 400, "PATCH", at, {"format": "jira", "settings": {"projectKey": [run.content], "x": run.content}})
    run.refused(api, 400, "PATCH", at, {"settings": {"x": run.content}})
    run.refused(api, 400, "PATCH", at, {"minSeverity": run.content, "sites": run.content})
    run.refused(api, 400, "POST", f"{at}/replay", {"since": run.content})
    run.refused(api, 400, "POST", f"{at}/replay", {"since": "2026-01-01T00:00:00Z", "continuation": run.content})
    for event in (
        run.event(severity=run.content),
        run.event(tenant={"id": ["x", run.content]}),
        run.event(meta={"timeStamp": run.content, "idempotencyKey": run.content + "?"}),
        {"type": "storage.threshold_exceeded", "content": {"siteUrl": url, "threshold": run.content, "quota": url}},
        {"type": "ProvisioningStarted", "content": {"requestedOn": run.content}},
        [run.event(), run.event(severity=run.content)],
    ):
        run.refused(api, 400, "POST", "/v1.0/events", event)
    run.refused(
        api, 409, "POST", "/v1.0/events", run.event(meta={"idempotencyKey": "inline"}, content={"x": run.content})
    )
    text = json.dumps(run.event())
    for broken in (text[:-2], text.replace(": 1", ": NaN"), text.replace("1}", "1" * 400 + "}"), text + text):
        run.refused(api, 400, "POST", "/v1.0/events", data=broken)
    run.refused(api, 415, "POST", "/v1.0/events", data=text, headers={"Content-Type": f"text/{run.header}"})
    run.refused(api, 413, "POST", "/v1.0/events", run.event(content={"x": run.content * 12_000}))
    run.refused(api, 404, "GET", f"/{run.path}?code={MARK}")
    run.refused(api, 405, "PUT", f"{ENDPOINTS}?code={MARK}", {"x": run.content})
    run.refused(api, 404, "GET", f"{DELIVERIES}/{run.path}")
    run.refused(api, 400, "GET", f"{DELIVERIES}?status=failed&continuation={run.path}&top={MARK}")
    stale = sign_token(run.issuer.key, ["Point.Admin"], -600)
    for status, token in ((401, stale), (401, stale[:-9]), (401, run.header), (403, sign_token(run.issuer.key, []))):
        run.keep_secret("token", token)
        run.refused(api, status, "GET", f"{ENDPOINTS}?code={MARK}", headers={"Authorization": f"Bearer {token}"})


def deliver(run: Run, api: Api, host: Host, endpoints: list[Json]) -> None:
    """Success, failure, exhaustion, the alert log; then retry, replay, a test event and malformed messages."""
    for key in ("inline", "large"):
        api.ended(api.delivery_id(key, endpoints[2]), "delivered")
    failing = [
        api.delivery_id(key, endpoint) for key in ("inline", "large") for endpoint in (*endpoints[:2], *endpoints[3:])
    ]
    host.wait_until(lambda: all(len(host.found("delivery.attempted", deliveryId=each)) == 2 for each in failing))
    run.put("deliveries", json.dumps({"v": 1, "x": run.marks["malformed"]}))
    run.put("deliveries", run.marks["malformed"])
    eventually(lambda: count(run, "deliveries-poison"), lambda messages: messages == len(failing) + 2)
    run.peek("deliveries-poison")
    api.call("POST", "/admin/functions/sweep", {}, expect=202, headers={"Authorization": None})
    host.wait_for_count("delivery.exhausted", len(failing), within=20)
    host.wait_for_count("poison.malformed", 2)
    api.call("POST", f"{DELIVERIES}/{failing[0]}/retry", expect=202)
    replayed = {"since": endpoints[0]["createdAt"], "status": "failed"}
    api.call("POST", f"{ENDPOINTS}/{endpoints[1]['id']}/replay", replayed, expect=202)
    for endpoint in endpoints:
        api.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test")
    host.wait_until(lambda: len(host.found("delivery.attempted", deliveryId=failing[0])) >= 3)
    run.hooks[1].answer(410)
    host.wait_for("endpoint.disabled")


def count(run: Run, queue: str) -> int:
    with QueueServiceClient.from_connection_string(run.storage.connection) as service:
        try:
            return service.get_queue_client(queue).get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:  # made when the first message is put
            return 0


@pytest.fixture(scope="module")
def traces(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers, identity: Identity
) -> Traces:
    storage = make_storage()
    run = Run(storage, issuer, receivers.serve())
    settings = make_settings(storage, RETRY_DELAYS="1", BREAKER_PROBE_SECONDS="1", **DEBUG, **identity.settings)
    run.keep_secret("token of the app", identity.mark)
    run.keep_secret("identity header", identity.header)
    run.keep_secret("SECRETS_KEY", settings["SECRETS_KEY"])
    account_key = next(part for part in storage.connection.split(";") if part.startswith("AccountKey="))
    run.keep_secret("storage key", account_key.removeprefix("AccountKey="))
    settings |= {f"AzureWebJobs.{name}.Disabled": "true" for name in HELD_BACK}
    with hosting({**settings, "AzureWebJobs.dispatch.Disabled": "true"}) as host, closing(run.api(host)) as api:
        endpoints = register_and_publish(run, api)
    run.traces.output += host.output
    with hosting(settings) as host, closing(run.api(host)) as api:
        deliver(run, api, host, endpoints)
    run.traces.output += host.output
    run.read_tables()
    for hook in run.hooks:
        for received in hook.received:
            run.traces.received += [*received.headers.values(), received.body.decode()]
            if "Signature" in received.headers:  # of the formats point and spscan
                run.keep_secret("signature", received.headers["Signature"])
            run.keep_secret("signature", received.headers["webhook-signature"].split(",", 1)[1].split(" ")[0])
    return run.traces


def holds(traces: Traces, texts: list[str] | str, *allowed: str) -> dict[str, str]:
    """The marks in these texts besides the allowed ones, each with what stands before it."""
    text = texts if isinstance(texts, str) else "\n".join(texts)
    return {
        name: text[max(0, text.index(value) - 200) : text.index(value) + 40]
        for name, value in traces.marks.items()
        if value in text and name not in allowed
    }


def test_the_secrets_of_endpoints_went_to_their_receivers(traces: Traces) -> None:
    """So that the other tests look for something that was there."""
    found = {name.partition(" ")[0] for name in holds(traces, traces.received)}
    assert {"HEADER", "SETTINGS", "basic", "token"} <= found


def test_no_mark_is_in_the_log(traces: Traces) -> None:
    assert " DEBUG " in traces.output
    assert '"delivery.attempted"' in traces.output
    assert holds(traces, traces.output) == {}


def test_no_mark_is_in_an_error(traces: Traces) -> None:
    assert len(traces.errors) > 30
    assert holds(traces, traces.errors) == {}


def test_marks_in_tables_are_event_content_answers_and_malformed_messages(traces: Traces) -> None:
    allowed = {
        "endpoints": [],
        "options": [],
        "notices": [],
        "counts": [],
        "events": ["content"],
        "deliveries": ["answer"],
        "failures": ["answer", "malformed"],
    }
    assert traces.rows.keys() | {"counts"} == allowed.keys(), "counts are noted some seconds later"
    found = {table: holds(traces, rows, *allowed[table]) for table, rows in traces.rows.items()}
    assert not any(found.values()), found
    for table, names in allowed.items():
        for name in names:
            assert any(traces.marks[name] in row for row in traces.rows[table]), f"the test put no {name} into {table}"


def test_marks_in_messages_are_event_content_and_malformed_messages(traces: Traces) -> None:
    assert {name: len(found) > 3 for name, found in traces.messages.items()} == {
        "deliveries": True,
        "deliveries-poison": True,
    }
    assert holds(traces, traces.messages["deliveries"], "content") == {}
    assert holds(traces, traces.messages["deliveries-poison"], "content", "malformed") == {}

"""examples/receivers: the Python and the Node one, as processes of their own, with real deliveries of the app."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import requests
from aiohttp import web
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from doubles.background import Background
from host.running import ROOT, Host, Process, host_environment
from local.ports import free_ports
from local.serving import serving
from shared.outbound.signing import make_secret, sign_standard

from .api import ENDPOINTS, Api, Json, custom
from .conftest import App, Storage

EXAMPLES = ROOT / "examples" / "receivers"
TYPE = "custom.example"
Start = Callable[[str], Process]
"""Starts the example with this secret."""


@dataclass
class Relay:
    """Stands between the app and the example, and keeps what it passes on. `losing` keeps answers from the app."""

    target: str
    losing: set[str] = field(default_factory=set)
    url: str = ""
    passed: list[tuple[Mapping[str, str], bytes, int]] = field(default_factory=list)
    """Headers, body, and what the example answered."""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/", self._pass)
        return app

    async def _pass(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower().startswith("webhook-")}
        async with aiohttp.ClientSession() as session, session.post(self.target, data=body, headers=headers) as answer:
            self.passed.append((headers, body, answer.status))
            if headers["webhook-id"] in self.losing:
                self.losing.remove(headers["webhook-id"])
                assert request.transport
                request.transport.abort()
            return web.Response(status=answer.status, text=await answer.text())


@dataclass
class Scene:
    """An example behind a relay that is registered as an endpoint."""

    start: Start
    example: Process
    relay: Relay
    api: Api
    endpoint: Json
    secret: str

    def publish(self, event: Json | None = None) -> str:
        return str(self.api.publish(event or custom(TYPE))["idempotencyKey"])

    def delivered(self, key: str) -> Json:
        return self.api.ended(self.api.delivery_id(key, self.endpoint), "delivered")

    def worked_on(self, key: str) -> int:
        """How often; at least once, since it waits for that."""
        self.example.wait_for(f"Worked on {TYPE} {key}$")
        return len(self.example.matching(f"Worked on {TYPE} {key}$"))

    def wait_until_known(self, key: str) -> None:
        """Until the second delivery is recognised: before the answer by the Node one, behind the queue by the other."""
        if isinstance(self.example, Host):
            self.example.wait_for(f"Known already: {key}$")

    def send(self, body: bytes, headers: Mapping[str, str]) -> int:
        return requests.post(self.relay.target, data=body, headers=dict(headers), timeout=30).status_code

    def signed(self, body: bytes, key: str, at: datetime, secret: str = "") -> dict[str, str]:
        return sign_standard(key, at, body, [secret or self.secret])

    def restart(self, secret: str) -> None:
        self.example.kill()
        self.example = self.start(secret)


@contextmanager
def starting(name: str, port: int, storage: Storage, folder: Path) -> Iterator[Start]:
    """Ends in the end what was started."""
    with ExitStack() as stack:

        def start(secret: str) -> Process:
            settings = {"TENANT_HOOKS_SECRET": secret}
            if name == "python":
                settings["AzureFunctionsJobHost__extensions__queues__maxPollingInterval"] = "00:00:00.5"
                environment = host_environment(storage.connection, settings)
                process: Process = Host(EXAMPLES / "python", environment, ("--port", str(port)))
            else:
                settings |= {"PORT": str(port), "JOURNAL": str(folder / "received.jsonl")}
                node = shutil.which("node") or "node"
                process = Process([node, "receiver.mjs"], EXAMPLES / "node", settings)
            stack.callback(process.kill)
            process.wait_for("Listening on ")
            return process

        yield start


@pytest.fixture(scope="module", params=["python", "node"])
def scene(
    request: pytest.FixtureRequest,
    app: App,
    background: Background,
    main_storage: Storage,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    port = free_ports()
    relay = Relay(f"http://127.0.0.1:{port}/" + ("api/receive" if request.param == "python" else ""))
    folder = tmp_path_factory.mktemp("example")
    with background.entered(serving(relay.application())) as relay.url:
        endpoint = app.api.register(f"{relay.url}/", TYPE)
        path = f"{ENDPOINTS}/{endpoint['id']}"
        secret = app.api.call("GET", f"{path}/secret").json["secret"]
        with starting(request.param, port, main_storage, folder) as start:
            yield Scene(start, start(secret), relay, app.api, endpoint, secret)
        app.api.call("DELETE", path, expect=204)


def test_an_event_is_accepted_and_worked_on(scene: Scene) -> None:
    key = scene.publish(custom(TYPE, folder="Gehälter", file="naïve 📄.xlsx"))
    delivery = scene.delivered(key)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [202]
    assert scene.worked_on(key) == 1


def test_an_event_whose_answer_got_lost_is_worked_on_once(scene: Scene) -> None:
    event = custom(TYPE)
    key = event["meta"]["idempotencyKey"]
    scene.relay.losing.add(key)
    scene.publish(event)
    scene.delivered(key)  # in one attempt where the connection had been used before, else in two
    answers = [status for headers, _, status in scene.relay.passed if headers["webhook-id"] == key]
    assert answers == [202, 202], "both came, and were accepted"
    scene.wait_until_known(key)
    assert scene.worked_on(key) == 1


def test_a_delivery_that_was_tampered_with_is_refused(scene: Scene) -> None:
    key = scene.publish()
    scene.delivered(key)
    headers, body, _ = next(passed for passed in scene.relay.passed if passed[0]["webhook-id"] == key)
    assert scene.send(body, headers) == 202, "as it came it is good"
    assert scene.send(body.replace(b'"n":1', b'"n":2'), headers) == 401
    assert scene.send(body + b" ", headers) == 401
    for name in ("webhook-id", "webhook-timestamp"):
        assert scene.send(body, {**headers, name: headers[name][:-1] + "0x"}) == 401
    for name in headers:
        assert scene.send(body, {other: value for other, value in headers.items() if other != name}) == 401


def test_an_old_delivery_played_again_is_refused(scene: Scene) -> None:
    body = json.dumps(custom(TYPE)).encode()
    now = datetime.now(UTC)
    assert scene.send(body, scene.signed(body, "aged-1", now - timedelta(minutes=4))) == 202
    assert scene.send(body, scene.signed(body, "aged-2", now - timedelta(minutes=6))) == 401
    assert scene.send(body, scene.signed(body, "aged-3", now + timedelta(minutes=6))) == 401
    assert scene.send(body, scene.signed(body, "aged-4", now, make_secret())) == 401


LARGEST_BYTES = {"python": 40_000, "node": 1024 * 1024}
"""As the table in examples/receivers/README.md says."""


def of_size(key: str, size: int, letter: str) -> bytes:
    """An event whose JSON has so many bytes of UTF-8, most of them this letter."""

    def written(text: str) -> bytes:
        event = {**custom(TYPE, key), "content": {"text": text}}
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

    room = size - len(written(""))
    letters = letter * (room // len(letter.encode()))
    body = written(letters + "x" * (room - len(letters.encode())))
    assert len(body) == size
    return body


@pytest.mark.parametrize("letter", ["x", "Я", "\U0001f4c4"], ids=["ASCII", "Cyrillic", "emoji"])
def test_it_takes_what_the_readme_says_and_not_a_byte_more(scene: Scene, letter: str) -> None:
    largest = LARGEST_BYTES["python" if isinstance(scene.example, Host) else "node"]
    key = f"largest-{ord(letter)}"
    body = of_size(key, largest, letter)
    assert scene.send(body, scene.signed(body, key, datetime.now(UTC))) == 202
    assert scene.worked_on(key) == 1
    body = of_size("larger", largest + 1, letter)
    headers = scene.signed(body, "larger", datetime.now(UTC))
    answer = requests.post(scene.relay.target, data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.text[:31]) == (413, "larger than this receiver takes")


@pytest.mark.parametrize("scene", ["python"], indirect=True)
def test_what_its_queue_cannot_hold_is_refused_though_the_body_is_small_enough(scene: Scene) -> None:
    """In a JSON string each quote takes two bytes, and a quote that is escaped already takes four."""
    event = {**custom(TYPE), "content": {"text": '"' * 15_000}}
    body = json.dumps(event).encode()
    assert len(body) < LARGEST_BYTES["python"]
    assert scene.send(body, scene.signed(body, "quotes", datetime.now(UTC))) == 413


def test_a_key_that_looks_like_a_time_and_names_that_differ_in_case_arrive(scene: Scene) -> None:
    key = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    scene.publish({**custom(TYPE, key), "content": {"name": 1, "Name": 2, "": 3, "at": key}})
    scene.delivered(key)
    assert scene.worked_on(key) == 1


def test_a_rotated_secret_and_what_a_restart_remembers(scene: Scene) -> None:
    before = scene.publish()
    scene.delivered(before)
    assert scene.worked_on(before) == 1
    rotated = scene.api.call("POST", f"{ENDPOINTS}/{scene.endpoint['id']}/secret/rotate").json["secret"]

    # The receiver holds the old secret still, and both sign.
    key = scene.publish()
    scene.delivered(key)
    headers = next(passed for passed in scene.relay.passed if passed[0]["webhook-id"] == key)[0]
    assert len(headers["webhook-signature"].split(" ")) == 3
    assert scene.worked_on(key) == 1

    scene.restart(rotated)
    key = scene.publish()
    scene.delivered(key)
    assert scene.worked_on(key) == 1

    # An event from before the restart is known after it.
    _, body, _ = next(passed for passed in scene.relay.passed if passed[0]["webhook-id"] == before)
    assert scene.send(body, scene.signed(body, before, datetime.now(UTC), rotated)) == 202
    last = custom(TYPE)
    scene.publish(last)
    assert scene.worked_on(last["meta"]["idempotencyKey"]) == 1
    scene.wait_until_known(before)
    assert not scene.example.matching(f"Worked on {TYPE} {before}")


@pytest.mark.parametrize("scene", ["python"], indirect=True)
def test_a_message_that_comes_back_is_worked_on_again_and_a_copy_of_its_event_is_not(
    scene: Scene, main_storage: Storage
) -> None:
    """The first message with a key may come back after a crash, under a new id too: from the poison queue, say."""
    event = custom(TYPE)
    key = event["meta"]["idempotencyKey"]
    policy = TextBase64EncodePolicy()
    with QueueClient.from_connection_string(
        main_storage.connection, "tenant-hooks-received", message_encode_policy=policy
    ) as queue:
        for count, claim in enumerate(("the first", "a copy", "the first"), 1):
            queue.send_message(json.dumps({"webhookId": key, "claim": claim, "body": json.dumps(event)}))
            scene.example.wait_for(f"(Worked on {TYPE}|Known already:) {key}$", count)  # one after the other
    scene.example.wait_for(f"Worked on {TYPE} {key}$", 2)
    assert len(scene.example.matching(f"Known already: {key}$")) == 1


def test_the_journal_keeps_what_a_crash_left(tmp_path: Path) -> None:
    """A torn line spoils only itself, and what was accepted and not worked off is worked off at the next start."""
    journal = tmp_path / "received.jsonl"
    waiting, done = (json.dumps(custom(TYPE, key)) for key in ("waiting", "done"))
    entries = [{"id": "done", "at": 1, "body": done}, {"id": "done", "at": 9e15, "state": "done"}]
    lines = [json.dumps(entry) for entry in entries]
    lines += ['{"id": "torn", "at": 1, "bo', json.dumps({"id": "waiting", "at": 1, "body": waiting}), '{"id": "to']
    journal.write_text("\n" + "\n".join(lines))
    settings = {"TENANT_HOOKS_SECRET": make_secret(), "PORT": "0", "JOURNAL": str(journal)}
    node = Process([shutil.which("node") or "node", "receiver.mjs"], EXAMPLES / "node", settings)
    try:
        node.wait_for(f"Worked on {TYPE} waiting")
        assert len(node.matching("Worked on")) == 1
        node.wait_for("Listening on ")
        node.ask_to_stop()
        assert node.wait() == 0
    finally:
        node.kill()


GOOD = "whsec_" + "A" * 43 + "="


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "TENANT_HOOKS_SECRET must be the endpoint's secret"),
        ({"TENANT_HOOKS_SECRET": "x"}, "TENANT_HOOKS_SECRET must be the endpoint's secret"),
        ({"TENANT_HOOKS_SECRET": "whsec_" + "A" * 41}, "TENANT_HOOKS_SECRET must be the endpoint's secret"),
        ({"TENANT_HOOKS_SECRET": GOOD[:-9] + "*" + GOOD[-8:]}, "TENANT_HOOKS_SECRET must be the endpoint's secret"),
        ({"TENANT_HOOKS_SECRET": GOOD, "JOURNAL": "no/such/folder/x"}, "JOURNAL must name a file that can be written"),
    ],
    ids=["nothing", "no secret", "cut base64", "broken base64", "no journal"],
)
def test_the_node_receiver_names_the_setting_that_is_wrong(settings: dict[str, str], said: str) -> None:
    node = Process([shutil.which("node") or "node", "receiver.mjs"], EXAMPLES / "node", settings)
    try:
        node.wait_for(said)
        assert node.wait() != 0
    finally:
        node.kill()

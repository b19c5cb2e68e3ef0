"""`/health` answers in time whatever storage does, and says what is wrong."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest
from cryptography.fernet import Fernet

from shared.api import health
from shared.api.http.auth import NOBODY
from shared.api.http.call import Request
from shared.app import App, build
from shared.settings import SettingsError, read_settings
from shared.storage.clients import StorageUnavailable
from shared.storage.sites import ScanState

LEAST = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
LATE = "no answer within 0.1 s"
CLOSED = SettingsError("SECRETS_KEY does not open what is stored (endpoints/AAAA/Url)")


@pytest.fixture
def hung() -> Iterator[Callable[..., Any]]:
    """What does not return before the test is over."""
    over = threading.Event()
    yield lambda **options: over.wait(60)
    over.set()


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which nothing answers: what does may take longer on a busy machine."""
    monkeypatch.setattr(health, "WITHIN", timedelta(seconds=0.1))


def raising(error: Exception) -> Callable[..., Any]:
    def ask(**options: object) -> Any:
        raise error

    return ask


def asked(
    settings: dict[str, str] | None = None, questions: dict[str, Callable[..., Any]] | None = None
) -> tuple[int, dict[str, Any]]:
    """The answer where storage answers these questions so, and all others well."""
    given = questions or {}
    app = SimpleNamespace(
        settings=read_settings(LEAST | (settings or {})),
        options=SimpleNamespace(ping=given.get("tables", lambda: None)),
        queue=SimpleNamespace(raw=SimpleNamespace(length=given.get("queues", lambda once: 0))),
        endpoints=SimpleNamespace(all=given.get("endpoints", list)),
        sites=SimpleNamespace(state=given.get("scans", ScanState)),
        now=lambda: datetime(2026, 11, 22, tzinfo=UTC),
    )
    return answered(cast(App, app))


def answered(app: App) -> tuple[int, dict[str, Any]]:
    response = asyncio.run(health.get(Request(app, func.HttpRequest("GET", "/health", body=b""), NOBODY)))
    return response.status, json.loads(json.dumps(response.value))


def test_it_is_healthy_when_both_answer() -> None:
    status, body = asked()
    assert (status, body["status"], body["storage"]) == (200, "healthy", {"tables": "reachable", "queues": "reachable"})
    assert "warnings" not in body


def test_what_hangs_is_told_of_and_what_answers_too(hung: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(seconds=3) < health.WITHIN < timedelta(seconds=5)
    monkeypatch.setattr(health, "WITHIN", timedelta(seconds=1))
    status, body = asked(None, {"queues": hung})
    assert (status, body["status"]) == (503, "unhealthy")
    assert body["storage"] == {"tables": "reachable", "queues": "no answer within 1 s"}


@pytest.mark.usefixtures("_soon")
def test_many_questions_to_storage_that_hangs_keep_few_threads(hung: Callable[..., Any]) -> None:
    before = threading.active_count()
    for _ in range(5):
        status, body = asked(None, dict.fromkeys(("tables", "queues", "endpoints", "scans"), hung))
        assert (status, body["storage"]) == (503, {"tables": LATE, "queues": LATE})
    assert threading.active_count() - before <= 8


def test_storage_that_refuses_is_told_of_in_its_words() -> None:
    status, body = asked(None, {"tables": raising(StorageUnavailable("storage answered 403 (Forbidden)"))})
    assert (status, body["storage"]["tables"]) == (503, "storage answered 403 (Forbidden)")
    assert "reason" not in body


@pytest.mark.parametrize("what", ["tables", "endpoints"])
def test_a_key_that_does_not_open_what_is_stored_is_unhealthy(what: str, caplog: pytest.LogCaptureFixture) -> None:
    status, body = asked(None, {what: raising(CLOSED)})
    assert (status, body["status"]) == (503, "unhealthy")
    assert body["reason"].startswith("SECRETS_KEY does not open what is stored: put the key")
    assert body["storage"] == {"tables": "reachable", "queues": "reachable"}
    assert "AAAA" not in json.dumps(body), "what it is about is for the log"
    [line] = map(json.loads, caplog.messages)
    assert (line["event"], line["setting"], line["meaning"]) == ("settings.wrong", "SECRETS_KEY", str(CLOSED))


def test_what_only_warnings_need_is_no_reason_to_be_unhealthy(
    hung: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("scans", "endpoints"):
        assert asked(None, {what: raising(StorageUnavailable("x"))})[0] == 200
    monkeypatch.setattr(health, "WITHIN", timedelta(seconds=1))
    assert asked(None, {"scans": hung, "endpoints": hung})[0] == 200


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("dispatch", "deliveries are paused: events are accepted, and wait"),
        ("scan_storage", "no storage is scanned"),
        ("sweep", "the function sweep does not run"),
    ],
)
def test_what_is_disabled_is_warned_of(function: str, said: str) -> None:
    for name in (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled"):
        status, body = asked({name: "true"})
        assert (status, body["warnings"]) == (200, [f"{said} (AzureWebJobs.{function}.Disabled)"])
        assert "warnings" not in asked({name: "False"})[1]


def test_what_is_broken_in_the_app_itself_is_not_hidden() -> None:
    for what in ("tables", "queues", "endpoints", "scans"):
        with pytest.raises(RuntimeError):
            asked(None, {what: raising(RuntimeError("a fault"))})


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        cast(Any, self.server).asked.append(self.path.partition("?")[0])
        self.send_error(500)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def refusing() -> Iterator[tuple[int, list[str]]]:
    """The port of storage that answers 500 to everything, and what it was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        paths: list[str] = []
        cast(Any, server).asked = paths
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield server.server_port, paths
        finally:
            server.shutdown()
            thread.join()


def app_at(port: int) -> App:
    at = f"http://127.0.0.1:{port}/contoso"
    text = f"AccountName=contoso;AccountKey=a2V5;TableEndpoint={at};QueueEndpoint={at}"
    return build(read_settings(LEAST | {"AzureWebJobsStorage": text}))


def test_tables_and_queues_are_asked_once_each() -> None:
    with refusing() as (port, paths):
        status, body = answered(app_at(port))
    assert (status, len(body["storage"])) == (503, 2)
    assert all("storage answered 500" in said for said in body["storage"].values())
    assert paths.count("/contoso/deliveries") == 1
    assert sum(path.startswith("/contoso/options(") for path in paths) == 1


@pytest.mark.usefixtures("_soon")
def test_storage_that_takes_connections_and_never_answers_is_unhealthy_in_time() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        status, body = answered(app_at(server.getsockname()[1]))
    assert (status, body["storage"]) == (503, {"tables": LATE, "queues": LATE})

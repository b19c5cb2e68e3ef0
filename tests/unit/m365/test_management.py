"""The client of the Management Activity API against a real server that answers as Microsoft's does."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doubles.audit_records import TENANT_ID
from doubles.key_server import LEAST
from shared.identity import NoToken
from shared.m365.client import GraphFailed
from shared.m365.management import MOST_TRIES, ManagementClient, ManagementFailed, NotAudited, OutOfTime
from shared.settings import read_settings
from shared.sharing import feed as feeds
from shared.sharing.feed import Content, ContentFailed, ContentGone, Feed, FeedFailed

TOKEN = "a-token-that-must-not-leak"
FEED = f"/api/v1.0/{TENANT_ID}/activity/feed"
LIST, START = f"{FEED}/subscriptions/content", f"{FEED}/subscriptions/start"
FROM, UNTIL = datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 21, 9, tzinfo=UTC)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def error(status: int, code: str, message: str = "…", **headers: str) -> Reply:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return Reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


class Server(ThreadingHTTPServer):
    """Answers each path with its next reply, from then on with the last."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path))
        self.server.headers.append(dict(self.headers))
        replies = self.server.replies.get(self.path.partition("?")[0], [Reply(404, b"")])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        self.close_connection = reply.cut

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        server.daemon_threads = True
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass
class Asker:
    feed: Feed
    slept: list[float]


@pytest.fixture
def asker(server: Server) -> Iterator[Asker]:
    slept: list[float] = []
    client = ManagementClient(server.url, TENANT_ID, lambda: TOKEN, time.monotonic() + 100, sleep=slept.append)
    graph = {"GRAPH_BASE_URL": server.url, "GRAPH_ACCESS_TOKEN": TOKEN}
    yield Asker(Feed(client, read_settings(LEAST | graph)), slept)
    client.close()


def entry(server: Server, number: int, **members: Any) -> dict[str, Any]:
    return {
        "contentType": "Audit.SharePoint",
        "contentId": f"id${number}",
        "contentUri": f"{server.url}{FEED}/audit/{number}",
        "contentCreated": "2026-11-20T10:22:00.456Z",
        "contentExpiration": "2026-11-27T10:22:00.456Z",
        **members,
    }


def reply_of(*entries: dict[str, Any], **headers: str) -> Reply:
    return Reply(200, json.dumps(entries).encode(), headers)


def content(server: Server, number: int = 1) -> Content:
    return Content(f"id${number}", f"{server.url}{FEED}/audit/{number}", FROM, UNTIL)


def test_a_window_is_listed_to_its_last_page_whatever_the_header_is_called(server: Server, asker: Asker) -> None:
    server.replies[LIST] = [reply_of(entry(server, 1), NextPageUri=f"{server.url}{FEED}/page2?a=b")]
    server.replies[f"{FEED}/page2"] = [reply_of(entry(server, 2), NextPageUrl=f"{server.url}{FEED}/page3")]
    server.replies[f"{FEED}/page3"] = [reply_of(entry(server, 3), nextpageuri=f"{server.url}{FEED}/page4")]
    server.replies[f"{FEED}/page4"] = [Reply(200, b"")]
    found = list(asker.feed.list(FROM, UNTIL))
    assert [each.id for each in found] == ["id$1", "id$2", "id$3"]
    assert found[0].created_at == datetime(2026, 11, 20, 10, 22, 0, 456000, UTC)
    assert found[0].expires_at == found[0].created_at + timedelta(days=7)
    paths = [path for _, path in server.asked]
    assert paths[0] == (
        f"{LIST}?contentType=Audit.SharePoint&startTime=2026-11-20T10:00:00&endTime=2026-11-21T09:00:00"
        f"&PublisherIdentifier={TENANT_ID}"
    )
    assert paths[1:3] == [
        f"{FEED}/page2?a=b&PublisherIdentifier={TENANT_ID}",
        f"{FEED}/page3?PublisherIdentifier={TENANT_ID}",
    ]
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {TOKEN}"}


def test_entries_that_cannot_be_used_are_passed_over(server: Server, asker: Asker) -> None:
    entries = [entry(server, 1, contentCreated=None), entry(server, 2, contentId=5), {}]
    entries.append(entry(server, 3, contentExpiration=None))
    server.replies[LIST] = [reply_of(*entries), Reply(200, b'{"a": 1}'), Reply(200, b"<html>")]
    [found] = asker.feed.list(FROM, UNTIL)
    assert (found.id, found.expires_at - found.created_at) == ("id$3", timedelta(days=7))
    assert list(asker.feed.list(FROM, UNTIL)) == []
    with pytest.raises(FeedFailed, match="no JSON"):
        list(asker.feed.list(FROM, UNTIL))


def test_the_start_of_a_subscription_has_no_body_and_one_that_is_on_is_fine(server: Server, asker: Asker) -> None:
    server.replies[START] = [
        Reply(200, b'{"contentType":"Audit.SharePoint","status":"enabled","webhook":null}'),
        error(400, "AF20024", "The subscription is already enabled. No property change."),
    ]
    assert asker.feed.subscribe() == "started"
    assert asker.feed.subscribe() == "was on"
    assert server.asked[0] == ("POST", f"{START}?contentType=Audit.SharePoint&PublisherIdentifier={TENANT_ID}")
    assert server.headers[0]["Content-Length"] == "0"


@pytest.mark.parametrize(
    ("reply", "problem", "says"),
    [
        (error(401, "AF10001", "no permission"), "permission", "ActivityFeed.Read"),
        (error(403, "AF10001", "no permission"), "permission", "ActivityFeed.Read"),
        (Reply(403, b"<html>"), "permission", "ActivityFeed.Read"),
        (error(400, "AF20011"), "auditing-off", "auditing"),
        (error(400, "AF20012"), "auditing-off", "auditing"),
        (
            error(500, "AF50000", f"DataServiceException: Tenant {TENANT_ID} does not exist."),
            "auditing-off",
            "auditing",
        ),
        (error(400, "AF20022"), "not-subscribed", "no subscription"),
        (error(400, "AF20023"), "disabled", "disabled"),
        (error(403, "AF429", "Too many requests. Method=GetBlob, PublisherId=0"), "throttled", "403 (AF429)"),
        (error(429, "AF429"), "throttled", "429 (AF429)"),
        (Reply(429, b""), "throttled", "429"),
        (error(400, "AF20010"), "configuration", "ENTRA_TENANT_ID"),
        (error(400, "AF20055"), "unreachable", "400 (AF20055)"),
        (error(400, "secret in a code"), "unreachable", "400 to"),
        (Reply(503, b""), "unreachable", "503"),
        (Reply(302, b"", {"Location": "https://elsewhere.example/"}), "unreachable", "302"),
    ],
)
def test_each_failure_has_its_name_and_words(
    server: Server, asker: Asker, reply: Reply, problem: str, says: str
) -> None:
    server.replies[LIST] = [reply]
    with pytest.raises(FeedFailed) as failed:
        list(asker.feed.list(FROM, UNTIL))
    assert failed.value.problem == problem
    assert says in str(failed.value)
    assert "secret" not in str(failed.value)
    assert server.url not in str(failed.value)
    server.replies[START] = [reply]
    with pytest.raises(FeedFailed) as failed:
        asker.feed.subscribe()
    assert failed.value.problem == problem


def test_the_services_own_wait_is_passed_on(server: Server, asker: Asker) -> None:
    server.replies[LIST] = [error(403, "AF429", Retry_After="17")]
    with pytest.raises(FeedFailed) as failed:
        list(asker.feed.list(FROM, UNTIL))
    assert failed.value.retry_after == timedelta(seconds=17)
    assert len(server.asked) == 1, "who is throttled does not ask again at once"


@pytest.mark.parametrize(
    "passing", [Reply(500, b""), Reply(503, b""), Reply(408, b""), Reply(200, b"[1, 2]", cut=True), error(401, "")]
)
def test_what_may_pass_is_tried_again(server: Server, asker: Asker, passing: Reply) -> None:
    server.replies[LIST] = [passing, reply_of(entry(server, 1))]
    assert [each.id for each in asker.feed.list(FROM, UNTIL)] == ["id$1"]
    assert asker.slept == [1.0]


def test_tries_come_to_an_end(server: Server, asker: Asker) -> None:
    server.replies[LIST] = [Reply(500, b"")]
    with pytest.raises(FeedFailed):
        list(asker.feed.list(FROM, UNTIL))
    assert len(server.asked) == MOST_TRIES
    assert asker.slept == [1.0, 2.0]


def test_a_content_is_read_with_its_pages(server: Server, asker: Asker) -> None:
    server.replies[f"{FEED}/audit/1"] = [Reply(200, b"[1]", {"NextPageUri": f"{server.url}{FEED}/audit/1b"})]
    server.replies[f"{FEED}/audit/1b"] = [Reply(200, b"[2]")]
    assert list(asker.feed.read(content(server))) == [b"[1]", b"[2]"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, "AF20050"), ContentGone),
        (error(400, "AF20051"), ContentGone),
        (error(400, "AF20052"), ContentGone),
        (Reply(404, b""), ContentFailed),
        (error(500, "AF50000"), ContentFailed),
        (error(400, "AF20031"), ContentFailed),
        (error(403, "AF429"), FeedFailed),
        (error(401, "AF10001"), FeedFailed),
        (error(400, "AF20022"), FeedFailed),
    ],
)
def test_a_failure_is_of_one_content_or_of_all(
    server: Server, asker: Asker, reply: Reply, kind: type[Exception]
) -> None:
    server.replies[f"{FEED}/audit/1"] = [reply]
    with pytest.raises(kind):
        list(asker.feed.read(content(server)))


@pytest.mark.parametrize(
    "address", ["https://evil.example/x", "http://127.0.0.1:1/x", "http://[", "ftp://x", "file:///etc/passwd"]
)
def test_the_token_stays_with_the_service(server: Server, asker: Asker, address: str) -> None:
    with pytest.raises(ContentFailed, match="another host"):
        list(asker.feed.read(Content("id", address, FROM, UNTIL)))
    server.replies[LIST] = [reply_of(entry(server, 1), NextPageUri=address)]
    with pytest.raises(FeedFailed, match="another host"):
        list(asker.feed.list(FROM, UNTIL))
    assert len(server.asked) == 1


def test_a_list_without_an_end_is_ended(server: Server, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_PAGES", 5)
    server.replies[LIST] = [reply_of(NextPageUri=f"{server.url}{LIST}")]
    with pytest.raises(FeedFailed, match="more than 5 pages"):
        list(asker.feed.list(FROM, UNTIL))
    server.replies[f"{FEED}/audit/1"] = [Reply(200, b"[1]", {"NextPageUri": f"{server.url}{FEED}/audit/1"})]
    with pytest.raises(ContentFailed, match="more than 5 pages"):
        list(asker.feed.read(content(server)))


def test_no_call_outlasts_the_poll(server: Server) -> None:
    client = ManagementClient(server.url, TENANT_ID, lambda: TOKEN, time.monotonic() - 1)
    feed = Feed(client, read_settings(LEAST))
    for ask in (feed.subscribe, lambda: list(feed.list(FROM, UNTIL)), lambda: list(feed.read(content(server)))):
        with pytest.raises(OutOfTime):
            ask()
    assert server.asked == []
    client.close()


def test_an_answer_that_is_too_large_is_not_kept(server: Server, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.m365.management.MOST_BYTES", 10)
    server.replies[f"{FEED}/audit/1"] = [Reply(200, b"[" + b" " * 20 + b"]")]
    with pytest.raises(ContentFailed, match="larger than 10 bytes"):
        list(asker.feed.read(content(server)))


def test_nothing_of_it_is_logged(server: Server, asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.replies[f"{FEED}/audit/1"] = [Reply(200, b"[1]")]
    list(asker.feed.read(content(server)))
    assert TOKEN not in caplog.text
    assert "audit/1" not in caplog.text


def test_domains_are_the_verified_ones_of_all_pages(server: Server, asker: Asker) -> None:
    first = {"value": [{"id": "Contoso.example", "isVerified": True}, {"id": "new.example", "isVerified": False}, 5]}
    server.replies["/v1.0/domains"] = [
        Reply(200, json.dumps({**first, "@odata.nextLink": f"{server.url}/v1.0/domains?$skiptoken=1"}).encode()),
        Reply(200, b'{"value": [{"id": "contoso.onmicrosoft.com", "isVerified": true}, {"isVerified": true}]}'),
        Reply(200, b'{"value": []}'),
        error(403, "Authorization_RequestDenied"),
    ]
    assert asker.feed.domains() == {"contoso.example", "contoso.onmicrosoft.com"}
    with pytest.raises(GraphFailed, match="no verified domain"):
        asker.feed.domains()
    with pytest.raises(GraphFailed, match=r"Domain\.Read\.All"):
        asker.feed.domains()


def test_a_tenant_without_an_audit_log_is_told_apart(server: Server, asker: Asker) -> None:
    server.replies[LIST] = [error(400, "AF20012")]
    client: Callable[..., Any] = asker.feed._client.ask
    with pytest.raises(NotAudited) as failed:
        client("GET", "subscriptions/content", {})
    assert isinstance(failed.value, ManagementFailed)
    assert failed.value.code == "AF20012"


def test_an_identity_that_gives_no_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(client_id: str, scope: str) -> str:
        assert scope == "https://manage.office365.us/.default"
        raise NoToken("CredentialUnavailableError")

    monkeypatch.setattr("shared.m365.management.get_token", refuse)
    settings = read_settings(LEAST | {"ENTRA_CLOUD": "gcchigh", "ENTRA_TENANT_ID": TENANT_ID})
    feed = feeds.connect(settings, timedelta(seconds=10))
    for ask in (feed.subscribe, lambda: list(feed.read(Content("id", "https://manage.office365.us/x", FROM, UNTIL)))):
        with pytest.raises(FeedFailed, match="AZURE_CLIENT_ID") as failed:
            ask()
        assert failed.value.problem == "permission"
    feed.close()

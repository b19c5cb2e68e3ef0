"""The Graph client against a real server that does what Graph does on its bad days."""

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pytest

from doubles.key_server import LEAST
from shared.m365.client import MOST_TRIES, Client, GraphFailed, Refused, may_hold_report
from shared.settings import read_settings
from shared.usage.graph import Graph, LiveUsage, connect

TOKEN = "a-token-that-must-not-leak"
REPORT = "/v1.0/reports/getSharePointSiteUsageDetail(period='D7')"
CSV = "\ufeffSite Id\r\n1\r\n".encode() * 5000


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    drip: float = 0.0


def json_of(value: Any, **headers: str) -> Reply:
    return Reply(200, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


class Server(ThreadingHTTPServer):
    """Answers each path with its next reply, from then on with the last."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        replies = self.server.replies.get(self.path, [Reply(404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if reply.drip:
                for at in range(len(reply.body)):
                    self.wfile.write(reply.body[at : at + 1])
                    time.sleep(reply.drip)
            else:
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        except OSError:
            pass  # the client has gone, as it should when an answer drips
        self.close_connection = reply.cut or bool(reply.drip)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serving() -> Iterator[Server]:
    with Server() as server:
        server.daemon_threads = True
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


server = pytest.fixture(serving)
second = pytest.fixture(serving, name="second")


@dataclass
class Asker:
    graph: Graph
    slept: list[float]

    def report(self) -> bytes:
        file = BytesIO()
        self.graph.download_usage(file)
        return file.getvalue()


Connect = Callable[..., Asker]


@pytest.fixture
def client(server: Server) -> Iterator[Connect]:
    """Connects to the server, for a scan of some seconds; waits are noted instead of waited."""
    clients = []

    def start(seconds: float = 1500.0) -> Asker:
        slept: list[float] = []
        client = Client(server.url, lambda: TOKEN, time.monotonic() + seconds, sleep=slept.append)
        clients.append(Asker(Graph(client), slept))
        return clients[-1]

    yield start
    for each in clients:
        each.graph.close()


def test_the_report_is_fetched_from_where_graph_says_and_without_the_token(
    server: Server, second: Server, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.replies[REPORT] = [Reply(302, headers={"Location": f"{second.url}/report?sig=secret"})]
    second.replies["/report?sig=secret"] = [Reply(200, CSV)]
    assert client().report() == CSV
    assert server.asked == [(REPORT, f"Bearer {TOKEN}")]
    assert second.asked == [("/report?sig=secret", None)]
    assert "sig=secret" not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("body", [CSV, gzip.compress(CSV)], ids=["plain", "gzip"])
def test_a_report_that_is_cut_off_is_fetched_anew_from_a_new_address(
    server: Server, client: Connect, body: bytes
) -> None:
    headers = {} if body == CSV else {"Content-Encoding": "gzip"}
    server.replies[REPORT] = [Reply(302, headers={"Location": f"/{number}"}) for number in range(4)]
    server.replies |= {"/0": [Reply(200, body, headers, cut=True)], "/1": [Reply(403)], "/2": [Reply(503)]}
    server.replies["/3"] = [Reply(200, body, headers)]
    assert client().report() == CSV
    assert [path for path, token in server.asked if token is None] == ["/0", "/1", "/2", "/3"]


def test_a_report_that_graph_sends_itself_is_taken(server: Server, client: Connect) -> None:
    server.replies[REPORT] = [Reply(200, CSV, cut=True), Reply(200, CSV)]
    assert client().report() == CSV


@pytest.mark.parametrize(
    "location",
    ["http://reports.example/x", "http://10.0.0.1/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[x"],
)
def test_the_report_is_fetched_over_https_only(server: Server, client: Connect, location: str) -> None:
    server.replies[REPORT] = [Reply(302, headers={"Location": location})]
    with pytest.raises(GraphFailed):
        client().report()


@pytest.mark.parametrize(
    ("address", "base_url", "allowed"),
    [
        ("https://reports.office.com/x", "https://graph.microsoft.com", True),
        ("http://reports.office.com/x", "https://graph.microsoft.com", False),
        ("http://127.0.0.1/x", "https://graph.microsoft.com", False),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:2", True),
        ("http://127.0.0.1:1/x", "https://127.0.0.1:2", False),
        ("http://example.com/x", "http://127.0.0.1:2", False),
        ("https:///x", "https://graph.microsoft.com", False),
    ],
)
def test_http_is_for_a_stand_in_on_this_machine(address: str, base_url: str, allowed: bool) -> None:
    assert may_hold_report(address, base_url) is allowed


def test_a_report_redirected_again_and_again_is_given_up(server: Server, client: Connect) -> None:
    server.replies[REPORT] = [Reply(302, headers={"Location": "/a"})]
    server.replies["/a"] = [Reply(302, headers={"Location": "/a"})]
    with pytest.raises(GraphFailed, match="again and again"):
        client().report()
    assert len(server.asked) < 10


PAGE = "/v1.0/sites/getAllSites?$select=id,webUrl&$top=999"


def a_site(number: int, host: str = "contoso.sharepoint.com") -> dict[str, str]:
    return {"id": f"{host},{number:08X}-AA,{number}-web", "webUrl": f"https://{host}/sites/s{number}"}


def test_sites_come_in_pages(server: Server, client: Connect) -> None:
    odd = [None, 7, {}, {"id": "a,b"}, {"id": "a,b,c"}, {"id": "a,b,c", "webUrl": None}]
    server.replies[PAGE] = [json_of({"value": [a_site(1), *odd], "@odata.nextLink": f"{server.url}/next?$skiptoken=x"})]
    server.replies["/next?$skiptoken=x"] = [json_of({"value": [a_site(2)]})]
    graph = client().graph
    first = graph.site_page(None)
    assert first.urls == [("00000001-aa", "https://contoso.sharepoint.com/sites/s1")]
    last = graph.site_page(first.following)
    assert last.urls == [("00000002-aa", "https://contoso.sharepoint.com/sites/s2")]
    assert last.following is None
    assert {token for _, token in server.asked} == {f"Bearer {TOKEN}"}


def test_a_next_page_elsewhere_is_not_followed(server: Server, second: Server, client: Connect) -> None:
    server.replies[PAGE] = [json_of({"value": [], "@odata.nextLink": f"{second.url}/next"})]
    graph = client().graph
    with pytest.raises(GraphFailed, match="another host"):
        graph.site_page(graph.site_page(None).following)
    assert second.asked == []


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("permission", "path", "ask"),
    [
        ("Reports.Read.All", REPORT, lambda graph: graph.download_usage(BytesIO())),
        ("Sites.Read.All", PAGE, lambda graph: graph.site_page(None)),
        ("ReportSettings.Read.All", "/v1.0/admin/reportSettings", lambda graph: graph.conceals_names()),
        (
            "Sites.Read.All",
            "/v1.0/sites/contoso.sharepoint.com/drive?$select=quota",
            lambda graph: graph.live_usage("https://contoso.sharepoint.com/"),
        ),
    ],
    ids=["report", "sites", "settings", "live"],
)
def test_a_refusal_names_the_permission_that_is_missing(
    server: Server, client: Connect, status: int, permission: str, path: str, ask: Callable[[Graph], object]
) -> None:
    server.replies[path] = [Reply(status)]
    with pytest.raises(Refused, match=permission):
        ask(client().graph)
    assert len(server.asked) == 1, "asking again does not help"


@pytest.mark.parametrize("status", [400, 404, 410, 423], ids=str)
def test_a_site_that_cannot_be_asked_is_no_fault_of_graph(server: Server, client: Connect, status: int) -> None:
    server.replies["/v1.0/sites/contoso.sharepoint.com/drive?$select=quota"] = [Reply(status)]
    with pytest.raises(Refused, match=f"answered {status} to the live usage"):
        client().graph.live_usage("https://contoso.sharepoint.com/")
    assert len(server.asked) == 1, "asking again does not help"


def test_throttling_is_obeyed(server: Server, client: Connect) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.replies[PAGE] = [
        Reply(429, headers={"Retry-After": "17"}),
        Reply(503, headers={"Retry-After": later}),
        Reply(504),
        json_of({"value": []}),
    ]
    asking = client()
    asking.graph.site_page(None)
    assert asking.slept[0] == 17
    assert 80 < asking.slept[1] <= 90
    assert 2 <= asking.slept[2] <= 6, "a wait of its own, longer each time"


def test_a_limit_that_is_near_slows_down(server: Server, client: Connect) -> None:
    limits = {"RateLimit_Limit": "100", "RateLimit_Reset": "40"}
    server.replies[PAGE] = [
        json_of({}, RateLimit_Remaining="50", **limits),
        json_of({}, RateLimit_Remaining="19", **limits),
        json_of({}, RateLimit_Remaining="0", **limits),
        json_of({}, RateLimit_Remaining="x", **limits),
        json_of({}),
    ]
    asking = client()
    for _ in range(5):
        asking.graph.site_page(None)
    assert asking.slept == [2.0, 40.0]


def test_a_wait_beyond_the_end_of_the_scan_is_not_begun(server: Server, client: Connect) -> None:
    server.replies[PAGE] = [Reply(429, headers={"Retry-After": "600"})]
    asking = client(seconds=60)
    with pytest.raises(GraphFailed, match="longer wait than a scan may take"):
        asking.graph.site_page(None)
    assert asking.slept == []


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(200, b'{"value": []}', cut=True), Reply(200, CSV, {"Content-Encoding": "gzip"})]
)
def test_faults_that_do_not_pass_are_given_up(server: Server, client: Connect, reply: Reply) -> None:
    server.replies[PAGE] = [reply]
    with pytest.raises(GraphFailed, match=f"{MOST_TRIES} times"):
        client().graph.site_page(None)
    assert len(server.asked) == MOST_TRIES


def test_a_server_that_is_gone_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    slept: list[float] = []
    graph = Graph(Client(url, lambda: TOKEN, time.monotonic() + 1000, sleep=slept.append))
    with pytest.raises(GraphFailed, match="did not answer to the list of sites"):
        graph.site_page(None)
    assert len(slept) == MOST_TRIES - 1


def test_an_answer_that_drips_is_cut_off_when_the_scan_must_end(server: Server, client: Connect) -> None:
    server.replies[PAGE] = [Reply(200, b" " * 500, drip=0.02)]
    started = time.monotonic()
    with pytest.raises(GraphFailed, match="took too long"):
        client(seconds=0.3).graph.site_page(None)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff"])
def test_what_is_no_json_object_is_said(server: Server, client: Connect, body: bytes) -> None:
    server.replies[PAGE] = [Reply(200, body)]
    with pytest.raises(GraphFailed, match="no JSON object"):
        client().graph.site_page(None)


def test_an_error_says_its_code_and_nothing_that_a_caller_must_not_see(server: Server, client: Connect) -> None:
    error = {"error": {"code": "invalidRequest", "message": f"secret of {TOKEN}"}}
    server.replies["/v1.0/admin/reportSettings"] = [Reply(400, json.dumps(error).encode())]
    with pytest.raises(GraphFailed) as caught:
        client().graph.conceals_names()
    assert str(caught.value) == "Microsoft Graph answered 400 (invalidRequest) to the report settings"


@pytest.mark.parametrize(
    ("site", "path"),
    [
        ("https://contoso.sharepoint.com/sites/hr", "contoso.sharepoint.com:/sites/hr:"),
        ("https://contoso.sharepoint.com/sites/hr/", "contoso.sharepoint.com:/sites/hr:"),
        ("https://contoso.sharepoint.com/sites/h r?x#y", "contoso.sharepoint.com:/sites/h%20r:"),
        ("https://contoso.sharepoint.com/sites/h%C3%A9", "contoso.sharepoint.com:/sites/h%C3%A9:"),
        ("https://contoso.sharepoint.com", "contoso.sharepoint.com"),
    ],
)
def test_live_usage_is_asked_by_the_path_of_the_site(server: Server, client: Connect, site: str, path: str) -> None:
    quota = {"total": 100, "used": 7, "remaining": 93, "deleted": 0, "state": "normal"}
    server.replies[f"/v1.0/sites/{path}/drive?$select=quota"] = [json_of({"quota": quota})]
    assert client().graph.live_usage(site) == LiveUsage(7, 100)


@pytest.mark.parametrize("quota", [None, {}, {"used": 1}, {"used": 1, "total": 0}, {"used": "1", "total": 2}])
def test_live_usage_that_is_not_told_is_none(server: Server, client: Connect, quota: Any) -> None:
    server.replies["/v1.0/sites/contoso.sharepoint.com/drive?$select=quota"] = [json_of({"quota": quota})]
    assert client().graph.live_usage("https://contoso.sharepoint.com") is None


def test_no_proxy_or_netrc_of_the_environment_is_read(
    server: Server, client: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.replies[PAGE] = [json_of({"value": []})]
    assert client().graph.site_page(None).urls == []


def test_clouds_without_the_report_say_so() -> None:
    with pytest.raises(GraphFailed, match="exists in the global cloud only, and this deployment is in gcchigh"):
        connect(read_settings(LEAST | {"ENTRA_CLOUD": "gcchigh"}), timedelta(minutes=1))


def test_the_managed_identity_is_asked_for_graphs_own_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.identity import CredentialUnavailableError

    asked = []

    class Identity:
        def get_token(self, scope: str) -> Any:
            asked.append(scope)
            raise CredentialUnavailableError("no endpoint at http://169.254.169.254")

    def identity(client_id: str) -> Identity:
        asked.append(client_id)
        return Identity()

    monkeypatch.setattr("shared.identity.managed_identity", identity)
    graph = connect(read_settings(LEAST | {"AZURE_CLIENT_ID": "an-identity"}), timedelta(minutes=1))
    with pytest.raises(GraphFailed, match="gives no token for Microsoft Graph") as caught:
        graph.site_page(None)
    graph.close()
    assert asked == ["an-identity", "https://graph.microsoft.com/.default"]
    assert "169.254" not in str(caught.value)

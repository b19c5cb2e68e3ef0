"""The HTTP trigger and the admin routes, with the host as a process of its own."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from .conftest import StartHost
from .running import Host, host_environment, write_app

LIMIT_BYTES = 2 * 2**20

SOURCE = """
@app.timer_trigger("timer", "0 0 0 1 1 *")
def timed(timer: func.TimerRequest) -> None:
    seen("timed")

@app.route("echo/{name}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    shown = {"method": req.method, "url": req.url, "headers": dict(req.headers), "params": dict(req.params),
             "route": dict(req.route_params), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(shown), status_code=201, mimetype="application/json", headers={"X-A": "b"})

@app.route("order/{n:int}", methods=["GET"])
def a_number(req: func.HttpRequest) -> str:
    return "number"

@app.route("order/{rest}", methods=["GET"])
def B_text(req: func.HttpRequest) -> str:
    return "text"

@app.route("order/7", methods=["GET"])
def c_never_reached(req: func.HttpRequest) -> str:
    return "seven"

@app.route("raises")
def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("as asked")

@app.route("none")
async def none(req: func.HttpRequest) -> func.HttpResponse:
    return None

@app.route("number")
def number(req: func.HttpRequest):
    return 5

@app.route("off")
def off(req: func.HttpRequest) -> str:
    return "on"

@app.route("off-on-linux")
def off_on_linux(req: func.HttpRequest) -> str:
    return "on"

@app.route("cookie")
def cookie(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204, headers={"Set-Cookie": "a=b; Path=/"})
"""


@pytest.fixture(scope="module")
def host(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    settings = {"AzureWebJobs.off.Disabled": "true", "AzureWebJobs_off_on_linux_Disabled": "True"}
    host = Host(write_app(tmp_path_factory.mktemp("app"), SOURCE), host_environment(storage, settings), ())
    yield host
    host.kill()


def get(host: Host, path: str) -> requests.Response:
    return requests.get(host.url + path, timeout=10)


def test_request_and_answer(host: Host) -> None:
    answer = requests.post(f"{host.url}/ECHO/a%20b?x=1&empty=&y=%C3%A9&X=2", data=b"hi", timeout=10)
    assert (answer.status_code, answer.headers["X-A"]) == (201, "b")
    shown: dict[str, Any] = answer.json()
    assert shown["method"] == "POST"
    assert shown["url"] == f"{host.url}/ECHO/a%20b?x=1&empty=&y=%C3%A9&X=2"
    assert shown["params"] == {"x": "1,2", "y": "é"}
    assert shown["route"] == {"name": "a b"}
    assert shown["body"] == "hi"


def test_repeated_headers_are_joined_under_a_lower_case_name(host: Host) -> None:
    connection = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", "/echo/x")
    connection.putheader("X-Seen", "1")
    connection.putheader("x-SEEN", "2")
    connection.endheaders()
    assert b'"x-seen": "1,2"' in connection.getresponse().read()
    connection.close()


def test_a_chunked_body_arrives_empty(host: Host) -> None:
    answer = requests.post(f"{host.url}/echo/x", data=iter([b"chunk", b"chunk"]), timeout=10)
    assert answer.json()["body"] == ""


@pytest.mark.parametrize(("path", "text"), [("/order/7", "number"), ("/order/seven", "text")])
def test_routes_are_tried_in_alphabetical_order_of_function_name(host: Host, path: str, text: str) -> None:
    assert get(host, path).text == text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
def test_a_wrong_method_is_not_found(host: Host, method: str) -> None:
    answer = requests.request(method, f"{host.url}/echo/x", timeout=10)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("path", ["/raises", "/none", "/number"])
def test_no_answer_of_the_function_is_an_empty_500(host: Host, path: str) -> None:
    answer = get(host, path)
    assert (answer.status_code, answer.content) == (500, b"")


def test_errors_are_logged_with_a_traceback(host: Host) -> None:
    get(host, "/raises")
    host.wait_for("ERROR Function.raises: Invocation failed")
    host.wait_for("RuntimeError: as asked")


def test_disabled_is_not_found_and_cookies_pass(host: Host) -> None:
    assert get(host, "/off").status_code == 404
    assert get(host, "/off-on-linux").status_code == 404
    assert get(host, "/cookie").headers["Set-Cookie"] == "a=b; Path=/"


def head(host: Host, path: str, **headers: str) -> http.client.HTTPConnection:
    """A POST of which nothing but the head has been sent."""
    connection = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection


def test_too_large_a_body_is_refused(host: Host) -> None:
    with closing(head(host, "/echo/x", Content_Length=str(101 * 2**20))) as connection:
        assert connection.getresponse().status == 413


@pytest.fixture
def limited(start_host: StartHost, tmp_path: Path) -> Host:
    """A host with the limit of the deployment."""
    return start_host(write_app(tmp_path, SOURCE), FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=str(LIMIT_BYTES))


@pytest.mark.parametrize("path", ["/echo/x", "/admin/functions/echo", "/nothing"])
def test_no_byte_above_the_setting_is_taken(limited: Host, path: str) -> None:
    """Eight callers without a token made a process grow by 830 MB with bodies of 95 MB."""
    assert get(limited, "/order/7").text == "number"
    before = psutil.Process(limited.pid).memory_info().rss
    with ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(closing(head(limited, path, Content_Length=str(95 * 2**20))))
            with suppress(ConnectionError):  # it may be closed while this is being sent
                connection.send(bytes(4 * 2**20))
            assert connection.getresponse().status == 413
        assert psutil.Process(limited.pid).memory_info().rss - before < 16 * 2**20


def test_a_body_of_the_setting_is_taken_and_one_more_is_not(limited: Host) -> None:
    most = b"a" * LIMIT_BYTES
    assert len(requests.post(f"{limited.url}/echo/x", data=most, timeout=30).json()["body"]) == LIMIT_BYTES
    assert requests.post(f"{limited.url}/echo/x", data=most + b"a", timeout=30).status_code == 413
    assert requests.post(f"{limited.url}/echo/x", data=iter([most, most]), timeout=30).json()["body"] == ""


@pytest.mark.parametrize("value", ["0", "-1", "2MB", "1e6", "٣"])
def test_a_limit_that_is_no_number_of_bytes_ends_the_start(start_host: StartHost, tmp_path: Path, value: str) -> None:
    host = start_host(write_app(tmp_path, SOURCE), FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=value)
    assert host.wait() == 1
    assert "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT must be a whole number of bytes" in host.output


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:7071"},
        {"Host": "localhost.evil.example"},
        {"Host": "[::1"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=str,
)
def test_no_web_page_of_another_origin_runs_a_function(host: Host, headers: dict[str, str]) -> None:
    """Any page that a developer looked at could."""
    for path in ("/admin/functions/timed", "/ADMIN/functions/timed", "/admin/functions/nobody"):
        with closing(head(host, path, **headers, Content_Length="0")) as connection:
            assert connection.getresponse().status in (400, 403)


def test_this_machine_runs_a_function_by_any_of_its_names(host: Host) -> None:
    port = host.url.rpartition(":")[2]
    for headers in ({}, {"Host": f"localhost:{port}"}, {"Host": f"[::1]:{port}"}, {"Origin": host.url}):
        answer = requests.post(f"{host.url}/admin/functions/timed", json={}, headers=headers, timeout=10)
        assert answer.status_code == 202
    assert get(host, "/admin/host/status").status_code == 200


def test_what_is_no_http_is_logged_without_what_was_in_it(start_host: StartHost, tmp_path: Path) -> None:
    """The whole line was: a token with a stray byte in it stood in the log."""
    host = start_host(write_app(tmp_path, SOURCE))
    where = urlsplit(host.url)
    for line in (b"Authorization: Bearer SECRET\x00more", b"Authorization : Bearer SECRET", b"Bearer SECRET"):
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
            connection.sendall(b"GET /echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\n" + line + b"\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.0 400"), line
    host.wait_for("A request is no HTTP", count=3)
    assert "SECRET" not in host.output
    assert "Traceback" not in host.output


def test_home_page_and_admin(host: Host) -> None:
    assert "running" in get(host, "/").text
    assert get(host, "/admin/host/status").json() == {"state": "Running"}
    admin = f"{host.url}/admin/functions"
    assert requests.post(f"{admin}/nobody", json={}, timeout=10).status_code == 404
    assert requests.post(f"{admin}/echo", json={}, timeout=10).status_code == 400


def test_prefix_home_page_off_and_admin_runs_a_queue_function(start_host: StartHost, tmp_path: Path) -> None:
    source = """
@app.route("thing")
def thing(req: func.HttpRequest) -> str:
    return "thing"

@app.queue_trigger("msg", "unused", "AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    seen("work", body=msg.get_body().decode(), mine=msg.pop_receipt)
"""
    folder = write_app(tmp_path, source, {"version": "2.0"})
    host = start_host(folder, AzureWebJobsDisableHomepage="true")
    assert get(host, "/api/thing").text == "thing"
    assert get(host, "/thing").status_code == 404
    assert get(host, "/").status_code == 204
    answer = requests.post(f"{host.url}/admin/functions/work", json={"input": '{"popReceipt":"me"}'}, timeout=10)
    assert answer.status_code == 202
    assert host.seen("work", 1) == [{"body": '{"popReceipt":"me"}', "mine": "me"}]

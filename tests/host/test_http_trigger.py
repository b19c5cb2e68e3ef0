"""The HTTP trigger and the admin routes, with the host as a process of its own."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .conftest import StartHost
from .running import Host, host_environment, write_app

SOURCE = """
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


def test_too_large_a_body_is_refused(host: Host) -> None:
    connection = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/echo/x")
    connection.putheader("Content-Length", str(101 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


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

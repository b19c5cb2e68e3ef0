"""Microsoft Graph and Resource Manager over HTTP, from the state of fake_azure.py.

For the PowerShell scripts, which ask both without az.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .fake_azure import Entity, Page, Refused, graph, refuse, secret, token_for

STATUSES = {"Bad Request": 400, "Forbidden": 403, "Not Found": 404}
MADE = {"GET": 200, "POST": 201, "PATCH": 204}


@contextlib.contextmanager
def services(state: Entity) -> Iterator[None]:
    """While this lasts, the `graph` and the `manager` of the state are addresses of this machine."""

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            status, content_type, text = answer(state, self, self.rfile.read(length))
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = _handle

        def log_message(self, format: str, *args: Any) -> None:
            """The calls are in the state."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Request) as server:
        state["manager"] = "http://{}:{}".format(*server.server_address[:2])
        state["graph"] = f"{state['manager']}/graph"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def answer(state: Entity, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str]:
    """Status, content type and text."""
    url = urlsplit(request.path)
    is_graph = url.path.startswith("/graph/")
    resource = state["graph"] if is_graph else state["manager"]
    call = ["rest", "--method", str(request.command).lower(), "--url", unquote(request.path), "--resource", resource]
    state["calls"].append(["az", *call])
    try:
        if request.headers.get("Authorization") != f"Bearer {token_for(resource)}":
            return error(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        refuse(state, call)
        path = unquote(url.path)
        if not is_graph:
            found = secret(state, path)
        else:
            method, parameters = str(request.command).lower(), dict(parse_qsl(url.query))
            found = graph(state, method, path.removeprefix("/graph/v1.0/"), parsed(request, body), parameters)
    except Page as page:
        return 200, "text/html", str(page)
    except Refused as refused:
        return refusal(str(refused))
    status = MADE[str(request.command)]
    kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    return status, kind, "" if status == 204 else json.dumps(found, ensure_ascii=False)


def parsed(request: BaseHTTPRequestHandler, body: bytes) -> Entity:
    """The body as the charset says that it is written: without one, HTTP clients of old mean ISO-8859-1."""
    if not body:
        return {}
    kind = request.headers.get("Content-Type", "")
    assert kind.startswith("application/json"), kind
    charset = re.search(r"charset=([\w-]+)", kind)
    found: Entity = json.loads(body.decode(charset[1] if charset else "iso-8859-1"))
    return found


def refusal(text: str) -> tuple[int, str, str]:
    """The HTTP answer for which az would have written this text."""
    if wrapped := re.fullmatch(r"([\w ]+)\((\{.*\})\)", text, re.DOTALL):
        return STATUSES[wrapped[1]], "application/json", wrapped[2]
    if coded := re.fullmatch(r"\((\w+)\) (.*)", text, re.DOTALL):
        return error(403 if coded[1] == "AuthorizationFailed" else 404, coded[1], coded[2])
    return error(400, "Request_BadRequest", text)


def error(status: int, code: str, message: str) -> tuple[int, str, str]:
    return status, "application/json", json.dumps({"error": {"code": code, "message": message}})

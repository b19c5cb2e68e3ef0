"""A managed identity for apps of this process."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Identity:
    """The identity endpoint of Azure Functions (version 2019-08-01), which azure-identity asks."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.answer: Callable[[str], tuple[int, Any]] = lambda resource: (
            200,
            {"access_token": f"token for {resource}", "expires_on": "4102444800", "resource": resource},
        )
        identity = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.headers["X-IDENTITY-HEADER"] == "header-of-the-identity-endpoint"
                query = parse_qs(urlsplit(self.path).query)
                identity.asked.append(query)
                status, body = identity.answer(query["resource"][0])
                payload = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                """Nothing is written to standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/msi/token"

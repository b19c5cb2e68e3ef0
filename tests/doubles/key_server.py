"""A server of public keys, tokens signed with the private ones, and what `authorise` says of them."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.api.http.auth import LOCAL_AUDIENCE, LOCAL_ISSUER, LOCAL_TENANT, Role, authorise
from shared.api.http.problem import Problem
from shared.settings import Settings

TENANT, CLIENT = "235ec2cb-0767-40b3-a1de-4da2c42b19e9", "3b735b14-de6f-4cf8-adc6-da7eaccbdc31"
LEAST = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


class KeyServer(ThreadingHTTPServer):
    """Publishes the public halves of `keys`, or `body`; answers `status`. A `script` writes what it likes instead,
    until `over` is set, which it is at the end."""

    daemon_threads = True

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {"key-1": KEY}
        self.body: bytes | None = None
        self.status = 200
        self.script: Callable[[KeyServer], Iterator[bytes]] | None = None
        self.over = threading.Event()
        self.fetches = 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def server_close(self) -> None:
        self.over.set()
        super().server_close()


class Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.fetches += 1
        if self.server.script:
            with contextlib.suppress(OSError):  # whom the script is for has gone
                for piece in self.server.script(self.server):
                    self.wfile.write(piece)
            return
        keys = [jwk(kid, key) for kid, key in self.server.keys.items()]
        body = json.dumps({"keys": keys}).encode() if self.server.body is None else self.server.body
        self.send_response(self.server.status if self.path == "/keys" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def jwk(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    """As Entra publishes it: without `alg`."""
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def token(key: rsa.RSAPrivateKey = KEY, kid: str | None = "key-1", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": LOCAL_ISSUER,
        "aud": LOCAL_AUDIENCE,
        "tid": LOCAL_TENANT,
        "oid": "an-object",
        "azp": "an-application",
        "roles": ["Point.Admin"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    given = {name: value for name, value in (claims | changes).items() if value is not ...}
    return jwt.encode(given, key, algorithm="RS256", headers={"kid": kid} if kid else None)


def status(authorization: str | None, settings: Settings, role: Role = Role.ADMIN) -> int:
    """200, or the status of the problem."""
    problem = refusal(authorization, settings, role)
    if problem is None:
        return 200
    assert ("WWW-Authenticate" in problem.headers) is (problem.status == 401)
    assert "eyJ" not in problem.body["detail"], "a token must not be echoed"
    return problem.status


def refusal(authorization: str | None, settings: Settings, role: Role) -> Problem | None:
    try:
        authorise(authorization, (role,), settings)
    except Problem as problem:
        return problem
    return None

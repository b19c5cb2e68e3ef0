"""Where a token may stand and how large a request's head may be; whatever else is sent lets nobody in."""

import socket
from urllib.parse import urlsplit

from .api import ENDPOINTS, Api

OPTIONS = "/v1.0/options"


def test_a_token_in_the_query_or_a_cookie_is_not_read(api: Api) -> None:
    """It would end up in the logs of every proxy on the way."""
    token = api._token
    for query in (f"access_token={token}", f"Authorization=Bearer%20{token}", f"token={token}", f"code={token}"):
        api.call("GET", f"{OPTIONS}?{query}", expect=401, headers={"Authorization": None})
    for name in ("Cookie", "X-Authorization", "Proxy-Authorization", "X-MS-TOKEN-AAD-ACCESS-TOKEN", "X-ZUMO-AUTH"):
        api.call("GET", OPTIONS, expect=401, headers={"Authorization": None, name: f"Bearer {token}"})
    form = f"access_token={token}"
    headers: dict[str, str | None] = {"Authorization": None, "Content-Type": "application/x-www-form-urlencoded"}
    api.call("POST", ENDPOINTS, data=form, expect=401, headers=headers)


def test_two_tokens_are_no_token(api: Api) -> None:
    for value in (
        f"Bearer {api._token}, Bearer {api._token}",
        f"Bearer {api._token} {api._token}",
        f"Bearer Bearer {api._token}",
    ):
        api.call("GET", OPTIONS, expect=401, headers={"Authorization": value})


def test_64_kib_of_header_is_refused_and_harms_nobody(api: Api) -> None:
    where = urlsplit(api.base)
    for name in ("X-Large", "Authorization"):
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
            head = f"GET {OPTIONS} HTTP/1.1\r\nHost: x\r\n{name}: Bearer {'a' * 2**16}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode())
            status = int(connection.recv(65536).split(b" ", 2)[1])
        assert status in (400, 401, 431), name
    api.call("GET", OPTIONS)

"""What the SDK is told when storage cannot be reached, and what an answer looks like to it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest

from local.ports import LOOPBACK, free_ports
from shared.storage.transport import LoopTransport, Transport


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives each of these answers to one request and hangs up."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    while not connection.recv(65536).endswith(b"body"):
                        pass
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://{LOOPBACK}:{server.getsockname()[1]}/queue"
        thread.join()


def post(url: str) -> HttpRequest:
    return HttpRequest("POST", url, content=b"body", headers={"x-ms-version": "1"})


def test_an_answer_is_whole_and_its_headers_know_no_case() -> None:
    sent = b"HTTP/1.1 409 Conflict\r\nX-Ms-Error-Code: EntityAlreadyExists\r\nContent-Length: 8\r\n\r\n"
    with answering(sent + b"\xef\xbb\xbf{}\r\n\t") as url, Transport(1) as transport:
        answer = transport.send(post(url))
    assert (answer.status_code, answer.reason) == (409, "Conflict")
    assert answer.headers["x-ms-error-code"] == "EntityAlreadyExists"
    assert answer.json() == {}
    with pytest.raises(HttpResponseError):
        answer.raise_for_status()


def test_a_redirect_is_not_followed() -> None:
    with answering(b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as url:
        assert Transport(1).send(post(url)).status_code == 307


def test_where_nothing_listens_the_request_was_not_received() -> None:
    with pytest.raises(ServiceRequestError):
        Transport(1).send(post(f"http://{LOOPBACK}:{free_ports()}/"))


CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("answers", [[b"", b""], [b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n."]])
def test_where_the_answer_is_lost_the_request_may_have_been_received(answers: list[bytes]) -> None:
    with answering(*answers) as url, pytest.raises(ServiceResponseError):
        Transport(1).send(post(url))


def test_a_request_is_sent_once_more_where_its_connection_was_closed() -> None:
    """One that had been idle for as long as storage keeps it. The SDK sends no POST again, and so inserts no row."""
    with answering(b"", CREATED) as url, Transport(1) as transport:
        assert transport.send(post(url)).status_code == 201


async def sent_on_loop(url: str) -> int:
    async with LoopTransport() as transport:
        answer = await transport.send(post(url))
        return int(answer.status_code)


def test_it_is_so_on_the_event_loop() -> None:
    with answering(b"", CREATED) as url:
        assert asyncio.run(sent_on_loop(url)) == 201
    with answering(b"", b"") as url, pytest.raises(ServiceRequestError):
        asyncio.run(sent_on_loop(url))
    with pytest.raises(ServiceRequestError):
        asyncio.run(sent_on_loop(f"http://{LOOPBACK}:{free_ports()}/"))

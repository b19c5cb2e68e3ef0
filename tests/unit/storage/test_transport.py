"""What the SDK is told when storage cannot be reached, and what an answer looks like to it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest

from local.ports import LOOPBACK, free_ports
from shared.storage.transport import Transport


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives this answer to one request and hangs up."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
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


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n."])
def test_where_the_answer_is_lost_the_request_may_have_been_received(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(ServiceResponseError):
        Transport(1).send(post(url))

"""Asking once: what becomes of an answer, and of none."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from doubles.receivers import Receiver, Script, read_request
from shared.m365.client import Client, GraphFailed
from shared.m365.exchange import Answer, HttpExchange, read_answer

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
Receive = Callable[..., Receiver]


def test_an_error_of_graph_is_read() -> None:
    details = [{"target": "displayName", "code": "MissingPrefixSuffix"}]
    body = {"error": {"code": "Request_BadRequest", "message": "Not\nso.", "details": [*details, "x"]}}
    answer = read_answer(400, {"request-id": "r1", "Retry-After": "7"}, json.dumps(body).encode(), NOW)
    assert (answer.code, answer.message, answer.details) == ("Request_BadRequest", "Not so.", tuple(details))
    assert (answer.retry_after, answer.request_id) == (timedelta(seconds=7), "r1")
    assert answer.words == "Request_BadRequest: Not so."


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "status 403"),
        (b"<html>", "status 403"),
        (b"[1]", "status 403"),
        (b'{"error":null}', "status 403"),
        (b'{"error":{"code":null,"message":null}}', "status 403"),
        (b'{"odata.error":{"code":"-1","message":{"lang":"en-US","value":"No."}}}', "-1: No."),
        (b'{"error":{"code":"-1","message":{"lang":"en-US","value":"No."}}}', "-1: No."),
        (b'{"error":"invalid_request","error_description":"Unsupported app only token."}',
         "invalid_request: Unsupported app only token."),
    ],
)  # fmt: skip
def test_whatever_an_error_looks_like_it_has_words(body: bytes, words: str) -> None:
    assert read_answer(403, {}, body, NOW).words == words


def test_a_long_error_is_shortened_and_has_no_control_characters() -> None:
    body = json.dumps({"error": {"code": "x", "message": "a\x00b" + "y" * 5000}}).encode()
    answer = read_answer(500, {}, body, NOW)
    assert len(answer.message) == 400
    assert answer.message.startswith("a b")


def test_the_operation_is_in_either_header() -> None:
    assert read_answer(202, {"Operation-Location": "a", "Location": "b"}, b"", NOW).operation_url == "a"
    assert read_answer(202, {"Location": "b"}, b"", NOW).operation_url == "b"
    assert read_answer(202, {}, b"", NOW).operation_url is None


def test_no_answer_has_words_too() -> None:
    assert Answer(0).words == "no answer"
    assert not Answer(0).succeeded


def at(receiver: Receiver) -> str:
    return receiver.url("", "127.0.0.1")


def an_exchange(base_url: str, ends_at: float = 1e12, token: Callable[[], str] = lambda: "t0ken") -> HttpExchange:
    return HttpExchange(Client(base_url, token, ends_at), {"client-request-id": "id1"})


def test_a_request_carries_the_token_and_what_is_told(receive: Receive) -> None:
    receiver = receive(_answering(201, b'{"id":"g1"}'))
    answer = an_exchange(at(receiver)).send("PATCH", "/v1.0/groups(uniqueName='x')", {"a": "é"}, {"Prefer": "p"})
    assert (answer.status, answer.text("id")) == (201, "g1")
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PATCH /v1.0/groups(uniqueName='x') HTTP/1.1")
    for line in (b"Authorization: Bearer t0ken", b"client-request-id: id1", b"Prefer: p"):
        assert line.lower() in head.lower()
    assert body == '{"a":"é"}'.encode()


def test_another_host_gets_no_request_and_no_token(receive: Receive) -> None:
    receiver = receive(_answering(200, b"{}"))
    answer = an_exchange("https://graph.microsoft.com").send("GET", f"{at(receiver)}/x")
    assert (answer.status, answer.unsent) == (0, True)
    assert receiver.requests == []


def test_without_a_token_nothing_is_sent_and_it_says_why(receive: Receive) -> None:
    def none() -> str:
        raise GraphFailed("the app's managed identity gives no token")

    receiver = receive(_answering(200, b"{}"))
    answer = an_exchange(at(receiver), token=none).send("GET", "/x")
    assert (answer.unsent, answer.message) == (True, "the app's managed identity gives no token")
    assert receiver.requests == []


def test_when_the_time_is_over_nothing_is_sent(receive: Receive) -> None:
    receiver = receive(_answering(200, b"{}"))
    answer = an_exchange(at(receiver), ends_at=0.0).send("POST", "/x", {})
    assert (answer.status, answer.unsent) == (0, True)
    assert receiver.requests == []


def test_an_answer_that_breaks_off_is_none_and_was_sent(receive: Receive) -> None:
    receiver = receive(_answering(201, b'{"id"', declared=99))
    answer = an_exchange(at(receiver)).send("POST", "/x", {})
    assert (answer.status, answer.unsent) == (0, False)


def _answering(status: int, body: bytes, declared: int | None = None) -> Script:
    """Answers once; with `declared` it says that so many bytes come."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        request = read_request(connection)
        if request is not None:
            receiver.requests.append(request)
            length = len(body) if declared is None else declared
            connection.sendall(f"HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n".encode() + body)

    return script

"""Heads of answers, read from their bytes."""

import pytest

from shared.outbound.head import Head, find_end, may_be_http, read_head

LINES = b"Content-Type: text/plain\r\nRETRY-AFTER :  7\t\r\nRetry-After: 8\r\nX-Content-Length: 9\r\n\r\n"


def test_a_header_is_found_in_any_case_and_the_first_counts() -> None:
    head = read_head(b"HTTP/1.1 429 Too Many Requests\r\n" + LINES)
    assert head is not None
    assert head.status == 429
    assert head.value("Retry-After") == "7"
    assert head.value("content-type") == "text/plain"
    assert head.value("HTTP/1.1 429 Too Many Requests") is None
    assert head.value("Content-Length") is None
    assert head.length is None
    assert not head.announces_body


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n", 200),
        (b"HTTP/1.0 204\r\n", 204),
        (b"HTTP/1.1 999 \xff\xfe\n", 999),
        (b"HTTP/1.1 2000 OK\r\n", None),
        (b"HTTP/1.1 099 OK\r\n", None),
        (b"HTTP/1.1 OK\r\n", None),
        (b"HTTP/1.2 200 OK\r\n", None),
        (b"HTTP/2 200\r\n", None),
        (b"http/1.1 200 OK\r\n", None),
    ],
)
def test_the_first_line_must_be_a_status_line(line: bytes, status: int | None) -> None:
    head = read_head(line + b"\r\n")
    assert (head.status if head else None) == status
    assert may_be_http(line) is (status is not None)


@pytest.mark.parametrize("begun", [b"", b"H", b"HTTP/1", b"HTTP/1.1 2", b"HTTP/1.1 200 O"])
def test_the_beginning_of_a_status_line_may_become_one(begun: bytes) -> None:
    assert may_be_http(begun)


@pytest.mark.parametrize("begun", [b"h", b"SSH-2.0", b"\r\nHTTP/1.1 200", b"\x15\3", b"HTTP/2"])
def test_other_beginnings_never_become_one(begun: bytes) -> None:
    assert not may_be_http(begun)


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n"])
def test_a_head_ends_with_an_empty_line_wherever_the_bytes_are_parted(end: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\nX: y" + end + b"body\r\n\r\n"
    length = data.index(b"body")
    for parted in range(length):
        assert find_end(data[:parted], 0) is None or parted == length
        assert find_end(data, parted) == length


@pytest.mark.parametrize("status", [204, 205, 304])
def test_some_statuses_have_no_body(status: int) -> None:
    assert not Head(status, b"").has_body


@pytest.mark.parametrize(("status", "interim"), [(100, True), (101, False), (102, True), (199, True), (200, False)])
def test_interim_heads_are_known(status: int, interim: bool) -> None:
    assert Head(status, b"").interim is interim


@pytest.mark.parametrize(
    ("lines", "length", "announces"),
    [
        (b"\r\n", None, False),
        (b"Content-Length: 0\r\n\r\n", 0, False),
        (b"content-length: 12 \r\n\r\n", 12, True),
        (b"Content-Length: -1\r\n\r\n", None, False),
        (b"Content-Length: 1, 1\r\n\r\n", None, False),
        (b"Content-Length: \xb2\r\n\r\n", None, False),
        (b"Transfer-Encoding: chunked\r\n\r\n", None, True),
    ],
)
def test_the_length_of_the_body_is_read(lines: bytes, length: int | None, announces: bool) -> None:
    head = Head(200, b"HTTP/1.1 200 OK\r\n" + lines)
    assert (head.length, head.announces_body) == (length, announces)

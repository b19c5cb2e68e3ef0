"""How deliveries prove themselves: what may be asked for, and what it becomes."""

import base64
import http.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from doubles.samples import an_endpoint
from shared.model import Auth
from shared.model.auth import (
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    AuthBody,
    header_problem,
    merge_patch,
    patched_auth,
    stored_auth,
)
from shared.model.validation import clauses
from shared.outbound.credentials import basic, conflict_of, is_signed, sends_authorization

TOLD_IN = "docs/api.md#delivery-authentication"

BODY: TypeAdapter[Any] = TypeAdapter(AuthBody)
SET_HERE = [
    "Host",
    "Content-Type",
    "Content-Length",
    "Connection",
    "Transfer-Encoding",
    "User-Agent",
    "Signature",
    "Algorithm",
    "traceparent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "webhook-other",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Proxy-Authorization",
    "Accept-Encoding",
    "Expect",
]


def refused(body: Any) -> str:
    """What an answer of the API says of it."""
    with pytest.raises(ValidationError) as error:
        BODY.validate_python(body)
    return "; ".join(clauses(error.value, AuthBody, body, "auth"))


class Wire(http.client.HTTPConnection):
    """Keeps the head of a request instead of sending it."""

    sent = b""

    def send(self, data: Any) -> None:
        self.sent += data


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_header_that_is_taken_is_one_line_on_the_wire_and_unchanged(name: str, value: str) -> None:
    if header_problem(name, value) is None:
        wire = Wire("receiver.example")
        wire.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        wire.putheader(name, value)
        wire.endheaders()
        assert wire.sent == f"POST / HTTP/1.1\r\n{name}: {value}\r\n\r\n".encode("ascii")


@given(st.from_regex(r"\A[A-Za-z0-9-]{1,40}\Z"), st.from_regex(r"\A[!-~]{1,40}\Z"))
def test_ordinary_headers_are_taken(name: str, value: str) -> None:
    reserved = name.lower() in {each.lower() for each in SET_HERE} or header_problem(name, "x")
    assert reserved or header_problem(name, value) is None


@pytest.mark.parametrize("name", [*SET_HERE, *map(str.upper, SET_HERE), *map(str.lower, SET_HERE)])
def test_headers_of_the_app_and_the_connection_cannot_be_chosen(name: str) -> None:
    assert "cannot be chosen" in str(header_problem(name, "x"))


@pytest.mark.parametrize("name", ["", "X Token", "X-Tok\ten", "X:Y", "X-Ü", "X\r\nHost", ":path", "x" * 101])
def test_a_name_is_a_token(name: str) -> None:
    assert header_problem(name, "x") is not None


@pytest.mark.parametrize("value", ["", " ", " x", "x ", "a\nb", "a\r\nHost: b", "a\x00b", "ü", "a\tb", "\x7f"])
def test_a_value_is_printable_and_never_shown(value: str) -> None:
    problem = refused(
        {"type": "headers", "headers": {"X-Token": f"{value[:1]}hidden{value[1:]}" if value.strip() else value}}
    )
    assert "X-Token" in problem
    assert "hidden" not in problem


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"type": "headers", "headers": {}}, "headers"),
        ({"type": "headers"}, "headers"),
        ({"type": "headers", "headers": {"X": 1}}, "headers"),
        ({"type": "headers", "headers": {f"X-{at}": "v" for at in range(MOST_HEADERS + 1)}}, "at most 20"),
        ({"type": "headers", "headers": {"X-Long": "v" * MOST_HEADER_BYTES}}, "8192 bytes"),
        ({"type": "headers", "headers": {"X-A": "1", "x-a": "2"}}, "twice"),
        ({"type": "basic", "username": "a:b", "password": "hidden"}, "colon"),
        ({"type": "basic", "username": "a\nb", "password": "hidden"}, "control"),
        ({"type": "basic", "username": "a", "password": "hidden\x00"}, "control"),
        ({"type": "basic", "username": "a"}, "password"),
        ({"type": "basic", "username": "a", "password": "b", "headers": {"authorization": "hidden"}}, "Authorization"),
        ({"type": "entra", "audience": "api://x", "headers": {"Authorization": "hidden"}}, "Authorization"),
        ({"type": "entra"}, "audience"),
        ({"type": "entra", "audience": "api://x", "token": "hidden"}, "token"),
        ({"type": "oauth", "secret": "hidden"}, "type"),
        ({"headers": {"X": "hidden"}}, "type"),
        ("hidden", ""),
    ],
)
def test_what_cannot_be_used_is_named_without_its_secrets(body: Any, says: str) -> None:
    problem = refused(body)
    assert says in problem
    assert "hidden" not in problem


def test_what_is_asked_for_is_what_is_stored() -> None:
    for body in (
        {"type": "headers", "headers": {"X-Token": "t", "Authorization": "Splunk s"}},
        {"type": "basic", "username": "ü", "password": "p:w", "headers": {"clientId": "c"}},
        {"type": "entra", "audience": "https://service.flow.microsoft.com/"},
    ):
        stored = stored_auth(BODY.validate_python(body))
        assert stored is not None
        assert stored.model_dump(exclude_defaults=True) == body
    assert stored_auth(BODY.validate_python({"type": "none"})) is None


@given(st.text().filter(lambda text: ":" not in text), st.text())
def test_basic_reads_back_as_user_name_and_password(username: str, password: str) -> None:
    """RFC 7617, section 2: the first colon ends the user name; in UTF-8, section 2.1."""
    try:
        value = basic(username, password)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON bodies cannot hold
        return
    scheme, _, encoded = value.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded).decode().partition(":") == (username, ":", password)


def test_basic_has_the_known_answers_of_the_rfc() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic("test", "123£") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("?api-version=1&sp=%2Ftriggers&sv=1.0&sig=abc", True),
        ("?SIG=abc", True),
        ("?a=1&sig", True),
        ("?%73ig=abc", True),
        ("?code=sig", False),
        ("?signature=abc", False),
        ("", False),
        ("#sig=1", False),
    ],
)
def test_a_signed_url_is_known_by_its_sig(query: str, signed: bool) -> None:
    assert is_signed(f"https://prod-1.westeurope.logic.azure.com:443/workflows/1{query}") is signed


@pytest.mark.parametrize(
    ("auth", "sends"),
    [
        (Auth(type="basic", username="u", password="p"), True),
        (Auth(type="entra", audience="api://x"), True),
        (Auth(type="headers", headers={"AUTHORIZATION": "x"}), True),
        (Auth(type="headers", headers={"X-Authorization": "x"}), False),
    ],
)
def test_authorization_never_goes_to_a_signed_url(auth: Auth, sends: bool) -> None:
    assert sends_authorization(auth) is sends
    conflict = conflict_of(an_endpoint("https://x.example/?sig=abc", auth=auth))
    assert ("sig" in conflict) if sends and conflict else conflict is None
    assert (conflict is not None) is sends
    assert conflict_of(an_endpoint("https://x.example/?code=abc", auth=auth)) is None
    assert conflict_of(an_endpoint("https://x.example/?sig=abc")) is None


@pytest.mark.parametrize(
    ("known", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_the_rfc(known: Any, patch: Any, merged: Any) -> None:
    """RFC 7396, appendix A."""
    before = repr(known)
    assert merge_patch(known, patch) == merged
    assert repr(known) == before


def test_a_patch_of_the_same_type_keeps_what_it_does_not_say() -> None:
    auth = Auth(type="headers", headers={"X-A": "1", "X-B": "2"})
    assert patched_auth(auth, {"headers": {"X-A": "new", "X-B": None}}) == {
        "type": "headers",
        "headers": {"X-A": "new"},
    }
    assert patched_auth(auth, {"type": "entra", "audience": "api://x"}) == {"type": "entra", "audience": "api://x"}
    assert patched_auth(None, {"type": "entra"}) == {"type": "entra"}


def test_a_patch_of_basic_authentication_with_an_empty_password_was_refused() -> None:
    """Services that take a key for a user name want no password."""
    stored = Auth.model_validate_json('{"type":"basic","username":"key"}')
    patched = patched_auth(stored, {"username": "next"})
    assert stored_auth(BODY.validate_python(patched)) == Auth(type="basic", username="next")

"""Requests as handlers see them."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any, cast

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.events import TenantBody
from shared.api.http.auth import NOBODY
from shared.api.http.call import SMALL_BODY_BYTES, Request, Response, respond, validated
from shared.api.http.problem import Problem
from shared.app import App


def a_call(body: bytes = b"", params: dict[str, str] | None = None, **headers: str) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = func.HttpRequest("POST", "/x", headers=names, params=params, route_params={"id": "a"}, body=body)
    return Request(cast(App, None), request, NOBODY)


def refusal(act: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        act()
    return caught.value


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
        "application/problem+json ;x=y",
    ],
)
def test_any_json_content_type_is_taken(content_type: str) -> None:
    assert a_call(b'{"a": 1}', content_type=content_type).json() == ({"a": 1}, '{"a":1}')


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "text/json", "application/jsonp", "multipart/x+json"]
)
def test_other_content_types_are_415(content_type: str) -> None:
    assert refusal(a_call(b"{}", content_type=content_type).json).status == 415


def test_an_empty_body_is_400_and_a_chunked_one_that_the_host_dropped_411() -> None:
    assert refusal(a_call(content_type="application/json").json).status == 400
    assert refusal(a_call(content_type="application/json", transfer_encoding="Chunked").json).status == 411


def test_a_body_up_to_the_limit_is_taken_and_one_beyond_is_413() -> None:
    call = a_call(b'"' + b"x" * (SMALL_BODY_BYTES - 2) + b'"', content_type="application/json")
    assert len(call.json()[0]) == SMALL_BODY_BYTES - 2
    assert refusal(a_call(b" " * (SMALL_BODY_BYTES + 1), content_type="application/json").json).status == 413
    assert refusal(lambda: call.json(10)).status == 413


@pytest.mark.parametrize("body", [b"{", b"\xff", b"NaN", b'{"a":1,"a":2}', b'"\\ud800"', "\ufeff\ufeff{}".encode()])
def test_a_body_that_is_no_strict_json_is_400(body: bytes) -> None:
    assert refusal(a_call(body, content_type="application/json").json).status == 400


def test_a_byte_order_mark_is_forgiven() -> None:
    assert a_call("\ufeff{}".encode(), content_type="application/json").json() == ({}, "{}")


@pytest.mark.parametrize(("text", "number"), [(None, 50), ("1", 1), ("500", 500), ("0050", 50)])
def test_a_number_from_the_query(text: str | None, number: int) -> None:
    assert a_call(params={} if text is None else {"top": text}).number("top", 50, 1, 500) == number


@pytest.mark.parametrize("text", ["0", "501", "-1", "1.5", "x", "٣", "1 ", "000000001999999999", "9" * 5000])
def test_a_number_out_of_range_is_400(text: str) -> None:
    problem = refusal(lambda: a_call(params={"top": text}).number("top", 50, 1, 500))
    assert (problem.status, problem.body["detail"]) == (400, "?top= must be a whole number from 1 to 500")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00",
        "2026-11-22T12:00:00+02:00",
        "2026-11-22T12:00:00 02:00",
        "2026-11-22 10:00:00Z",
        "2026-11-22 12:00 02:00",
        "20261122 100000",
    ],
)
def test_a_time_from_the_query_is_utc_where_it_names_no_zone(text: str) -> None:
    assert a_call(params={"from": text}).time("from") == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_a_word_that_is_nearly_one_of_those_known_is_recognised() -> None:
    problem = refusal(lambda: a_call(params={"status": "Failed"}).one_of("status", ("pending", "failed")))
    assert problem.body["detail"] == "?status= must be one of pending, failed: did you mean 'failed'?"


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ('"a"', True),
        ('"x", "a"', True),
        ('"a","x"', True),
        ("*", True),
        ('"x"', False),
        ('W/"a"', False),
        ("a", False),
        ("", False),
    ],
)
def test_if_match_is_read_as_http_has_it(given: str, matches: bool) -> None:
    assert a_call(if_match=given).matches('"a"') is matches


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("return=representation", True),
        ('return="representation"', True),
        ("Return = Representation ;x=1", True),
        ("respond-async, return=representation", True),
        ("return=minimal", False),
        ("return=minimal, return=representation", False),
        ("return=representations", False),
        ('x="return=representation"', False),
        ("", False),
    ],
)
def test_a_preference_is_read_as_http_has_it(given: str, wanted: bool) -> None:
    assert a_call(prefer=given).prefers("return", "representation") is wanted


def test_an_absent_time_is_none_and_a_wrong_one_400() -> None:
    assert a_call().time("from") is None
    assert refusal(lambda: a_call(params={"from": "yesterday"}).time("from")).status == 400


@given(st.text(max_size=30))
def test_no_text_from_the_query_breaks_it(text: str) -> None:
    call = a_call(params={"x": text})
    for read in (lambda: call.number("x", 1, 1, 9), lambda: call.time("x")):
        with contextlib.suppress(Problem):
            assert read() is not None


def test_wrong_fields_are_all_named_by_their_paths() -> None:
    problem = refusal(lambda: validated(TenantBody, {"displayName": 5, "colour": "red"}, "[3]."))
    assert problem.status == 400
    assert sorted(problem.body["errors"]) == [
        "[3].colour: is not known here",
        "[3].displayName: must be text",
        "[3].id: is required",
    ]


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_what_is_no_object_is_400(value: Any) -> None:
    assert refusal(lambda: validated(TenantBody, value)).body["detail"] == "The body must be a JSON object"
    assert refusal(lambda: validated(TenantBody, value, "[3].")).body["detail"] == "[3] must be a JSON object"


def test_a_reply_is_compact_json_that_nobody_keeps() -> None:
    response = respond(Response(200, {"a": ["é", 1]}, headers={"Location": "/x"}))
    assert response.get_body() == '{"a":["é",1]}'.encode()
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Location"] == "/x"


def test_a_reply_may_be_text_that_is_json_already_or_nothing() -> None:
    assert respond(Response(200, text="null")).get_body() == b"null"
    assert respond(Response(204)).get_body() == b""
    assert json.loads(respond(Response(200, [])).get_body()) == []


def test_path_query_header_and_body_are_read_by_name() -> None:
    call = a_call(b"x", params={"a": "b"}, prefer="return=representation")
    assert (call.path("id"), call.query("a"), call.query("c")) == ("a", "b", None)
    assert (call.header("Prefer"), call.header("other"), call.has_body) == ("return=representation", None, True)
    assert not a_call().has_body

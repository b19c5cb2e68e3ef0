"""What a receiver echoes does not show how it is reached."""

import base64
import html
import json
import re
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound.exchange import RESPONSE_BYTES
from shared.outbound.redaction import MARK, Redaction

TOLD_IN = "docs/security.md#what-is-promised"

CODE = "o74oKsbrgHDI+/zQ=="
PATH = "/workflows/9f2c0a4411/triggers/manual/paths/invoke"
QUERY = f"api-version=2016-10-01&sp=%2Ftriggers%2Fmanual&code={quote(CODE, safe='')}&k=q7"
URL = f"https://hooks.contoso.com{PATH}?{QUERY}"
PASSWORD = 'p<"ä&s:s\\w/d'
SECRETS = ("Bearer eyJhbGciOiJS.eyJhdWQiOiJhcGk6Ly8xMiJ9.c2lnbmF0dXJlLW9m", "company+public", PASSWORD, "abc")


def redacted(text: str) -> str:
    return Redaction(URL, SECRETS).redact(text)


def in_javascript(text: str) -> str:
    """As ASP.NET writes JSON."""
    return "".join(each if each.isalnum() and each.isascii() else f"\\u{ord(each):04X}" for each in text)


ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "in upper case": str.upper,
    "for a path": quote,
    "for a query": quote_plus,
    "for a query, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "in lower case hexadecimal": lambda text: quote(text, safe="").lower(),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "in JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "in JavaScript": in_javascript,
    "in HTML": html.escape,
    "in HTML by numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "in HTML, for a query": lambda text: html.escape(quote(text, safe="/&")),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "in base64, further on": lambda text: base64.b64encode(f'{{"a":"{text}"}}'.encode()).decode(),
    "in base64, one further": lambda text: base64.b64encode(f"+{text}-".encode()).decode(),
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
@pytest.mark.parametrize("secret", [PATH, f"{PATH}?{QUERY}", QUERY, unquote(QUERY), CODE, PASSWORD, *SECRETS[:2]])
def test_a_secret_is_hidden_however_it_is_written(escape: Callable[[str], str], secret: str) -> None:
    shown = redacted(f"cannot take ({escape(secret)}) today")
    assert MARK in shown
    assert escape(secret) not in shown
    assert shown.startswith("cannot take ")
    assert shown.endswith(" today")
    assert not any(escape(secret)[at : at + 8] in shown for at in range(len(escape(secret)) - 8))


@pytest.mark.parametrize(
    ("echoed", "shown"),
    [
        ("POST /workflows/9f2c0a4411 not found", "POST /…/… not found"),
        ("version 2016-10-01 is old", "version … is old"),
        ("got k=q7", "got k=q7"),
        ("?x&k=q7 of sp=%2Ftriggers%2Fmanual&k", "?x&k=q7 of …&k"),
        ('{"Authorization":"Basic Y29tcGFueStwdWJsaWM6YWJj"}', '{"Authorization":"Basic …"}'),
        ("X-Token: abc", "X-Token: …"),
        ("abcd, xabc and ABC", "abcd, xabc and …"),
        ("the payload eyJhdWQiOiJhcGk6Ly8xMiJ9", "the payload …"),
    ],
)
def test_parts_are_hidden_where_they_say_something_alone(echoed: str, shown: str) -> None:
    assert redacted(echoed) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "This path answers 500.",
        '{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"Could not execute"}}',
        "manually triggered: 100% of 7 &amp; more\\n",
        "<html><body>&#8230; %zz \\u12 &unknown;</body></html>",
        "ÄÖÜ İstanbul ſ \U0001f600" * 3,
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@given(st.text(max_size=60), st.text("abcdef0123456789%&;\\u", min_size=6, max_size=20), st.text(max_size=60))
def test_whatever_stands_around_a_value(before: str, value: str, after: str) -> None:
    shown = Redaction("https://hooks.contoso.com/", [value + "-1"]).redact(f"{before} {value}-1 {after}")
    assert f"{value}-1" not in shown.replace(f"{before} ", "", 1).removesuffix(f" {after}")


@given(st.text(), st.text(max_size=30))
def test_any_text_can_be_redacted_by_any_secret(text: str, secret: str) -> None:
    Redaction("https://hooks.contoso.com/" + quote(secret), [secret]).redact(text)


@pytest.mark.parametrize("escape", [ESCAPES["as it is"], ESCAPES["for a query"], ESCAPES["in HTML by numbers"]])
def test_a_secret_that_the_end_of_what_is_kept_cuts_off_is_hidden_too(escape: Callable[[str], str]) -> None:
    whole = escape("code=" + CODE)
    for kept in range(len(escape("code=" + CODE[:8])), len(whole)):
        text = "x" * (RESPONSE_BYTES - kept - 1) + " " + whole[:kept]
        assert redacted(text).endswith("x …"), kept


def test_a_long_url_and_a_long_answer_take_milliseconds() -> None:
    pairs = "&".join(f"a{number}=b%2{number % 10}bb{number}" for number in range(400))
    redaction = Redaction(f"https://hooks.contoso.com/?{pairs}"[:4096], ["x" * 8000])
    texts = ["a" * 2048, "%25" * 680, ("b%2" * 700)[:2048], pairs[:2048], "&amp;" * 400, "QUFB" * 512]
    started = time.process_time()
    for text in texts:
        redaction.redact(text)
    assert (time.process_time() - started) / len(texts) < 0.1


@pytest.mark.parametrize("characters", [255, RESPONSE_BYTES])
@pytest.mark.parametrize("letters", ["VVVV", "UUUU", "VVVVVVV "])
def test_a_url_and_an_answer_made_for_it_take_no_longer(letters: str, characters: int) -> None:
    """Each of the URL's parts stood in base64 at each position of one run, which was looked for again each time: half
    a minute for an answer."""
    segments = "/".join("U" * length for length in range(6, 90))
    redaction = Redaction(f"https://hooks.contoso.com/{segments}"[:4095], [])
    text = (letters * RESPONSE_BYTES)[:characters]
    started = time.thread_time()
    shown = redaction.redact(text)
    assert time.thread_time() - started < 0.25
    assert set(shown) <= {MARK, " "}


@given(st.text("12", max_size=40), st.text("12", min_size=6, max_size=9))
def test_every_occurrence_is_hidden_also_where_they_overlap(text: str, secret: str) -> None:
    hidden = {
        at for begin in range(len(text)) if text.startswith(secret, begin) for at in range(begin, begin + len(secret))
    }
    expected = "".join(MARK if at in hidden else each for at, each in enumerate(text))
    assert Redaction("https://hooks.contoso.com/", [secret]).redact(text) == re.sub(f"{MARK}+", MARK, expected)

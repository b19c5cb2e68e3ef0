"""Patterns of site URLs: what they mean, and that nobody can make them costly."""

import fnmatch
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doubles.samples import an_endpoint, an_event
from shared.model.filters import Matcher
from shared.model.site_patterns import LONGEST_SITE, Site, can_match_a_url

TOLD_IN = "docs/api.md#endpoints"

letters = st.text("aB/-é", max_size=12)
pattern_parts = st.sampled_from(["*", "?", "[ab]", "[!a]", "[a-c]", "[!B-]", "[]a]", "[", "a", "b", "B", "/", "-", "é"])
patterns = st.lists(pattern_parts, max_size=8).map("".join)


def as_a_shell_reads_it(pattern: str, site: str) -> bool:
    """By Python's own translation, as the app did it before."""
    expression = fnmatch.translate(pattern.rstrip("/")).removesuffix(r"\Z").removesuffix(r"\z")
    return re.compile(expression + r"/?\Z", re.IGNORECASE).match(site) is not None


@given(patterns, letters)
@example("*a*b", "aab")
@example("a*/", "a/")
@example("[!]", "[!]")
@example("a[", "a[")
def test_a_pattern_means_what_a_shell_reads_in_it(pattern: str, site: str) -> None:
    assert Site(site).matches([pattern]) is as_a_shell_reads_it(pattern, site)


@given(st.text(max_size=30).filter(lambda text: not set(text) & set("*?[") and not text.endswith("/")))
def test_a_url_matches_itself_in_any_case_and_with_a_slash_more(url: str) -> None:
    assert Site(url).matches([url])
    assert Site(url + "/").matches([url])
    assert Site(url).matches([url.rstrip("/") + "/"])


@pytest.mark.parametrize("length", [LONGEST_SITE, LONGEST_SITE + 1])
def test_what_is_too_long_for_a_site_matches_nothing(length: int) -> None:
    assert Site("a" * length).matches(["*"]) is (length <= LONGEST_SITE)


def hostile(number: int) -> tuple[str, ...]:
    """A list of patterns as large as may be, written to be costly, and like no other."""
    kinds = [
        "*a" * 35 + "?b",
        "*" + "a" * 70 + "b",
        "*" + "?a" * 35 + "b",
        "*[a-z!]" * 11 + "b",
        "https://" + "*?" * 32,
    ]
    return tuple(f"{kinds[each % len(kinds)]}{number}{each}" for each in range(100))


def test_the_costliest_filters_of_a_hundred_endpoints_cost_a_publisher_little() -> None:
    """41 endpoints with 100 patterns each cost 10 s an event and more, since no cache of regular expressions could hold
    them. The time is that of a busy machine."""
    endpoints = [an_endpoint(f"https://receiver.example/{number}", sites=hostile(number)) for number in range(100)]
    events = [an_event(content=f'{{"siteUrl":"https://{"a" * 400}/{number}"}}') for number in range(3)]
    Matcher(endpoints).matching(events[0])  # takes the patterns apart, once for as long as they stay
    started = time.process_time()
    for _ in range(3):
        assert Matcher(endpoints).matching(events[1]) == []
    assert (time.process_time() - started) / 3 < 0.5


def test_a_hundred_events_of_one_site_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Sequence[str]] = []
    original = Site.matches

    def matches(site: Site, patterns: Sequence[str]) -> bool:
        compared.append(patterns)
        return original(site, patterns)

    monkeypatch.setattr(Site, "matches", matches)
    endpoints = [an_endpoint(f"https://receiver.example/{number}", sites=("https://x/*",)) for number in range(5)]
    matcher = Matcher(endpoints)
    event = an_event(content='{"siteUrl":"https://x/sites/hr"}')
    assert [len(matcher.matching(event)) for _ in range(100)] == [5] * 100
    assert compared == [("https://x/*",)]


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "*/sites/hr",
        "https://x",
        "HTTPS://x/*",
        "http*hr",
        "?ttps://x",
        "[hf]ttps://x",
        "h*",
        "https:*",
        "*?",
        "[!q]*",
        "https://*[a-z]",
        "?????://x",
        "*:*/x",
        "https://x/[z-a0]",
        "*h*t*t*p*:*/*/*",
    ],
)
def test_a_pattern_that_begins_as_an_address_does_can_match_one(pattern: str) -> None:
    assert can_match_a_url(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "contoso.sharepoint.com/sites/hr",
        "/sites/hr*",
        " https://x",
        "ftp://x",
        "https",
        "https://",
        "hr*",
        "[https://x",
        "https://x ",
        "https://x/a b/*",
        "* ",
        "https://x\n",
        "https://x/\u200b",
        "https://[z-a]x/*",
        "[z-a]*",
        "?",
        "???????",
        "?ftp*",
        "h[!t]*",
        "httpsx*",
        "https:/x",
    ],
)
def test_one_that_begins_as_none_does_cannot(pattern: str) -> None:
    assert not can_match_a_url(pattern)

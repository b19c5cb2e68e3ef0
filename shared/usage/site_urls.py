"""The URLs of sites that the usage report names by id alone, from Microsoft Graph's list of all sites.

The list is paged through only for ids that nothing is known of, and once a week for all, since URLs change. What was
found is kept, and so is that an id was not there: neither costs another look. A scan that has no more time for the list
goes on in the next one.
"""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from shared import logs
from shared.app import App
from shared.m365.client import GraphFailed
from shared.storage.sites import KnownUrls, ScanState
from shared.usage.graph import Graph, SitePage

LIST_AGAIN = timedelta(days=7)
RESERVED_SECONDS = 8 * 60.0
"""Of a scan's time, left for what comes after the list."""


class _Listed(NamedTuple):
    """What the list has of the ids that were looked for. `resume_at` is where to go on where time ran out; `ended` says
    that nothing of the list is left."""

    urls: dict[str, str]
    resume_at: str | None = None
    ended: bool = True


def resolve_urls(
    app: App, graph: Graph, state: ScanState, without_url: Collection[str], at_hand: Collection[str]
) -> tuple[dict[str, str], ScanState]:
    """URLs of the ids that the report leaves without one, as far as they can be found, and the state of the list. Of
    the ids `at_hand` a URL is stored elsewhere. Raises GraphFailed."""
    if not without_url:
        return {}, state
    now, known = app.now(), app.sites.known_urls()
    unknown = {each for each in without_url if each not in at_hand and not known.settles(each)}
    due = state.listed_at is not None and now - state.listed_at > LIST_AGAIN
    if unknown or due:
        wanted = unknown.union(without_url) if due else unknown
        listed = _page_through(graph, wanted, state.resume_at)
        learned = _learn(known, without_url, unknown, listed, from_the_start=state.resume_at is None)
        app.sites.write_known_urls(known, learned)
        known = learned
        listed_at = now if listed.ended else state.listed_at
        state = state.model_copy(update={"resume_at": listed.resume_at, "listed_at": listed_at})
    return {each: known.urls[each] for each in without_url if each in known.urls}, state


def _learn(
    known: KnownUrls, without_url: Collection[str], unknown: Collection[str], listed: _Listed, *, from_the_start: bool
) -> KnownUrls:
    """What is known after a look. An id that was looked for all along the list and is not there is not listed; one that
    came up when a part of the list was behind is looked for again."""
    missing = {each for each in unknown if each not in listed.urls}
    absent = {each for each in missing if listed.ended and (from_the_start or each in known.not_yet_met)}
    return KnownUrls(
        urls={each: url for each, url in known.urls.items() if each in without_url} | listed.urls,
        not_listed=(known.not_listed.intersection(without_url) - listed.urls.keys()) | absent,
        not_yet_met=frozenset() if listed.resume_at is None else frozenset(missing),
    )


def _page_through(graph: Graph, wanted: Collection[str], start: str | None) -> _Listed:
    """Stops when all are found for sure, when time runs out, or when the list leads back to where it has been."""
    urls: dict[str, str] = {}
    met: set[str] = set()
    for page in _pages(graph, start):
        for site_id, url in page.urls:
            if site_id in wanted and (site_id not in urls or len(url) < len(urls[site_id])):
                urls[site_id] = url  # subsites have the id of their collection, whose root has the shortest URL
        if sum(map(_is_surely_a_root, urls.values())) == len(wanted):
            break
        if page.following is None:
            break
        if page.following in met:
            logs.warning(
                "storage.site_list_circles", pages=len(met) + 1, meaning="what it does not show is asked for again"
            )
            return _Listed(urls, ended=False)
        met.add(page.following)
        if graph.left() < RESERVED_SECONDS:
            return _Listed(urls, page.following, ended=False)
    return _Listed(urls)


def _pages(graph: Graph, start: str | None) -> Iterator[SitePage]:
    """From the place where the last scan stopped, or where Graph no longer knows that, from the first page on."""
    try:
        page = graph.site_page(start)
    except GraphFailed:
        if start is None:
            raise
        page = graph.site_page(None)
    yield page
    while page.following is not None:
        page = graph.site_page(page.following)
        yield page


def _is_surely_a_root(url: str) -> bool:
    """`/sites/hr` may be; `/sites/hr/payroll` is a subsite."""
    return urlsplit(url).path.strip("/").count("/") <= 1

"""The URLs of sites that the usage report names by id alone, from Microsoft Graph's list of all sites.

The list is walked only for ids that nothing is known of, and once a week for all, since URLs change. What was found is
kept, and so is that an id was not there: neither costs a walk again. A walk that a scan has no more time for goes on in
the next one.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from shared.app import App
from shared.m365.client import GraphFailed
from shared.storage.sites import ScanState
from shared.usage.graph import Graph

WALK_AGAIN = timedelta(days=7)
RESERVED_SECONDS = 8 * 60.0
"""How much of a scan's time is kept for what comes after the walk."""

_NOT_LISTED, _NOT_YET_SEEN = "", "-"
"""In place of a URL: the whole list does not have the id; the part that was read so far does not have it."""


def join(
    app: App, graph: Graph, state: ScanState, nameless: Collection[str], known: Collection[str]
) -> tuple[dict[str, str], ScanState]:
    """URLs of the `nameless` ids as far as they can be found, and the state of the walk. Of the `known` ones a URL is
    at hand already. Raises GraphFailed."""
    if not nameless:
        return {}, state
    joined = app.sites.joined_urls()
    unseen = {each for each in nameless if each not in known and joined.get(each, _NOT_YET_SEEN) == _NOT_YET_SEEN}
    due = state.listed_at is not None and app.now() - state.listed_at > WALK_AGAIN
    if unseen or due:
        wanted = unseen | (set(nameless) if due else set())
        found, following = _walk(graph, wanted, state.walk_from)
        after = {each: url for each, url in joined.items() if each in nameless} | found
        for each in unseen - found.keys():
            if following is not None:
                after[each] = _NOT_YET_SEEN
            elif state.walk_from is None or joined.get(each) == _NOT_YET_SEEN:
                after[each] = _NOT_LISTED
        app.sites.write_joined_urls(joined, after)
        joined, state = after, _walked(state, following, app.now())
    return {each: url for each in nameless if (url := joined.get(each, _NOT_LISTED)) not in ("", "-")}, state


def _walked(state: ScanState, following: str | None, now: datetime) -> ScanState:
    listed_at = now if following is None else state.listed_at
    return state.model_copy(update={"walk_from": following, "listed_at": listed_at})


def _walk(graph: Graph, wanted: Collection[str], start: str | None) -> tuple[dict[str, str], str | None]:
    """What the list has of the wanted ids, and where to go on if time ran out; stops when all are found."""
    found: dict[str, str] = {}
    at = start
    while True:
        try:
            page = graph.site_page(at)
        except GraphFailed:
            if at is None or at != start:
                raise
            at = start = None  # the place where the last scan stopped is no longer known
            continue
        for identity, url in page.urls:
            if identity in wanted and len(url) < len(found.get(identity, url + "…")):
                found[identity] = url  # subsites have the id of their collection, whose root has the shortest URL
        at = page.following
        if at is None or sum(map(_is_surely_a_root, found.values())) == len(wanted):
            return found, None
        if graph.left() < RESERVED_SECONDS:
            return found, at


def _is_surely_a_root(url: str) -> bool:
    """`/sites/hr` may be; `/sites/hr/payroll` is a subsite."""
    return urlsplit(url).path.strip("/").count("/") <= 1

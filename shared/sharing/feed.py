"""What is asked of Microsoft 365: the tenant's audit feed of SharePoint, and the domains that are its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from shared.m365 import graph, management
from shared.m365.client import GraphFailed, Resource
from shared.m365.management import Answer, ManagementClient, ManagementFailed, NoIdentity, NotAudited, OutOfTime
from shared.model import digest, read_time
from shared.model.sharing import Problem
from shared.settings import Settings

CONTENT_TYPE = "Audit.SharePoint"
DOMAINS = Resource("the domains of the tenant", "Domain.Read.All")
DOMAINS_LIMIT = timedelta(seconds=30)
"""Shares are told without the domains too: who asks for a longer wait is asked again later."""

MOST_PAGES = 1000
KEPT = timedelta(days=7)
"""How long a content is there, by the reference, where the list does not say."""

GRANT = (
    "grant the app's managed identity the application permission ActivityFeed.Read (docs/sharing.md says how); a grant "
    "may take hours to work"
)


class FeedFailed(Exception):
    """The feed cannot be read now. The text says what to change and holds no URL, token or value."""

    def __init__(self, problem: Problem, text: str, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.problem = problem
        self.retry_after = retry_after


class ContentGone(Exception):
    """The content is not there any more, and never will be again."""

    def __str__(self) -> str:
        return "the Management Activity API does not have a content that it has listed"


class ContentFailed(Exception):
    """This content cannot be read now; others may."""


@dataclass(frozen=True)
class Content:
    """A content of the feed, as a list names it: some records, in an answer of their own."""

    id: str
    uri: str
    created_at: datetime
    expires_at: datetime

    @property
    def mark(self) -> str:
        """A short name by which it is known again."""
        return digest(self.id)[:16]


class Feed:
    """The audit feed of one tenant. Every method raises FeedFailed, and OutOfTime where the poll must end."""

    def __init__(self, client: ManagementClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def close(self) -> None:
        self._client.close()

    def subscribe(self) -> Literal["started", "was on"]:
        """Asks for the feed. Nothing is collected while nobody has asked."""
        try:
            self._client.ask("POST", "subscriptions/start", {"contentType": CONTENT_TYPE})
        except ManagementFailed as failure:
            if failure.code == management.ALREADY_ENABLED:
                return "was on"
            raise _in_words(failure, "the start of the audit feed") from None
        return "started"

    def list(self, start: datetime, end: datetime) -> Iterator[Content]:
        """What arrived in the feed from `start` on and before `end`: at most 24 hours, and not before 7 days ago."""
        times = {"startTime": f"{start:%Y-%m-%dT%H:%M:%S}", "endTime": f"{end:%Y-%m-%dT%H:%M:%S}"}
        try:
            answer = self._client.ask("GET", "subscriptions/content", {"contentType": CONTENT_TYPE, **times})
            for _ in range(MOST_PAGES):
                yield from _contents(answer)
                if answer.following is None:
                    return
                answer = self._client.follow(answer.following)
        except ManagementFailed as failure:
            raise _in_words(failure, "the list of the audit feed") from None
        raise FeedFailed("unexpected", f"the audit feed has a list of more than {MOST_PAGES} pages")

    def read(self, content: Content) -> Iterator[bytes]:
        """The records of a content, in pages of JSON. Raises ContentGone and ContentFailed too."""
        address: str | None = content.uri
        try:
            for _ in range(MOST_PAGES):
                if address is None:
                    return
                answer = self._client.follow(address)
                yield answer.body
                address = answer.following
        except ManagementFailed as failure:
            if failure.code in management.GONE:
                raise ContentGone from None
            if _is_about_everything(failure):
                raise _in_words(failure, "a content of the audit feed") from None
            raise ContentFailed(str(failure)) from None
        raise ContentFailed(f"a content of the audit feed has more than {MOST_PAGES} pages")

    def domains(self) -> frozenset[str]:
        """The tenant's verified domains, in lower case. Raises GraphFailed alone."""
        client, found = graph.connect(self._settings, DOMAINS_LIMIT), set()
        try:
            address: object = "/v1.0/domains?$select=id,isVerified"
            while isinstance(address, str):
                page = client.get_json(address, DOMAINS)
                found |= set(_verified(page.get("value")))
                address = page.get("@odata.nextLink")
        finally:
            client.close()
        if not found:
            raise GraphFailed("Microsoft Graph names no verified domain of the tenant")
        return frozenset(found)


def connect(settings: Settings, limit: timedelta) -> Feed:
    """The feed as these settings name it, for a poll that may take `limit`."""
    return Feed(management.connect(settings, limit), settings)


def _is_about_everything(failure: ManagementFailed) -> bool:
    """Whether the next content would meet the same."""
    if isinstance(failure, NoIdentity | NotAudited | OutOfTime) or failure.is_throttling or failure.is_refusal:
        return True
    return failure.code in (management.NO_SUBSCRIPTION, management.DISABLED)


def _in_words(failure: ManagementFailed, what: str) -> Exception:
    if isinstance(failure, OutOfTime):
        return failure
    if isinstance(failure, NoIdentity):
        return FeedFailed("permission", str(failure))
    if isinstance(failure, NotAudited):
        return FeedFailed("auditing-off", f"{failure} to {what}: the tenant keeps no audit log. Turn auditing on")
    if failure.is_throttling:
        return FeedFailed("throttled", f"{failure} to {what}: it is asked later", failure.retry_after)
    if failure.code == management.NO_SUBSCRIPTION:
        return FeedFailed("not-subscribed", f"{failure} to {what}: there is no subscription yet")
    if failure.code == management.DISABLED:
        return FeedFailed("disabled", f"{failure} to {what}: an admin of the tenant or the service has disabled it")
    if failure.is_refusal:
        return FeedFailed("permission", f"{failure} to {what}: {GRANT}")
    if failure.code in ("AF20010", "AF20013"):
        return FeedFailed("configuration", f"{failure} to {what}: ENTRA_TENANT_ID is not the identity's own tenant")
    return FeedFailed("unreachable", f"{failure} to {what}: the next poll tries again")


def _contents(answer: Answer) -> Iterator[Content]:
    """What a page of the list names; an entry that cannot be used is as good as none, and comes again."""
    try:
        entries: Any = json.loads(answer.body or b"[]")
    except ValueError:
        raise ManagementFailed("the Management Activity API answered a list that is no JSON") from None
    for entry in entries if isinstance(entries, list) else []:
        content = _content(entry) if isinstance(entry, dict) else None
        if content is not None:
            yield content


def _content(entry: dict[str, Any]) -> Content | None:
    name, uri, created = (entry.get(each) for each in ("contentId", "contentUri", "contentCreated"))
    if not (isinstance(name, str) and isinstance(uri, str) and name and uri):
        return None
    created_at = _time(created)
    if created_at is None:
        return None
    return Content(name, uri, created_at, _time(entry.get("contentExpiration")) or created_at + KEPT)


def _time(value: object) -> datetime | None:
    try:
        return read_time(value).astimezone(UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def _verified(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict) and each.get("isVerified") is True and isinstance(each.get("id"), str):
            yield each["id"].lower()

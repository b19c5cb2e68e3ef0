"""One poll at work: its lease on the state, and the steps that it is made of."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from shared import logs
from shared.app import App
from shared.m365.client import GraphFailed
from shared.model import utc_text
from shared.model.sharing import FIRST_LOOK, TOLD_FOR, Gap, PollState, Problem
from shared.sharing.feed import Content, ContentFailed, ContentGone, Feed, FeedFailed
from shared.sharing.marks import Marks
from shared.sharing.record import ContentUnreadable
from shared.sharing.teller import Teller
from shared.sharing.windows import SETTLED_AFTER, Window, oldest_listed, windows
from shared.storage.clients import Written
from shared.storage.rows import Versioned
from shared.storage.sharing import ParkedContent

LEASE = timedelta(seconds=60)
SUBSCRIBE_EVERY = timedelta(days=1)
START_APART = timedelta(minutes=15)
"""The reference asks to wait so long between two starts of a subscription."""

DOMAINS_EVERY, DOMAINS_AGAIN = timedelta(hours=24), timedelta(hours=1)
KEPT = timedelta(days=30)
MOST_FAILURES_IN_A_ROW = 5
"""So many contents fail one after the other, and it is not about them."""

_LONGEST_WAIT = timedelta(hours=1)
_MOST_GAPS = 5


class Superseded(Exception):
    """Another instance polls: this one was silent for longer than its lease."""


@dataclass
class Run:
    """A poll with its lease. `now` is the time at which it began."""

    app: App
    holder: str
    now: datetime
    state: PollState
    stored: Versioned[PollState] | None
    teller: Teller = field(init=False)
    marks: Marks = field(init=False)
    contents: int = 0
    lost: int = 0
    failed: int = 0
    failures_in_a_row: int = 0
    complete: bool = True

    @classmethod
    def begin(cls, app: App, holder: str) -> "Run | None":
        """None where another instance polls, or where it is too early to ask again. Raises StorageUnavailable."""
        now, stored = app.now(), app.sharing.state()
        state = stored.value if stored else PollState(since=now - FIRST_LOOK, cursor=now - FIRST_LOOK)
        if state.held_until is not None and state.held_until > now:
            logs.info("sharing.poll_held", until=utc_text(state.held_until))
            return None
        if state.retry_at is not None and state.retry_at > now:
            logs.info("sharing.poll_paused", problem=state.problem, until=utc_text(state.retry_at))
            return None
        run = cls(app, holder, now, state, stored)
        run.teller = Teller(app, frozenset(), run.keep_lease)
        run._note_a_late_poll()
        run.save(retry_at=None)
        run.marks = Marks(app.sharing, next((window.start for window in windows(run.state, now)), now))
        return run

    def save(self, **changes: Any) -> None:
        """Writes the state and renews the lease. Raises Superseded where somebody else has written it."""
        self._set(holder=self.holder, held_until=self.app.now() + LEASE, **changes)
        self.app.sharing.write_state(self.state, self.stored)
        self.stored = self.app.sharing.state()  # a write that was repeated by the storage SDK looks like another's
        if self.stored is None or self.stored.value != self.state:
            raise Superseded

    def _set(self, **changes: Any) -> None:
        """What the next save writes. A poll that is killed before loses nothing by it: the next one asks again."""
        self.state = self.state.model_copy(update=changes)

    def subscribe_when_due(self, feed: Feed) -> None:
        if self.state.start_asked_at is None or self.now - self.state.start_asked_at >= SUBSCRIBE_EVERY:
            self._subscribe(feed)

    def read_domains_when_due(self, feed: Feed) -> None:
        """The tenant's domains, as they were last read where they cannot be read now. Where they never could, the
        domains of the settings alone would make colleagues strangers: then only names say who is outside."""
        asked_at = self.state.domains_asked_at
        again = DOMAINS_AGAIN if self.state.domains_unknown else DOMAINS_EVERY
        if asked_at is None or self.now - asked_at >= again:
            try:
                self._set(domains=tuple(sorted(feed.domains())), domains_unknown=False)
            except GraphFailed as failure:
                logs.warning("sharing.domains_unknown", error=str(failure))
                self._set(domains_unknown=True)
            self._set(domains_asked_at=self.now)
        own = self.app.settings.sharing_internal_domains if self.state.domains else ()
        self.teller.domains = frozenset((*self.state.domains, *own))

    def retry_parked(self, feed: Feed) -> None:
        """Tries contents again that could not be read, and names those as lost that have expired meanwhile."""
        waiting = 0
        for each in self.app.sharing.parked():
            content = Content(each.id, each.uri, each.created_at, each.expires_at)
            if _has_expired(content, self.now):
                self._lose(content, "it expired before it could be read")
            elif each.try_at > self.now or not self._try_again(feed, content, each):
                waiting += 1
                continue
            self.app.sharing.unpark(each.id)
        self._set(parked=waiting)

    def _try_again(self, feed: Feed, content: Content, before: ParkedContent) -> bool:
        done = self._try(feed, content)
        if not done:
            self._park(content, before)
        return done

    def take(self, feed: Feed, window: Window) -> None:
        """All content of a window that is not taken care of, the oldest first; then the cursor moves."""
        new = {content.id: content for content in self._list(feed, window)}
        for content in sorted(new.values(), key=lambda each: (each.created_at, each.id)):
            self._take(feed, content)
        self.marks.store()
        self._set(cursor=max(self.state.cursor, min(window.end, self.now) - SETTLED_AFTER))

    def note_sweep(self) -> None:
        self.app.sharing.forget_marks(self.now - KEPT)
        self._set(swept_at=self.now)

    def end(self, complete: bool) -> None:
        """Gives the lease back. A poll that ran out of time goes on in the next one, and has not failed."""
        self.complete = complete
        self.marks.store()
        gaps = tuple(gap for gap in self.state.gaps if self.now - gap.noted_at <= TOLD_FOR)
        self._set(last_success_at=self.now, problem=None, failures=0, gaps=gaps)
        self._leave()

    def fail(self, problem: Problem, pause: timedelta | None) -> None:
        """Gives the lease back, and has the next polls wait. What cannot be read is marked, so that the next poll comes
        further."""
        self.complete = False
        self.marks.store()
        retry_at = None if pause is None else self.app.now() + pause
        self._set(problem=problem, failures=self.state.failures + 1, retry_at=retry_at)
        self._leave()

    def _leave(self) -> None:
        self._set(holder="", held_until=None)
        if self.app.sharing.write_state(self.state, self.stored) is not Written.DONE:
            stored = self.app.sharing.state()
            if stored is None or stored.value != self.state:
                raise Superseded

    def log(self, seconds: float) -> None:
        newest, counts = self.state.newest_content_at, self.teller.counts
        logs.info(
            "sharing.polled",
            contents=self.contents,
            records=counts["records"],
            sharing=counts["sharing"],
            published=counts["published"],
            known=counts["known"],
            twins=counts["twins"],
            noise=counts["noise"],
            unmapped=counts["unmapped"],
            unwanted=counts["unwanted"],
            unreadable=counts["unreadable"],
            foreign=counts["foreign"],
            failed=self.failed,
            lost=self.lost,
            parked=self.state.parked,
            complete=self.complete,
            newestContentAgeSeconds=None if newest is None else round((self.app.now() - newest).total_seconds()),
            seconds=round(seconds, 3),
        )

    def _subscribe(self, feed: Feed) -> None:
        self._set(start_asked_at=self.now)
        logs.info("sharing.subscribed", outcome=feed.subscribe())

    def _list(self, feed: Feed, window: Window) -> list[Content]:
        """What of a window is not taken care of. Starts the subscription where there is none, unless that was asked for
        a moment ago and takes effect later."""
        try:
            return [each for each in feed.list(*window) if not self.marks.has(each)]
        except FeedFailed as failure:
            if failure.problem not in ("not-subscribed", "disabled") or self._has_just_started():
                raise
        if self.state.last_success_at is not None:
            self._note_gap("off", self.state.last_success_at, self.now)
        self._subscribe(feed)
        return [each for each in feed.list(*window) if not self.marks.has(each)]

    def _has_just_started(self) -> bool:
        at = self.state.start_asked_at
        return at is not None and self.now - at < START_APART

    def _take(self, feed: Feed, content: Content) -> None:
        newest = self.state.newest_content_at
        if newest is None or content.created_at > newest:
            self._set(newest_content_at=content.created_at)
        has_settled = self.now - content.created_at >= SETTLED_AFTER
        if _has_expired(content, self.now):
            self._lose(content, "it expired before it could be read")
        elif not self._try(feed, content, may_come=not has_settled) and has_settled:
            self._park(content, None)
        if has_settled:  # else it is read again by the next poll
            self.marks.add(content)
        if self.failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            raise FeedFailed("unreachable", f"{self.failures_in_a_row} contents in a row cannot be read")

    def _try(self, feed: Feed, content: Content, may_come: bool = False) -> bool:
        """Whether the content is done with. Raises FeedFailed where all others would meet the same. One that `may_come`
        has only just been listed: that it is not there is no reason to give it up."""
        self.keep_lease()
        unreadable = self.teller.counts["unreadable"]
        try:
            self.teller.tell(feed.read(content))
        except (ContentFailed, ContentGone, ContentUnreadable) as failure:
            if isinstance(failure, ContentGone) and not may_come:
                self._lose(content, "the service does not have it any more")
                return True
            logs.warning("sharing.content_failed", error=str(failure), contentCreatedAt=utc_text(content.created_at))
            self.failed += 1
            self.failures_in_a_row += 1
            return False
        self.contents += 1
        self.failures_in_a_row = 0
        if self.teller.counts["unreadable"] > unreadable:
            self._set(unreadable_at=self.now)
        return True

    def _park(self, content: Content, before: ParkedContent | None) -> None:
        """Keeps a content to be tried again, later each time."""
        tries = before.tries + 1 if before else 1
        wait = min(timedelta(minutes=1) * 2 ** min(tries, 10), _LONGEST_WAIT)
        named = {"id": content.id, "uri": content.uri, "created_at": content.created_at}
        parked = ParkedContent(**named, expires_at=content.expires_at, tries=tries, try_at=self.now + wait)
        self.app.sharing.park(parked)
        if before is None:
            self._set(parked=self.state.parked + 1)

    def _lose(self, content: Content, reason: str) -> None:
        self.lost += 1
        logs.error("sharing.content_lost", reason=reason, contentCreatedAt=utc_text(content.created_at))
        self._set(lost_at=self.now)

    def keep_lease(self) -> None:
        until = self.state.held_until
        if until is None or until - self.app.now() < LEASE / 2:
            self.marks.store()
            self.save()

    def _note_a_late_poll(self) -> None:
        """What arrived before the feed's look-back begins, and after the cursor, cannot be listed any more."""
        oldest = oldest_listed(self.now)
        if self.state.cursor < oldest:
            self._note_gap("late", self.state.cursor, oldest)
            self._set(cursor=oldest)

    def _note_gap(self, kind: Literal["late", "off"], start: datetime, end: datetime) -> None:
        *others, last = self.state.gaps or (None,)
        if last is not None and last.kind == kind and last.end >= start:
            self._set(gaps=(*others, last.model_copy(update={"end": end, "noted_at": self.now})))  # it goes on
            return
        gap = Gap(kind=kind, start=start, end=end, noted_at=self.now)
        logs.error("sharing.gap", kind=kind, start=utc_text(start), end=utc_text(end))
        self._set(gaps=(*self.state.gaps, gap)[-_MOST_GAPS:])


def _has_expired(content: Content, now: datetime) -> bool:
    return content.expires_at <= now

"""A poll: what has arrived in the tenant's audit feed, and what is told of it.

A poll may be killed anywhere, run twice or beside another: see teller.py. One that fails leaves what it has settled, a
log line and a warning in /health; the next one goes on. The cursor moves on only over content that is taken care of:
told, parked to be tried again, or named as lost.
"""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta

from shared import logs
from shared.app import App
from shared.m365.management import OutOfTime
from shared.model.sharing import Problem
from shared.sharing.feed import Feed, FeedFailed, connect
from shared.sharing.run import Run, Superseded
from shared.sharing.windows import is_sweep_due, windows
from shared.storage.clients import StorageUnavailable

LIMIT = timedelta(minutes=25)
"""How long a poll may take. host.json's functionTimeout is longer: reaching that would end other invocations too."""

_BUSY = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=10)
_AUDITING_PAUSE = timedelta(hours=1)


def poll(app: App, make_feed: Callable[[], Feed] | None = None) -> None:
    """Polls once, unless another instance does so now or the service asked to wait. What can be expected to go wrong is
    written to the log and to the state that /health shows."""
    began = time.monotonic()
    try:
        run = Run.begin(app, secrets.token_hex(8))
        if run is None:
            return
        feed = make_feed() if make_feed else connect(app.settings, LIMIT)
        try:
            _poll(run, feed)
        except (FeedFailed, StorageUnavailable) as failure:
            _note_failure(run, failure)
        except OutOfTime:
            run.end(complete=False)
        except Superseded:
            raise
        except Exception as failure:
            _note_failure(run, FeedFailed("unexpected", f"{type(failure).__name__}: the host logs the details"))
            raise
        finally:
            feed.close()
        run.log(time.monotonic() - began)
    except Superseded:
        logs.info("sharing.poll_superseded")
    except StorageUnavailable as failure:
        logs.error("sharing.poll_failed", problem="storage", failures=1, error=f"and that is not noted: {failure}")


def _poll(run: Run, feed: Feed) -> None:
    run.subscribe_when_due(feed)
    run.read_domains_when_due(feed)
    sweeping = is_sweep_due(run.state, run.now)
    for window in windows(run.state, run.now):
        run.take(feed, window)
    if sweeping:
        run.note_sweep()
    run.retry_parked(feed)
    run.end(complete=True)


def _note_failure(run: Run, failure: FeedFailed | StorageUnavailable) -> None:
    problem: Problem = failure.problem if isinstance(failure, FeedFailed) else "storage"
    pause: timedelta | None = None
    if problem == "throttled":
        asked = failure.retry_after if isinstance(failure, FeedFailed) else None
        pause = asked or min(_BUSY * 2 ** min(run.state.failures, 10), _LONGEST_PAUSE)
    elif problem == "auditing-off":
        pause = _AUDITING_PAUSE
    run.fail(problem, pause)
    logs.error("sharing.poll_failed", problem=problem, failures=run.state.failures, error=str(failure))

"""Many lines of the alert log at once: sent again, or acknowledged. A call takes a bounded part and says where the next
one goes on; a call that is repeated, or that a crash ended, does no harm."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.admin.retry import retry
from shared.app import App
from shared.model import DeliveryId
from shared.storage.alerts import Malformed
from shared.storage.deliveries import Logged
from shared.storage.pages import Filters

MOST_LINES = 200
"""That one call looks at."""
LONGEST_SECONDS = 20.0
"""After which a call ends, whatever it has looked at."""
_PAGE = 20

Line = Logged | Malformed
Act = Callable[[Line], str | None]
"""Does something for a line; returns why it could not be done, or None."""


@dataclass
class Walked:
    """For how many lines it was done, for how many it was not by reason, and where the next call goes on."""

    count: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    continuation: str | None = None


def retry_lines(app: App, filters: Filters, endpoint: str | None, continuation: str | None, dry_run: bool) -> Walked:
    """Tries again what matches; with `dry_run` only counts. Raises ValueError on a continuation that is not ours."""

    def act(line: Line) -> str | None:
        if isinstance(line, Malformed):
            return "It is no delivery but a message that could not be read"
        delivery_id, _ = line
        stored = app.deliveries.get(delivery_id)
        if stored is None:
            return "Its row is past retention"
        refusal = retry(app, delivery_id, stored.value, dry_run=dry_run)
        return None if refusal is None else refusal.kind

    return _walk(app, filters, endpoint, continuation, act)


def acknowledge_lines(
    app: App, filters: Filters, endpoint: str | None, continuation: str | None, dry_run: bool
) -> Walked:
    """Takes what matches out of the log; with `dry_run` only counts. Raises ValueError on a continuation that is not
    ours."""

    def act(line: Line) -> str | None:
        if dry_run or app.alerts.acknowledge(_id_of(line), seen=True):
            return None
        return "It is in the alert log no more"

    return _walk(app, filters, endpoint, continuation, act)


def _walk(app: App, filters: Filters, endpoint: str | None, continuation: str | None, act: Act) -> Walked:
    """Page by page, so that a call which has to end soon ends with whole pages."""
    ends_at, walked = app.seconds() + LONGEST_SECONDS, Walked(continuation=continuation)
    for _ in range(MOST_LINES // _PAGE):
        page = app.alerts.log(filters, app.now(), _PAGE, walked.continuation)
        for line in page.items:
            if endpoint is not None and not (isinstance(line, tuple) and line[0].endpoint == endpoint):
                continue
            reason = act(line)
            if reason is None:
                walked.count += 1
            else:
                walked.skipped[reason] += 1
        walked.continuation = page.continuation
        if page.continuation is None or app.seconds() >= ends_at:
            break
    return walked


def _id_of(line: Line) -> str:
    return line.id if isinstance(line, Malformed) else str(DeliveryId(*line[0]))

"""The `measure` timer: queue metrics of Azure are too coarse to alert on."""

from dataclasses import dataclass
from datetime import datetime

from shared import logs
from shared.app import App
from shared.storage import messages, workspaces
from shared.storage.clients import StorageUnavailable
from shared.storage.queues import Queue


def measure(app: App) -> None:
    """One line for each queue: its length, hidden messages too, and for how long the first in line has been due."""
    for each in waiting(app):
        logs.info("queue.measured", queue=each.queue, length=each.length, oldestSeconds=each.oldest_seconds)


@dataclass(frozen=True)
class Waiting:
    """How long a queue is, hidden messages too, and for how many seconds the first in line has been due."""

    queue: str
    length: int
    oldest_seconds: int


def waiting(app: App) -> list[Waiting]:
    """Of each queue that can be read; of another one a line in the log says why not."""
    found = []
    for queue in (app.queue.raw, app.poison, app.provisioning, app.provisioning_poison):
        try:
            found.append(_measured(app, queue))
        except StorageUnavailable as error:
            logs.error("queue.unmeasured", queue=queue.name, reason=str(error))
    return found


def _measured(app: App, queue: Queue) -> Waiting:
    due_at = first_due_at(queue)
    seconds = max(0, round((app.now() - due_at).total_seconds())) if due_at else 0
    return Waiting(queue.name, queue.length(), seconds)


def first_due_at(queue: Queue) -> datetime | None:
    """Since when the first in line has been due; None where none is. A message that waits for its next attempt is not
    late: it counts from when it became visible."""
    first = queue.peek()
    if first is None:
        return None
    body, inserted_at = first
    try:
        return workspaces.decode(body).due_at if queue.name == workspaces.PROVISIONING else messages.decode(body).due_at
    except (messages.MalformedMessage, workspaces.MalformedDrive):
        return inserted_at

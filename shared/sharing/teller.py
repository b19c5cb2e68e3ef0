"""From a content of the feed to events: once in effect, whatever is killed, comes again or runs at the same time.

A record's event has a key made of the record's id, so that publishing it again adds nothing. It is published first, and
then the record is marked as told, which spares publishing it again when it comes in another content.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable

from shared import logs
from shared.app import App
from shared.delivery.publisher import own_event, publish_own
from shared.sharing.mapping import Ignored, SharingEvent, map_record
from shared.sharing.record import Unreadable, is_about_sharing, read_record, records_of


class Teller:
    """Tells of the records of contents, and counts what became of them. `domains` are the tenant's own; before each
    event `keep` is called, since a content may hold thousands."""

    def __init__(self, app: App, domains: Collection[str], keep: Callable[[], None]) -> None:
        self._app = app
        self.domains = domains
        self._keep = keep
        self.counts: Counter[str] = Counter()

    def tell(self, pages: Iterable[bytes]) -> None:
        """Publishes what is to be told of a content. Raises what reading it raises, ContentUnreadable and
        StorageUnavailable; to begin again is harmless."""
        for page in pages:
            for raw in records_of(page):
                self.counts["records"] += 1
                if is_about_sharing(raw):
                    self.counts["sharing"] += 1
                    self.counts[self._tell(raw)] += 1

    def _tell(self, raw: dict[str, object]) -> str:
        """What became of a record, as a name to count it by."""
        record = read_record(raw)
        if isinstance(record, Unreadable):
            logs.warning("sharing.record_unreadable", reason=record.reason)
            return "unreadable"
        settings = self._app.settings
        if record.tenant_id and record.tenant_id != settings.audited_tenant_id:
            return "foreign"
        event = map_record(record, self.domains, settings.sharing_client_ip)
        if isinstance(event, Ignored):
            return {"noise": "noise", "twin": "twins", "unmapped": "unmapped"}[event.reason]
        if event.type not in settings.sharing_events:
            return "unwanted"
        return self._publish(event, record.id, record.operation)

    def _publish(self, event: SharingEvent, record_id: str, operation: str) -> str:
        app = self._app
        self._keep()
        if app.sharing.is_told(record_id, event.at):
            return "known"
        is_twin = bool(event.twins) and app.sharing.twin_tells(event.twins, event.at, record_id, operation)
        if not is_twin:
            publish_own(app, own_event(app, event.type, event.content, event.key, event.severity, event.at))
        app.sharing.mark_told(record_id, event.at)
        return "twins" if is_twin else "published"

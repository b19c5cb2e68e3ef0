"""What the triggers work with, made once for a process."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared import logs
from shared.identity import managed_identity
from shared.outbound.addresses import AddressPolicy
from shared.outbound.breaker import Breaker
from shared.outbound.bulkhead import Share
from shared.outbound.client import Answer, NoResponse, Outbound
from shared.outbound.tokens import Tokens
from shared.settings import Settings, settings
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.deliveries import Deliveries
from shared.storage.delivery_queue import Copies
from shared.storage.endpoints import Endpoints
from shared.storage.events import Events
from shared.storage.queues import DELIVERIES, POISON, Queue
from shared.storage.signature_keys import Options
from shared.storage.sites import Sites

Post = Callable[[str, Mapping[str, str], bytes, timedelta], Answer | NoResponse]
"""One POST: URL, headers, body, and how much of its time is over already."""


@dataclass(frozen=True)
class App:
    """Settings, stores, queues, the way out and the clock."""

    settings: Settings
    endpoints: Endpoints
    events: Events
    deliveries: Deliveries
    options: Options
    sites: Sites
    queue: Queue
    poison: Queue
    outbound: Outbound
    post: Post
    tokens: Tokens
    breaker: Breaker
    share: Share
    copies: Copies
    services: Services

    @property
    def retention(self) -> timedelta:
        return timedelta(days=self.settings.retention_days)

    now: Callable[[], datetime]


def build(settings: Settings) -> App:
    """Connects everything; talks to nobody yet."""
    services = Services(settings)
    cipher = Cipher(settings.secrets_keys)
    retention = timedelta(days=settings.retention_days)
    outbound = Outbound(AddressPolicy(settings.allow_private_endpoints, settings.allowed_endpoint_hosts))
    return App(
        settings=settings,
        endpoints=Endpoints(services, cipher),
        events=Events(services, timedelta(hours=settings.dedupe_hours), retention),
        deliveries=Deliveries(services, retention),
        options=Options(services, cipher),
        sites=Sites(services),
        queue=Queue(services, DELIVERIES),
        poison=Queue(services, POISON),
        outbound=outbound,
        post=outbound.post,
        tokens=Tokens(lambda: managed_identity(settings.client_id)),
        breaker=Breaker(settings.breaker_probe),
        share=Share(),
        copies=Copies(),
        services=services,
        now=lambda: datetime.now(UTC),
    )


@functools.cache
def get_app() -> App:
    """The App of this process. Raises SettingsError."""
    given = settings()
    _warn_of_dangers(given)
    return build(given)


def _warn_of_dangers(given: Settings) -> None:
    if given.allow_private_endpoints:
        logs.warning(
            "settings.dangerous",
            setting="DANGEROUS_ALLOW_PRIVATE_ENDPOINTS",
            meaning="deliveries may go to private addresses and over http",
        )
    if given.trusted_local_issuer:
        logs.warning(
            "settings.dangerous",
            setting="DANGEROUS_TRUST_LOCAL_ISSUER",
            meaning="whoever holds the local issuer's key may call this API",
        )

"""What the triggers work with, made once for a process."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared import __version__, logs
from shared.identity import managed_identity
from shared.model.clouds import CLOUDS
from shared.model.dangers import dangers
from shared.outbound.addresses import AddressPolicy
from shared.outbound.background import BackgroundLoop
from shared.outbound.breaker import Breaker
from shared.outbound.bulkhead import Bulkhead
from shared.outbound.client import WebhookClient
from shared.outbound.gathering import Gathering
from shared.outbound.pacing import Pacing
from shared.outbound.tokens import Tokens
from shared.settings import Settings, in_force, settings, unread_settings
from shared.storage.alerts import Alerts
from shared.storage.attempt_rows import AttemptRows
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.counts import Counts, Later, in_a_thread
from shared.storage.deliveries import Deliveries
from shared.storage.delivery_queue import DeliveryQueue, LoopSender, Several
from shared.storage.endpoints import Endpoints
from shared.storage.events import Events
from shared.storage.loop_clients import LoopServices
from shared.storage.notices import Notices
from shared.storage.queues import DELIVERIES, POISON, Queue
from shared.storage.sequences import Sequences
from shared.storage.sharing import Sharing
from shared.storage.signature_keys import Options
from shared.storage.sites import Sites
from shared.storage.workspaces import PROVISIONING, PROVISIONING_POISON, Workspaces

InThread = Callable[..., Awaitable[Any]]
"""Runs a function that blocks, with its arguments, off the loop, and returns what it returns: `asyncio.to_thread`."""


@dataclass(frozen=True)
class App:
    """Settings, stores, queues, the way out and the clocks."""

    settings: Settings
    services: Services
    endpoints: Endpoints
    events: Events
    deliveries: Deliveries
    rows: AttemptRows
    alerts: Alerts
    counts: Counts
    options: Options
    sites: Sites
    sharing: Sharing
    notices: Notices
    sequences: Sequences
    queue: DeliveryQueue
    poison: Queue
    workspaces: Workspaces
    provisioning: Queue
    provisioning_poison: Queue
    sender: LoopSender
    client: WebhookClient
    background: BackgroundLoop
    tokens: Tokens
    breaker: Breaker
    bulkhead: Bulkhead
    pacing: Pacing
    gathering: Gathering[Any, Any]
    now: Callable[[], datetime]
    seconds: Callable[[], float]
    """A monotonic clock."""
    in_thread: InThread
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Doors:
    """How the parts reach the world: storage from threads and from the loop, receivers, clocks."""

    services: Services
    loop_services: LoopServices
    deliveries: Queue
    poison: Queue
    provisioning: Queue
    provisioning_poison: Queue
    client: WebhookClient
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    seconds: Callable[[], float] = time.monotonic
    in_thread: InThread = asyncio.to_thread
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    several: Several | None = None
    later: Later = in_a_thread


def build(settings: Settings) -> App:
    """Connects everything; talks to nobody yet."""
    services = Services(settings)
    return build_on(
        Doors(
            services,
            LoopServices(settings),
            Queue(services, DELIVERIES),
            Queue(services, POISON),
            Queue(services, PROVISIONING),
            Queue(services, PROVISIONING_POISON),
            WebhookClient(AddressPolicy(settings.allow_private_endpoints, settings.allowed_endpoint_hosts)),
        ),
        settings,
    )


def build_on(doors: Doors, settings: Settings) -> App:
    """The parts, put together on these doors to the world."""
    services = doors.services
    cipher = Cipher(settings.secrets_keys)
    return App(
        settings=settings,
        services=services,
        endpoints=Endpoints(services, cipher),
        events=Events(services, settings.dedupe, settings.retention),
        deliveries=Deliveries(services, settings.retention),
        alerts=Alerts(services, settings.retention),
        counts=Counts(services, doors.later),
        rows=AttemptRows(doors.loop_services),
        options=Options(services, cipher),
        sites=Sites(services),
        sharing=Sharing(services),
        notices=Notices(services),
        sequences=Sequences(services),
        queue=DeliveryQueue(doors.deliveries, doors.loop_services, doors.now, doors.seconds, doors.several),
        poison=doors.poison,
        workspaces=Workspaces(services),
        provisioning=doors.provisioning,
        provisioning_poison=doors.provisioning_poison,
        sender=doors.loop_services,
        client=doors.client,
        background=BackgroundLoop(),
        tokens=Tokens(
            lambda: managed_identity(settings.client_id),
            of_stand_ins={CLOUDS[settings.entra_cloud].graph_url: settings.graph_access_token},
        ),
        breaker=Breaker(settings.breaker_probe),
        bulkhead=Bulkhead(doors.seconds),
        pacing=Pacing(),
        gathering=Gathering(),
        now=doors.now,
        seconds=doors.seconds,
        in_thread=doors.in_thread,
        sleep=doors.sleep,
    )


@functools.cache
def get_app() -> App:
    """The App of this process. Raises SettingsError."""
    given = settings()
    logs.info("settings.loaded", version=__version__, settings=in_force(given))
    for name, meant in unread_settings().items():
        logs.warning("settings.unknown", setting=name, meaning=f"nothing reads it: did you mean {meant}?")
    for setting, meaning in dangers(given.allow_private_endpoints, given.trusted_local_issuer).items():
        logs.warning("settings.dangerous", setting=setting, meaning=meaning)
    if given.scan_schedule_problem:
        logs.error("settings.wrong", setting="STORAGE_SCAN_SCHEDULE", meaning=given.scan_schedule_problem)
    if given.sharing_schedule_problem:
        logs.error("settings.wrong", setting="SHARING_POLL_SCHEDULE", meaning=given.sharing_schedule_problem)
    return build(given)

"""Whether a receiver can be registered: the shape of its URL, its port and name, and what the name resolves to.

Asking costs a thread of the API for as long as a name server or a receiver takes. So few are asked at once, for a short
time each, and what came of it is told to admins alone: to anybody else it would be a scanner of the network.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from shared.app import App
from shared.outbound.addresses import AddressPolicy, Refused, Unresolved, is_address, read_url
from shared.settings import Settings
from shared.storage.rows import Rejected

ASKED_AT_ONCE = 4
WITHIN = timedelta(seconds=3)
"""For a name to be resolved, for a receiver to answer, and for others to be done with being asked."""

DEFAULT_PORTS = ((80, 80), (443, 443), (1024, 65535))
RESERVED = ("localhost", "local", "internal", "home.arpa", "test", "invalid", "example", "onion", "alt")
"""Names of private networks and of none at all, with all below them (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476,
and `internal` by a resolution of ICANN)."""


@dataclass(frozen=True)
class Unreachable(Rejected):
    """Nothing may be sent to the URL."""

    reason: str


@dataclass(frozen=True)
class Busy(Rejected):
    """As many receivers as may be are asked at this moment."""


class Gate:
    """Lets some in at once, has as many others wait, and turns the rest away at once: whoever waits holds a thread."""

    def __init__(self, at_once: int, longest_wait: timedelta) -> None:
        self._inside = threading.BoundedSemaphore(at_once)
        self._near = threading.BoundedSemaphore(2 * at_once)
        self._longest_wait_seconds = longest_wait.total_seconds()

    @contextlib.contextmanager
    def passed(self) -> Iterator[bool]:
        """False where there is no room."""
        if not self._near.acquire(blocking=False):
            yield False
            return
        try:
            inside = self._inside.acquire(timeout=self._longest_wait_seconds)
            try:
                yield inside
            finally:
                if inside:
                    self._inside.release()
        finally:
            self._near.release()


GATE = Gate(ASKED_AT_ONCE, WITHIN)
"""One for a process."""


def url_problem(app: App, url: str, *, for_admin: bool) -> Unreachable | Busy | Unresolved | None:
    """Why the URL cannot be registered, or None. One whose name does not resolve now can be: the receiver may come
    later, and every attempt looks again. Whoever registers is told."""
    settings = app.settings
    target = read_url(url, AddressPolicy(settings.allow_private_endpoints, settings.allowed_endpoint_hosts))
    if isinstance(target, Refused):
        return Unreachable(target.reason)
    reason = _port_problem(target.port, settings)
    if reason is None and not settings.allow_private_endpoints:
        reason = name_problem(target.host)
    if reason is not None:
        return Unreachable(reason)
    with GATE.passed() as passed:
        if not passed:
            return Busy()
        refused = app.client.check(url, WITHIN)
    if refused is None or isinstance(refused, Unresolved):
        return refused
    if for_admin or is_address(target.host):
        return Unreachable(refused.reason)
    return Unreachable(f"deliveries cannot be sent to {target.host}: ask an admin")


def name_problem(host: str) -> str | None:
    """Why no receiver on the internet has this name, or None; an IP address is no name."""
    if is_address(host):
        return None
    if "." not in host:
        return f"{host} is a name of a private network: give the whole name, such as hooks.contoso.com"
    if any(f".{host}".endswith(f".{reserved}") for reserved in RESERVED):
        return f"{host} is a name that is reserved for private networks or for documentation: no receiver has it"
    return None


def _port_problem(port: int, settings: Settings) -> str | None:
    allowed = settings.allowed_endpoint_ports
    if not allowed and settings.allow_private_endpoints:
        return None
    if any(first <= port <= last for first, last in allowed or DEFAULT_PORTS):
        return None
    if allowed:
        return f"the port {port} is not among this deployment's ALLOWED_ENDPOINT_PORTS"
    return f"the port {port} belongs to other services: use 443, 80 or one from 1024 on"

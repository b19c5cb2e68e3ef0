"""A webhook receiver to point endpoints at: it verifies what comes and answers as its path says."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from local.verification import Verifier

BEHAVIOURS = {
    "/ok": "200",
    "/fail": "500, always",
    "/flaky?times=3": "500 that many times for each idempotency key, then 200",
    "/slow?seconds=5": "200, after that many seconds",
    "/gone": "410: the app then disables the endpoint",
    "/status/503": "the status in the path",
}
LONGEST_WAIT_SECONDS = 120
MOST_KEPT = 200


@dataclass(frozen=True)
class Received:
    """One delivery as it arrived: the attempt is counted here, for its path and idempotency key."""

    path: str
    type: str
    key: str
    attempt: int
    headers: Mapping[str, str]
    body: bytes
    faults: tuple[str, ...]
    status: int
    at_seconds: float
    """When it came, on the monotonic clock."""
    received_at: datetime

    def line(self) -> str:
        """The delivery in one line, for a terminal."""
        verified = "✓ verified" if not self.faults else "✗ " + "; ".join(self.faults)
        parts = (verified, self.type, f"key {self.key}", f"attempt {self.attempt}", f"{self.path} → {self.status}")
        return "receiver: " + " · ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """All of it, to be read; a body that is JSON as what it says."""
        try:
            body = json.loads(self.body)
        except ValueError:
            body = self.body.decode(errors="replace")
        return {
            "receivedAt": self.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "path": self.path,
            "attempt": self.attempt,
            "answered": self.status,
            "verified": not self.faults,
            **({"faults": list(self.faults)} if self.faults else {}),
            "headers": dict(self.headers),
            "body": body,
        }


class Receiver:
    """Answers deliveries; `on_delivery` hears of each before its answer goes out."""

    def __init__(self, verifier: Verifier, on_delivery: Callable[[Received], None]) -> None:
        self.well: set[str] = set()
        """Paths that answer 200 from now on, whatever they did before."""
        self._verifier = verifier
        self._on_delivery = on_delivery
        self._seen: Counter[tuple[str, str]] = Counter()
        self._newest: deque[Received] = deque(maxlen=MOST_KEPT)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=16 * 1024**2)
        app.router.add_get("/received", self._list)
        app.router.add_get("/{any:.*}", self._explain)
        app.router.add_post("/{any:.*}", self._receive)
        return app

    async def _explain(self, _request: web.Request) -> web.Response:
        lines = [f"POST {path:<18} {answer}" for path, answer in BEHAVIOURS.items()]
        kept = f"GET /received shows the newest {MOST_KEPT} deliveries."
        return web.Response(text="\n".join(["Register these URLs as endpoints. They answer:", *lines, "", kept, ""]))

    async def _list(self, _request: web.Request) -> web.Response:
        shown = [received.as_json() for received in reversed(self._newest)]
        return web.json_response(text=json.dumps({"value": shown}, indent=2, ensure_ascii=False) + "\n")

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        key = request.headers.get("webhook-id", "(no webhook-id)")
        self._seen[request.path_qs, key] += 1
        attempt = self._seen[request.path_qs, key]
        # The URL as it was registered: what was sent, not what a parser makes of it.
        url = f"{request.scheme}://{request.headers.get('Host', '')}{request.raw_path}"
        faults = await self._verifier.faults(url, request.headers, body)
        status = 200 if request.path in self.well else await _answer(request, attempt)
        received = Received(
            request.path,
            _type_of(body),
            key,
            attempt,
            request.headers,
            body,
            tuple(faults),
            status,
            time.monotonic(),
            datetime.now(UTC),
        )
        self._newest.append(received)
        self._on_delivery(received)
        return web.Response(status=status, text="" if status < 300 else f"This path answers {status}.")


async def _answer(request: web.Request, attempt: int) -> int:
    """The status with which the request's path answers."""
    match request.path.strip("/").split("/"):
        case ["ok"]:
            return 200
        case ["fail"]:
            return 500
        case ["flaky"]:
            return 500 if attempt <= _number(request, "times", 3) else 200
        case ["slow"]:
            await asyncio.sleep(min(_number(request, "seconds", 5), LONGEST_WAIT_SECONDS))
            return 200
        case ["gone"]:
            return 410
        case ["status", code] if code.isdecimal() and 200 <= int(code) <= 599:
            return int(code)
        case _:
            return 404


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else default


def _type_of(body: bytes) -> str:
    try:
        event: Any = json.loads(body)
    except ValueError:
        return "(not JSON)"
    found = (event.get("type") or event.get("event")) if isinstance(event, dict) else None
    return str(found or "(no type)")

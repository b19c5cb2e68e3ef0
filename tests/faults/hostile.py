"""Callers that hold the least roles, and some that hold none, and do what harms most with them: each a list of moves
that are made in turn, as fast as they are told to.

What is not among them is plain volume: a publisher may fill the queue (docs/security.md, "What is not promised")."""

import itertools
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from doubles.hooks import Hook, Receiver
from e2e.api import ENDPOINTS, Json, custom
from local.issuer import SigningKey, sign_token

EVENTS = "/v1.0/events"
ENDPOINTS_EACH, LISTENERS = 12, 3
"""Of each subscriber, and how many of them listen to what is told of failures: few enough for the emulator, which slows
down with the messages that wait."""
SLOW_PATTERNS = [f"https://{'a*' * 150}b{number}" for number in range(20)]
"""As long as they may be, and hard for whoever tries all ways to match them."""
SLOW_SITE = "https://" + "a" * 2000
UNSEEN = "\u200b\u202e\U000e0041"
Send = Callable[..., None]
Moves = Sequence[Callable[[Send], None]]


@dataclass
class Attack:
    """What came of the calls, by their status."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Every answer of 500 or more, and every call without one."""

    @property
    def calls(self) -> int:
        return self.statuses.total()


class _Attacker:
    def __init__(self, base: str, token: str, moves: Moves, a_second: float, attack: Attack) -> None:
        self._base, self._moves, self._pause, self._attack = base, moves, 1 / a_second, attack
        self._session = requests.Session()
        self._session.trust_env = False
        self._token = token
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attacker")
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        for move in itertools.cycle(self._moves):
            if self._over.wait(self._pause):
                return
            move(self._send)

    def _send(self, method: str, path: str, body: Any = None, token: str | None = None) -> None:
        """`body` as JSON, or as it is where it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token or self._token}", "Content-Type": "application/json"}
        try:
            answer = self._session.request(method, self._base + path, data=data, headers=headers, timeout=60)
        except requests.RequestException as error:
            if not (data and len(data) > 2**21):  # refused before it was sent, the connection may be closed
                self._attack.faults.append(f"{method} {path[:60]}: {error!r}"[:300])
            return
        self._attack.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self._attack.faults.append(f"{method} {path[:60]}: {answer.status_code} {answer.text[:200]}")


@contextmanager
def attacking(base: str, key: SigningKey, receiver: Receiver, a_second: float) -> Iterator[Attack]:
    """Two subscribers and a publisher, each making so many calls a second while this lasts."""
    attack = Attack()
    hooks = {name: [receiver.hook(500) for _ in range(ENDPOINTS_EACH)] for name in ("alice", "bob")}
    hung = receiver.hook()
    hung.hold()
    callers = {
        sign_token(key, ["Point.Subscribe"], oid="alice"): _squatter(hooks["alice"], hung),
        sign_token(key, ["Point.Subscribe"], oid="bob"): _listener(hooks["bob"], key),
        sign_token(key, ["Point.Publish"], oid="mallory"): _publisher(),
    }
    with ExitStack() as stack:
        stack.callback(hung.release)
        for token, moves in callers.items():
            stack.callback(_Attacker(base, token, moves, a_second, attack).stop)
        yield attack


def _endpoint(url: str, *types: str, **more: Any) -> Json:
    return {"endpoint": url, "types": list(types), **more}


def _squatter(hooks: list[Hook], hung: Hook) -> Moves:
    """Fills the list of endpoints with what costs most to match and to read, and keeps changing it; has the app call
    hosts that never answer."""

    urls = itertools.cycle(hooks)

    def take_place(send: Send) -> None:
        sites = [pattern + secrets.token_hex(2) for pattern in SLOW_PATTERNS]
        send("POST", ENDPOINTS, _endpoint(next(urls).url, "custom.attack", "custom.*", sites=sites))

    return [
        take_place,
        take_place,
        lambda send: send("GET", ENDPOINTS),
        lambda send: send("POST", ENDPOINTS, _endpoint(hooks[0].url, *[f"custom.{n}" for n in range(101)])),
        lambda send: send(
            "POST", ENDPOINTS, _endpoint(hooks[0].url, "*", sites=[f"https://{'a' * 500}{n}" for n in range(40)])
        ),
        take_place,
        lambda send: send(
            "POST", ENDPOINTS, _endpoint(hung.url, "custom.attack", format="cloudevents", settings={"validate": True})
        ),
        lambda send: send("DELETE", ENDPOINTS, {"endpoint": hooks[0].url}),
        lambda send: send("POST", ENDPOINTS, _endpoint("http://127.0.0.1:22/", "*")),
        lambda send: send("POST", ENDPOINTS, b"[" * 60_000),
    ]


def _listener(hooks: list[Hook], key: SigningKey) -> Moves:
    """Endpoints that fail, and listeners for what is told of failures; templates; tokens that let nobody in."""
    stranger = SigningKey("unknown", key.private)
    template = {"template": [f"{{{{text:{n + 1}}}}}{{{{content}}}}" for n in range(50)]}

    urls = itertools.cycle(
        [(hook, "webhook.*") for hook in hooks[:LISTENERS]] + [(hook, "custom.attack") for hook in hooks[LISTENERS:]]
    )

    def listen(send: Send) -> None:
        hook, types = next(urls)
        send("POST", ENDPOINTS, _endpoint(hook.url, types))

    return [
        listen,
        lambda send: send(
            "POST", ENDPOINTS, _endpoint(hooks[-1].url, "custom.attack", format="template", settings=template)
        ),
        listen,
        lambda send: send("GET", ENDPOINTS, token=sign_token(stranger, ["Point.Admin"])),
        lambda send: send("GET", ENDPOINTS, token=sign_token(key, ["Point.Admin"], nonce="of an ID token")),
        listen,
        lambda send: [send("GET", "/health") for _ in range(10)] and None,
        lambda send: send("GET", "/v1.0/webhooks/deliveries?status=failed"),
        lambda send: send("POST", ENDPOINTS, b"x" * 3 * 2**20),
        lambda send: send("GET", "/" + "a" * 4000),
    ]


def _publisher() -> Moves:
    """Batches as large as they may be, and events that are hard to read, to match and to show."""

    def attack(**content: Any) -> Json:
        return custom("custom.attack", **content)

    def keyed(prefix: str) -> Json:
        return custom("custom.attack", key=f"{prefix}{secrets.token_hex(8)}")

    return [
        lambda send: send("POST", EVENTS, attack(siteUrl=SLOW_SITE, text=f"a{UNSEEN}b\nSeverity: Low")),
        lambda send: send(
            "POST", EVENTS, [custom("custom.batch", n=number, text="x" * 22_000) for number in range(40)]
        ),
        lambda send: send("POST", EVENTS, keyed("storage:")),
        lambda send: send("POST", EVENTS, json.dumps(attack(text="x" * 2**20)).encode()),
        lambda send: send("POST", EVENTS, b'{"type":"custom.attack","content":' + b'{"a":' * 5000 + b"1" + b"}" * 5001),
        lambda send: send("POST", EVENTS, b'{"type":"custom.attack","content":{"a":[' + b"1," * 60_000 + b"1]}}"),
        lambda send: send("POST", EVENTS, b"\xff" * 1000),
        lambda send: send("POST", EVENTS, custom("webhook.delivery_failed")),
        lambda send: send("POST", EVENTS, b"x" * 3 * 2**20),
        lambda send: send("GET", f"{EVENTS}/{'a' * 128}"),
    ]

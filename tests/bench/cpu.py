"""CPU time of the parts of a delivery, each alone in one thread. `throughput` measures it in the host, where it is
more: receiving and deleting come to it, and many threads share one interpreter."""

import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.figures import Report
from bench.rig import Rig, Step
from bench.sizes import Sizes
from doubles import registering
from doubles.running import dispatch
from doubles.running import run as run_coroutine
from shared.app import build
from shared.formats import FORMATS
from shared.model import Attempt, Delivery, DeliveryId, Event, digest, to_ms
from shared.outbound.signing import make_secret, sign_point, sign_standard
from shared.settings import read_settings
from shared.storage.messages import Message, decode, encode
from shared.storage.weeks import table_name

CALLS = 300
NOW = datetime.now(UTC)
EVENT = Event(
    type="custom.cpu",
    content='{"text":"' + "x" * 200 + '"}',
    time_stamp="2026-11-22T10:00:00Z",
    key="key",
    severity="low",
)
TRACE = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@dataclass(frozen=True)
class Part:
    name: str
    call: Callable[[], object]


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """The first round is warm-up."""
    report = Report("cpu")
    parts = _parts(rig)
    samples: dict[str, list[float]] = {part.name: [] for part in parts}
    for repeat in range(1 + sizes.repeats):
        for part in parts:
            taken = _cpu_ms(part.call)
            if repeat:
                samples[part.name].append(taken)
        step()
    for name, taken_ms in samples.items():
        report.add(name, "ms", taken_ms)
    return report


def _cpu_ms(call: Callable[[], object]) -> float:
    began = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - began) / CALLS * 1000


def _parts(rig: Rig) -> list[Part]:
    app = build(read_settings(rig.settings))
    app.services.table(table_name("deliveries", to_ms(NOW))).create()
    numbers = itertools.count()
    message = Message(
        delivery=str(_new_id(0)),
        type=EVENT.type,
        key=EVENT.key,
        format="point",
        generation=1,
        event_accepted_ms=to_ms(NOW),
        due_at=NOW,
        deadline_at=NOW + timedelta(hours=1),
        traceparent=TRACE,
        event=EVENT,
    )
    text = encode(message)
    content_type, body = FORMATS["point"].body(EVENT)
    signing_key, secret = secrets.token_hex(18), make_secret()

    def sign() -> dict[str, str]:
        return {**sign_point(body, signing_key), **sign_standard(EVENT.key, NOW, body, [secret])}

    headers = {"Content-Type": content_type, **sign()}
    endpoint = registering.register(app.endpoints, f"{rig.receiver.url}/cpu", NOW)

    def deliver() -> None:
        identity = DeliveryId(to_ms(NOW) + next(numbers), digest(EVENT.key), endpoint.id)
        changes = {"delivery": str(identity), "generation": endpoint.generation, "due_at": datetime.now(UTC)}
        dispatch(app, encode(message.model_copy(update=changes)).encode(), 1)

    attempt = Attempt(number=1, started_at=NOW, duration_ms=5, status=200, token="0" * 16)
    row = Delivery(
        type=EVENT.type,
        key=EVENT.key,
        format="point",
        generation=1,
        event_accepted_ms=to_ms(NOW),
        traceparent=TRACE,
        status="delivered",
        attempts=(attempt,),
    )
    return [
        Part("reading the message", lambda: decode(text.encode())),
        Part("wire format and both signatures", lambda: (FORMATS["point"].body(EVENT), sign())),
        Part("the POST", lambda: run_coroutine(app.client.post(f"{rig.receiver.url}/cpu", headers, body))),
        Part("inserting the delivery's row (SDK)", lambda: app.deliveries.insert(_new_id(next(numbers)), row)),
        Part("the whole: dispatch", deliver),
        Part("putting a message (SDK; of publishing)", lambda: app.queue.raw.put(text)),
    ]


def _new_id(number: int) -> DeliveryId:
    return DeliveryId(to_ms(NOW) + number, digest(EVENT.key), digest("endpoint"))

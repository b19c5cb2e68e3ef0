"""Receivers of every misbehaviour at once. The healthy ones stay within their latency, and nothing is lost."""

from collections import defaultdict
from contextlib import ExitStack, closing
from statistics import median, quantiles
from time import monotonic

import pytest

from bench.ledger import balance
from bench.steady import publish_steadily
from doubles.background import Background
from doubles.hooks import Hook, Receivers
from e2e.api import Api, Json
from e2e.conftest import Issuer, MakeSettings, MakeStorage
from e2e.hosting import hosting

from .fleet import FLEET, serving

pytestmark = pytest.mark.alone

HEALTHY = 3
SHORT, FULL = (4, 5), (1, 120)
"""Events a second, and for how many seconds. The emulator limits FULL: it slows down with the messages that wait, and
each event leaves eleven."""
LEAST_SECONDS = 0.5
"""A latency below this is well whatever it was before: half a poll, as the app ships."""


def arrivals(api: Api, hooks: list[Hook], a_second: float, seconds: float) -> list[float]:
    """Seconds from publishing to each arrival at a healthy receiver."""
    sent = publish_steadily(api, "custom.steady", a_second, seconds)
    return [hook.wait(key=each.key, within=60)[0].at - each.scheduled_at for hook in hooks for each in sent]


def test_the_fleet_harms_no_healthy_receiver_and_loses_nothing(
    background: Background,
    make_storage: MakeStorage,
    make_settings: MakeSettings,
    issuer: Issuer,
    receivers: Receivers,
    full: bool,
) -> None:
    server = receivers.serve()
    hooks = [server.hook() for _ in range(HEALTHY)]
    with ExitStack() as stack:
        host = stack.enter_context(hosting(make_settings(make_storage(), RETRY_DELAYS="1,1")))
        api = stack.enter_context(closing(Api(host.url, issuer.key)))
        healthy = [api.register(hook.url, "custom.steady") for hook in hooks]
        a_second, seconds = FULL if full else SHORT
        arrivals(api, hooks, a_second, 1)  # connections and caches are warm
        alone = arrivals(api, hooks, a_second, seconds / 2)
        fleet: dict[str, Json] = {}
        for name, misbehave in FLEET.items():
            url = stack.enter_context(background.entered(serving(misbehave)))
            fleet[name] = api.register(url, "custom.*")
        tls = "https://" + stack.enter_context(background.entered(serving(FLEET["garbage"]))).partition("://")[2]
        fleet["garbage for TLS"] = api.register(tls, "custom.*")
        began = monotonic()
        beside = arrivals(api, hooks, a_second, seconds)
        print(f"\nhealthy alone: {told(alone)}; beside {len(fleet)} that misbehave: {told(beside)}")
        assert median(beside) < max(2 * median(alone), LEAST_SECONDS)
        assert p90(beside) < max(2 * p90(alone), 2.5), "twice what it was, or one poll more"
        assert monotonic() - began < 300
        _judge(api, healthy, hooks, fleet)


def _judge(api: Api, healthy: list[Json], hooks: list[Hook], fleet: dict[str, Json]) -> None:
    """The ledger of the healthy is closed; of the fleet nothing is told of as delivered that was not. Who drips took
    it: a 2xx whose head is whole is a delivery, whatever its body does."""
    keys = {each.key for each in hooks[0].received}
    accepted = {(each["id"], key) for each in healthy for key in keys}
    received = [(each["id"], got.key) for each, hook in zip(healthy, hooks, strict=True) for got in hook.received]
    assert balance(accepted, received).faults == []
    assert len(received) == len(accepted), "no healthy receiver was sent anything twice"
    statuses: dict[str, set[str]] = defaultdict(set)
    for name, endpoint in fleet.items():
        statuses[name] |= {row["status"] for page in api.pages(f"endpoint={endpoint['id']}") for row in page}
    assert statuses.pop("closes") == {"delivered"}
    assert statuses.pop("drips") <= {"delivered"}
    assert statuses.pop("gone") == {"cancelled"}
    assert api.call("GET", f"/v1.0/webhooks/endpoints/{fleet['gone']['id']}").json["health"]["state"] == "disabled"
    assert all("delivered" not in each for each in statuses.values()), statuses


def p90(latencies: list[float]) -> float:
    return quantiles(latencies, n=10)[-1]


def told(latencies: list[float]) -> str:
    return f"median {median(latencies) * 1000:.0f} ms, p90 {p90(latencies) * 1000:.0f} ms"

"""Draining a prefilled backlog: how fast, and for how much CPU time of the host process.

The backlog is there before the host starts. Its first part is warm-up: imports, connections and tables are then made.
"""

from collections.abc import Callable
from dataclasses import dataclass

from azure.storage.queue import QueueClient

from bench.rig import Rig, cpu_seconds, publish_burst
from e2e.hosting import Host

WARM_UP = 50
PATH, TYPE = "/drain", "custom.drain"
NOOP_MARK = "received "
HOLD = {"AzureWebJobs.dispatch.Disabled": "true"}
"""The setting that keeps a host from taking deliveries: what is published waits."""


@dataclass(frozen=True)
class Drain:
    """`cpu_ms` is CPU time of the host process a message, of user and kernel mode."""

    rate: float
    cpu_ms: float
    faults: tuple[str, ...] = ()


def drain_app(rig: Rig, backlog: int) -> Drain:
    """Publishes, then starts a host that delivers everything to one endpoint."""
    first = rig.receiver.count()
    with rig.app(**HOLD) as (_, api):
        endpoints = {PATH: rig.register(api, PATH, TYPE)}
        keys = publish_burst(api, TYPE, WARM_UP + backlog)
    with rig.app() as (host, api):
        drain = _watch(host, backlog, lambda count: [arrival.at for arrival in rig.receiver.since(first, count)])
        arrivals = rig.receiver.since(first, len(keys))
        rig.wait_until_empty()
        found = rig.balance(api, endpoints, keys, arrivals)
    return Drain(drain.rate, drain.cpu_ms, tuple(found.faults))


def drain_noop(rig: Rig, backlog: int) -> Drain:
    """Puts messages of the same size, then starts a host whose function does nothing with them."""
    with rig.queue() as queue:
        _fill(queue, WARM_UP + backlog)

    def received(count: int) -> list[float]:
        host.wait_until(lambda: sum(line.startswith(NOOP_MARK) for line in host.lines) >= count, within=120)
        return [float(line.removeprefix(NOOP_MARK)) for line in list(host.lines) if line.startswith(NOOP_MARK)]

    host = Host(rig.settings, folder=rig.folder_of("noop"))
    try:
        drain = _watch(host, backlog, received)
        rig.wait_until_empty()
    finally:
        host.kill()
    return drain


def _watch(host: Host, backlog: int, times: Callable[[int], list[float]]) -> Drain:
    """`times(count)` answers when messages were received, once there are `count`."""
    warm = len(times(WARM_UP))
    cpu = cpu_seconds(host)
    done = times(WARM_UP + backlog)
    cpu = cpu_seconds(host) - cpu
    measured = sorted(done)[warm:]
    return Drain((len(measured) - 1) / (measured[-1] - measured[0]), cpu / len(measured) * 1000)


def _fill(queue: QueueClient, count: int) -> None:
    text = '{"text":"' + "x" * 900 + '"}'
    for _ in range(count):
        queue.send_message(text)

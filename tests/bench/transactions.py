"""Storage transactions for a delivered event, the host's included: the budget of docs/architecture.md."""

from dataclasses import dataclass
from itertools import pairwise

from bench.draining import HOLD
from bench.figures import Report, Target
from bench.rig import Arrival, Rig, Step, publish_burst
from bench.sizes import Sizes

ENDPOINTS = (1, 2, 10)
MOST_DELIVERIES = 1000
"""Of a burst: Azurite slows down with thousands of waiting messages, until publishing is refused."""
MOST_FOR_ONE = Target("most", 3.4)
MOST_FOR_EACH_FURTHER = Target("most", 2.4)


@dataclass(frozen=True)
class Burst:
    """What was published to these endpoints (path to id), what arrived, and what it cost."""

    endpoints: dict[str, str]
    keys: list[str]
    arrivals: list[Arrival]
    per_event: float


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """Publishes a burst and drains it, for each number of endpoints; the end of the host ends the counting."""
    report = Report("transactions")
    per_event: dict[int, list[float]] = {count: [] for count in ENDPOINTS}
    bursts = []
    for repeat in range(sizes.repeats):
        for count in ENDPOINTS:
            bursts.append(_burst(rig, f"{repeat}-{count}", count, min(sizes.backlog, MOST_DELIVERIES // count)))
            per_event[count].append(bursts[-1].per_event)
        step()
    with rig.app(**HOLD) as (_, api):
        for burst in bursts:
            report.void += rig.balance(api, burst.endpoints, burst.keys, burst.arrivals).faults
    report.add("one endpoint", "per event", per_event[1], MOST_FOR_ONE)
    for fewer, more in pairwise(ENDPOINTS):
        each = [(b - a) / (more - fewer) for a, b in zip(per_event[fewer], per_event[more], strict=True)]
        report.add(f"each further one, up to {more}", "per event", each, MOST_FOR_EACH_FURTHER)
    return report


def _burst(rig: Rig, name: str, count: int, events: int) -> Burst:
    first, event_type = rig.receiver.count(), f"custom.transactions-{name}"
    with rig.app() as (_, api):
        paths = [f"/transactions/{name}/{number}" for number in range(count)]
        endpoints = {path: rig.register(api, path, event_type) for path in paths}
        warm = publish_burst(api, event_type, 1)
        rig.receiver.since(first, count)
        before = rig.transactions().total()
        keys = publish_burst(api, event_type, events)
        arrivals = rig.receiver.since(first, count * (1 + events))
    spent = rig.transactions().total() - before
    return Burst(endpoints, [*warm, *keys], arrivals, spent / events)

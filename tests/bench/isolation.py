"""Ten healthy endpoints, alone and beside 1, 8 and 100 whose receivers hang for 30 s on everything."""

from dataclasses import dataclass, field

from bench.figures import Report, Target, percentile
from bench.rig import Rig, Step, publish_burst
from bench.sizes import Sizes
from bench.steady import publish_steadily
from e2e.api import ENDPOINTS, Api

HEALTHY = 10
PER_SECOND = 5
LEAD_IN_SECONDS = 2
"""Before the part that counts, as in `latency`."""
HUNG = (1, 8, 100)
BURST = 3
"""Events for each receiver that hangs. What waits for a hundred of them must leave Azurite time for the others, or the
figure would be about Azurite: it puts back some three hundred messages a second."""


@dataclass
class Fleet:
    """Healthy endpoints (path to id) of one event type, and what was published to them."""

    rig: Rig
    api: Api
    event_type: str
    endpoints: dict[str, str]
    first: int
    keys: list[str] = field(default_factory=list)

    def p99_ms(self, seconds: float) -> float:
        """Publishes steadily; from the scheduled time to the receipt, over all healthy deliveries but a lead-in's."""
        sent = publish_steadily(self.api, self.event_type, PER_SECOND, LEAD_IN_SECONDS + seconds)
        self.keys += [each.key for each in sent]
        arrivals = self.rig.receiver.since(self.first, len(self.keys) * HEALTHY, *self.endpoints)
        at = {(each.path, each.key): each.at for each in reversed(arrivals)}
        steady = sent[PER_SECOND * LEAD_IN_SECONDS :]
        return (
            percentile([at[path, each.key] - each.scheduled_at for path in self.endpoints for each in steady], 0.99)
            * 1000
        )


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """Each repeat has a host of its own, warms up, measures alone, and then beside those that hang."""
    report = Report("isolation")
    alone: list[float] = []
    beside: dict[int, list[float]] = {count: [] for count in HUNG}
    for repeat in range(sizes.repeats):
        event_type, hang_type = f"custom.healthy-{repeat}", f"custom.hang-{repeat}"
        with rig.app() as (_, api):
            paths = [f"/isolation/{repeat}/{number}" for number in range(HEALTHY)]
            endpoints = {path: rig.register(api, path, event_type) for path in paths}
            fleet = Fleet(rig, api, event_type, endpoints, rig.receiver.count())
            fleet.p99_ms(1)
            alone.append(fleet.p99_ms(sizes.seconds / 3))
            hung: list[str] = []
            for count in HUNG:
                further = range(len(hung), count)
                hung += [rig.register(api, f"/hang/{repeat}/{number}", hang_type) for number in further]
                publish_burst(api, hang_type, BURST)
                beside[count].append(fleet.p99_ms(sizes.seconds / 3))
            arrivals = rig.receiver.since(fleet.first, 0, *endpoints)
            report.void += rig.balance(api, endpoints, fleet.keys, arrivals).faults
            for each in hung:
                api.call("DELETE", f"{ENDPOINTS}/{each}", expect=204)
        step()
    report.add("p99 of ten healthy endpoints, alone", "ms", alone)
    for count, p99 in beside.items():
        report.add(f"p99 beside {count} that hang", "ms", p99)
        report.add(f"growth, {count}", "", [b / a for a, b in zip(alone, p99, strict=True)], Target("most", 1.5))
    return report

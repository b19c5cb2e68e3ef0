"""How long a publisher waits for its 202, and an event for its receipt, at a steady 20 events a second under host.json
as it is; beside one queue put at the same rate on the same Azurite."""

import time

from bench.figures import Report, Target, percentile
from bench.rig import Rig, Step
from bench.sizes import Sizes
from bench.steady import publish_steadily

PER_SECOND = 20
PATH, TYPE = "/latency", "custom.latency"
LEAD_IN_SECONDS = 3
"""Before the part that counts: a host that found nothing for a while polls every two seconds only."""
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
TARGETS = {"p50": Target("most", 150), "p99": Target("most", 400)}


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """Each repeat publishes for some seconds after a lead-in; the first one is warm-up."""
    report = Report("latency")
    answers: list[list[float]] = []
    receipts: list[list[float]] = []
    firsts: list[float] = []
    puts: list[list[float]] = []
    with rig.app() as (_, api):
        endpoints = {PATH: rig.register(api, PATH, TYPE)}
        keys, first = [], rig.receiver.count()
        for repeat in range(1 + sizes.repeats):
            sent = publish_steadily(api, TYPE, PER_SECOND, LEAD_IN_SECONDS + (sizes.seconds if repeat else 0))
            keys += [each.key for each in sent]
            arrivals = rig.receiver.since(first, len(keys))
            at = {arrival.key: arrival.at for arrival in reversed(arrivals)}
            if repeat:
                steady = sent[PER_SECOND * LEAD_IN_SECONDS :]
                answers.append([(each.answered_at - each.scheduled_at) * 1000 for each in steady])
                receipts.append([(at[each.key] - each.scheduled_at) * 1000 for each in steady])
                firsts.append((at[sent[0].key] - sent[0].scheduled_at) * 1000)
                puts.append(_put_steadily(rig, sizes.seconds / 3))
            step()
        report.void += rig.balance(api, endpoints, keys, arrivals).faults
    for name, share in SHARES.items():
        report.add(f"publish to 202, {name}", "ms", [percentile(each, share) for each in answers])
    for name, share in SHARES.items():
        report.add(
            f"publish to receipt, {name}", "ms", [percentile(each, share) for each in receipts], TARGETS.get(name)
        )
    report.add("publish to receipt, first after a pause", "ms", firsts)
    put = [percentile(each, 0.5) for each in puts]
    report.add("one queue put, p50", "ms", put)
    for name, share in SHARES.items():
        ratios = [percentile(each, share) / base for each, base in zip(receipts, put, strict=True)]
        report.add(f"receipt {name} / put p50", "", ratios)
    return report


def _put_steadily(rig: Rig, seconds: float) -> list[float]:
    """Milliseconds of each put on a queue that nobody reads."""
    taken = []
    with rig.queue("latency") as queue:
        queue.create_queue()
        for _ in range(round(PER_SECOND * seconds)):
            began = time.monotonic()
            queue.send_message("x" * 1000)
            taken.append((time.monotonic() - began) * 1000)
            time.sleep(max(0.0, 1 / PER_SECOND - (time.monotonic() - began)))
        queue.delete_queue()
    return taken

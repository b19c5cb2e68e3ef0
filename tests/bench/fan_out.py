"""One event to many endpoints: when the 202 comes, and when the last receipt."""

import time
from itertools import pairwise

from bench.figures import Report, Target
from bench.rig import Rig, Step
from bench.sizes import Sizes
from e2e.api import custom

LINEAR = Target("most", 1.25)
"""Time to the last receipt, a delivery, against the next smaller fan-out: linear or better, and what noise may add."""


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """The n-th endpoint of a thousand asks for the types of all fan-outs that reach it."""
    report = Report("fan-out")
    answers: dict[int, list[float]] = {size: [] for size in sizes.fan_out}
    receipts: dict[int, list[float]] = {size: [] for size in sizes.fan_out}
    with rig.app() as (_, api):
        endpoints = {}
        for number in range(max(sizes.fan_out)):
            types = [f"custom.fan-{size}" for size in sizes.fan_out if number < size]
            endpoints[f"/fan/{number}"] = rig.register(api, f"/fan/{number}", *types)
        for repeat in range(1 + sizes.repeats):
            for size in sizes.fan_out:
                first, event = rig.receiver.count(), custom(f"custom.fan-{size}")
                began = time.monotonic()
                api.publish(event)
                answered = time.monotonic()
                arrivals = rig.receiver.since(first, size)
                if repeat:
                    answers[size].append((answered - began) * 1000)
                    receipts[size].append((max(arrival.at for arrival in arrivals) - began) * 1000)
                asked = dict(list(endpoints.items())[:size])
                rig.wait_until_empty()
                report.void += rig.balance(api, asked, [event["meta"]["idempotencyKey"]], arrivals).faults
            step()
    for size in sizes.fan_out:
        to = f"{size:,} endpoint{'s' if size > 1 else ''}"
        report.add(f"to the 202, {to}", "ms", answers[size])
        report.add(f"to the last receipt, {to}", "ms", receipts[size])
    for fewer, more in pairwise(sizes.fan_out):
        growth = [
            (large / more) / (small / fewer) for small, large in zip(receipts[fewer], receipts[more], strict=True)
        ]
        report.add(f"cost of one of {more:,} against one of {fewer:,}", "", growth, LINEAR)
    return report

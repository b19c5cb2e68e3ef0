"""Deliveries a second, and the CPU time of one, beside a function that only receives and deletes its message."""

from bench.draining import drain_app, drain_noop
from bench.figures import Report, Target
from bench.rig import Rig, Step
from bench.sizes import Sizes


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """Drains the same backlog in turns by either, on one Azurite; the first of each is warm-up."""
    report = Report("throughput")
    app, noop = [], []
    for repeat in range(1 + sizes.repeats):
        drained, received = drain_app(rig, sizes.backlog), drain_noop(rig, sizes.backlog)
        report.void += drained.faults
        if repeat:
            app.append(drained)
            noop.append(received)
        step()
    pairs = list(zip(app, noop, strict=True))
    report.add("deliveries", "/s", [a.rate for a in app], Target("least", 182))
    report.add("messages of a function that does nothing", "/s", [n.rate for n in noop])
    report.add("ratio of the two", "", [a.rate / n.rate for a, n in pairs], Target("least", 0.6))
    report.add("CPU a delivery, the host process", "ms", [a.cpu_ms for a in app], Target("most", 1.5))
    report.add("CPU a message, the function that does nothing", "ms", [n.cpu_ms for n in noop])
    return report

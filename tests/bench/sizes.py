"""How much of everything a run does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    repeats: int
    """Counted ones; a warm-up comes before them."""
    backlog: int
    """Messages to drain."""
    seconds: float
    """Of publishing at a steady rate, in each repeat."""
    fan_out: tuple[int, ...]
    sites: int
    audit_records: int


FULL = Sizes(repeats=5, backlog=500, seconds=20, fan_out=(1, 10, 100, 1000), sites=1_000_000, audit_records=2_000_000)
QUICK = Sizes(repeats=1, backlog=100, seconds=3, fan_out=(1, 10), sites=20_000, audit_records=20_000)
"""To see that the benchmarks work; their figures mean little."""

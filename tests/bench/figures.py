"""What a benchmark answers: figures with all their samples, so that a reader can judge the spread."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


def written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Target:
    """What is asked for; `most` is a ceiling, `least` a floor."""

    kind: Literal["most", "least"]
    value: float

    def is_met(self, value: float) -> bool:
        return value <= self.value if self.kind == "most" else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'most' else '≥'} {self.value:g}"


@dataclass(frozen=True)
class Figure:
    """One measured quantity: a sample for each repeat, in `unit`."""

    name: str
    unit: str
    samples: tuple[float, ...]
    target: Target | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest sample."""
        return min(self.samples), max(self.samples)

    @property
    def is_met(self) -> bool | None:
        return None if self.target is None else self.target.is_met(self.median)

    def as_json(self) -> dict[str, Any]:
        low, high = self.spread
        shown: dict[str, Any] = {"name": self.name, "unit": self.unit, "median": self.median, "min": low, "max": high}
        if self.target is not None:
            shown |= {"target": str(self.target), "met": self.is_met}
        return shown | {"samples": list(self.samples)}


@dataclass
class Report:
    """What one benchmark found. `void` says why it counts for nothing: its ledger does not reconcile."""

    benchmark: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    void: list[str] = field(default_factory=list)

    def add(self, name: str, unit: str, samples: Sequence[float], target: Target | None = None) -> None:
        self.figures.append(Figure(name, unit, tuple(samples), target))

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark,
            "figures": [figure.as_json() for figure in self.figures],
            "notes": self.notes,
            "void": self.void,
        }


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of them does not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

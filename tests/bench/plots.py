"""A plot of each report: the median of every figure, with its spread, and its target as a black line."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from bench.figures import Figure, Report, written

LINEAR_UP_TO = 50
"""How many times the least bar the greatest may be, before short ones would vanish."""


def draw(reports: list[Report], folder: Path) -> None:
    """Writes `<benchmark>.svg`, a panel for each unit."""
    folder.mkdir(parents=True, exist_ok=True)
    for report in reports:
        units = list(dict.fromkeys(figure.unit for figure in report.figures))
        groups = [[figure for figure in report.figures if figure.unit == unit] for unit in units]
        canvas = Canvas(figsize=(9, 1 + 0.45 * len(report.figures) + 0.6 * len(groups)), layout="constrained")
        panels = canvas.subplots(
            len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": [len(group) + 1 for group in groups]}
        )
        for panel, unit, group in zip(panels[:, 0], units, groups, strict=True):
            _panel(panel, unit, group)
        canvas.suptitle(report.benchmark)
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": report.benchmark}):  # text as text, and the same ids
            canvas.savefig(folder / f"{report.benchmark}.svg", metadata={"Date": None})


def _panel(panel: Axes, unit: str, group: list[Figure]) -> None:
    low = [figure.median - figure.spread[0] for figure in group]
    high = [figure.spread[1] - figure.median for figure in group]
    bars = panel.barh([figure.name for figure in group], [figure.median for figure in group], xerr=[low, high])
    panel.bar_label(bars, [written(figure.median) for figure in group], padding=3)
    for bar, figure in zip(bars, group, strict=True):
        if figure.target is not None:
            panel.vlines(figure.target.value, bar.get_y(), bar.get_y() + bar.get_height(), colors="black")
    medians = [figure.median for figure in group]
    if max(medians) > LINEAR_UP_TO * min(medians):
        panel.set_xscale("log")
    panel.invert_yaxis()
    panel.set_xlabel(unit or "ratio")
    panel.margins(x=0.15)

"""A report as a table for a terminal."""

from rich.table import Table

from bench.figures import Figure, Report, written


def table_of(report: Report) -> Table:
    table = Table("figure", "median", "least", "greatest", "target", title=report.benchmark, title_justify="left")
    for figure in report.figures:
        low, high = (written(value) for value in figure.spread)
        table.add_row(figure.name, f"{written(figure.median)} {figure.unit}".strip(), low, high, _target(figure))
    for note in (*report.notes, *(f"[red]void: {reason}[/red]" for reason in report.void)):
        table.add_row(note)
    return table


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"[green]{figure.target} ✓[/green]" if figure.is_met else f"[red]{figure.target} ✗[/red]"

"""`python3 dev.py bench`: runs the benchmarks, prints a table, and writes JSON and plots where asked to."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil
import requests
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import cold, cpu, fan_out, isolation, latency, scan, sharing, throughput, transactions
from bench.figures import Report
from bench.plots import draw
from bench.rig import Rig, Step, rig
from bench.sizes import FULL, QUICK, Sizes
from bench.table import table_of
from local.host.event_loop import new_event_loop

Run = Callable[[Rig, Sizes, Step], Report]
BENCHMARKS: dict[str, Run] = {
    "transactions": transactions.run,
    "throughput": throughput.run,
    "latency": latency.run,
    "isolation": isolation.run,
    "fan-out": fan_out.run,
    "scan": scan.run,
    "sharing": sharing.run,
    "cold": cold.run,
    "cpu": cpu.run,
}


def main(arguments: list[str]) -> int:
    """0 where every ledger reconciles, 2 where one does not; a missed target is told of, and fails nothing."""
    options = _command_line().parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    console, reports = Console(), []
    console.print("Python {python}, the event loop of {loop}".format(**_runs_on()))
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console) as progress,
        tempfile.TemporaryDirectory(prefix="tenant-hooks-bench-") as folder,
    ):
        for name in options.names or BENCHMARKS:
            reports.append(_run(name, sizes, progress, Path(folder) / name))
            console.print(table_of(reports[-1]))
    if options.json:
        options.json.write_text(json.dumps(_document(reports, options.quick), indent=2) + "\n", encoding="utf-8")
    if options.plots:
        draw(reports, options.plots)
    void = [report.benchmark for report in reports if report.void]
    if void:
        console.print(f"[red]Void: the ledger does not reconcile in {', '.join(void)}.[/red]")
    return 2 if void else 0


def _run(name: str, sizes: Sizes, progress: Progress, folder: Path) -> Report:
    """Each benchmark has an Azurite of its own, which slows down with what it holds."""
    task = progress.add_task(name, total=None)

    def step() -> None:
        progress.advance(task)

    try:
        with rig(folder) as parts:
            report = BENCHMARKS[name](parts, sizes, step)
    except (AssertionError, requests.RequestException) as failure:
        report = Report(name, void=[f"it did not come to its end: {str(failure)[:300]}"])
    done = progress.tasks[task].completed
    progress.update(task, total=done)
    return report


def _document(reports: list[Report], quick: bool) -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {
            "cores": psutil.cpu_count(),
            "memoryGiB": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            **_runs_on(),
        },
        "benchmarks": [report.as_json() for report in reports],
    }


def _runs_on() -> dict[str, str]:
    """The Python, and whose event loop the host takes."""
    with closing(new_event_loop()) as loop:
        return {"python": platform.python_version(), "loop": type(loop).__module__.partition(".")[0]}


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", type=_known, metavar="name", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write a plot of each benchmark there, as SVG")
    parser.add_argument("--quick", action="store_true", help="small and short: to see that it works")
    return parser


def _known(name: str) -> str:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A cold start: importing the app, and the time to its first answer, beside an app that imports the same libraries and
does nothing."""

import subprocess
import sys
import time
from pathlib import Path

import requests

from bench.figures import Report
from bench.rig import Rig, Step
from bench.sizes import Sizes
from e2e.hosting import ROOT, Host, environment

IMPORT = "import time; began = time.perf_counter(); import function_app; print(time.perf_counter() - began)"
PATH = "/openapi.json"


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """Alternates the two; the first of each fills the caches of the file system and of compiled modules."""
    report = Report("cold")
    bare = rig.folder_of("bare")
    measures = {"import": _import_ms, "first answer": _first_answer_ms}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
    for repeat in range(1 + sizes.repeats):
        for name, measure in measures.items():
            pair = measure(rig, ROOT), measure(rig, bare)
            if repeat:
                figures[name].append(pair)
        step()
    for name, pairs in figures.items():
        report.add(f"{name}, the app", "ms", [app for app, _ in pairs])
        report.add(f"{name}, its libraries alone", "ms", [other for _, other in pairs])
        report.add(f"{name}, ratio", "", [app / other for app, other in pairs])
    return report


def _import_ms(rig: Rig, folder: Path) -> float:
    """In a new interpreter, without the interpreter's own start."""
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=folder,
        env=environment(rig.settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ended.stdout) * 1000


def _first_answer_ms(rig: Rig, folder: Path) -> float:
    """From starting the host to its first answer over HTTP."""
    began = time.monotonic()
    host = Host(rig.settings, folder=folder)
    try:
        answer = requests.get(host.url + PATH, timeout=30)
        assert answer.status_code == 200, answer.text
        return (time.monotonic() - began) * 1000
    finally:
        host.kill()

"""What work costs: its seconds and memory, and a timer of the app run once."""

import time
import tracemalloc
from collections.abc import Callable

import psutil

from e2e.api import Api
from e2e.hosting import Host, Record


def cpu_seconds_of(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def peak_kib(work: Callable[[], None]) -> float:
    """Traced memory at its greatest."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1024
    finally:
        tracemalloc.stop()


def memory_mib(host: Host) -> float:
    return psutil.Process(host.pid).memory_info().rss / 2**20


def run_timer(host: Host, api: Api, function: str, ends_with: str, within: float) -> tuple[float, Record]:
    """Runs a timer now; its seconds, and the line that it ends with."""
    known, began = len(host.found(ends_with)), time.monotonic()
    api.call("POST", f"/admin/functions/{function}", {}, expect=202)
    host.wait_for_count(ends_with, known + 1, within=within)
    return time.monotonic() - began, host.found(ends_with)[known]

"""How much memory work takes."""

import multiprocessing
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def traced_peak(work: Callable[..., object], *arguments: Any) -> int:
    """The greatest number of bytes that Python objects had at once. `work` is a function of a module: it runs in a
    process of its own, where no thread that another test left is counted with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_traced, work, arguments).result()


def _traced(work: Callable[..., object], arguments: tuple[Any, ...]) -> int:
    tracemalloc.start()
    work(*arguments)
    return tracemalloc.get_traced_memory()[1]

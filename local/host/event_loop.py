"""The worker's one event loop, and which invocation the code that runs now belongs to."""

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import Any

_in_thread: contextvars.ContextVar[str | None] = contextvars.ContextVar("invocation", default=None)


class InvocationTask(asyncio.Task[Any]):
    """Every task of the loop. It carries the invocation's id on to the tasks that are made in it, as in Azure's Python
    worker."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], *, loop: asyncio.AbstractEventLoop, **rest: Any) -> None:
        super().__init__(coroutine, loop=loop, **rest)
        self.invocation_id: str | None = getattr(asyncio.current_task(loop), "invocation_id", None)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where Azure's worker has it, from Python 3.13 on and not on Windows, if it is installed; else asyncio's
    own."""
    loop = _loop_type()()
    loop.set_task_factory(lambda loop, coroutine, **rest: InvocationTask(coroutine, loop=loop, **rest))
    return loop


def _loop_type() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.version_info >= (3, 13) and sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            return asyncio.new_event_loop
        return uvloop.new_event_loop
    return asyncio.new_event_loop


def start_task(coroutine: Coroutine[Any, Any, Any], invocation_id: str) -> asyncio.Task[Any]:
    """Runs an invocation on the loop."""
    task = asyncio.get_running_loop().create_task(coroutine)
    if isinstance(task, InvocationTask):  # an app may have set a task factory of its own
        task.invocation_id = invocation_id
    return task


def run_in_thread(call: Callable[[], Any], invocation_id: str) -> Any:
    """Runs an invocation in this thread."""
    token = _in_thread.set(invocation_id)
    try:
        return call()
    finally:
        _in_thread.reset(token)


def current_invocation() -> str | None:
    """The id of the invocation that runs here, in a task or in a thread of the pool; None outside of any. A thread that
    the function itself starts belongs to none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        task = None
    return getattr(task, "invocation_id", None) or _in_thread.get()

"""Loads a function app with Microsoft's own worker library and calls its functions; runs on Python 3.13 or later.

Standard input: {"folder", "calls": [[{"function", "http": {...} | "queue": {...} | "timer": {...}}]]}; the calls of an
inner list run at once. Standard output, last line: {"functions": {name: binding of the trigger}, "loop": "uvloop" or
"asyncio", "results": [{"status", ...}]}, the results in one list. The host's side of the protocol, protobuf messages on
Azure, is played by plain records, which is all that the library asks of it.
"""

import asyncio
import importlib
import json
import os
import sys
import uuid
from collections.abc import Coroutine
from contextvars import Context
from itertools import chain
from typing import Any

LIBRARY = "azure_functions_runtime"


class Record:
    """Stands in for a protobuf message: has the fields it was made with."""

    Success, Failure = "Success", "Failure"  # of StatusResult

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.__dict__.update(fields)

    def WhichOneof(self, _group: str) -> str | None:
        return next(iter(self.fields), None)


class BindingInfo(Record):
    undefined, out, inout = 0, 1, 2


class Messages:
    """Stands in for the generated module: every message of it is a Record."""

    BindingInfo = BindingInfo

    def __getattr__(self, name: str) -> type[Record]:
        return type(name, (Record,), {})


def wrap(**fields: Any) -> Record:
    return Record(request=Record(**fields), properties={"host": "127.0.0.1", "protos": Messages()})


def http_data(call: dict[str, Any]) -> Record:
    body = Record(bytes=call.get("body", "").encode())
    empty = {name: call.get(name, {}) for name in ("headers", "params", "query")}
    return Record(http=Record(method=call["method"], url=call["url"], body=body, **empty))


def metadata(values: dict[str, Any]) -> dict[str, Record]:
    """As the real host sends it: text as text, everything else as JSON."""
    return {
        name: Record(string=value) if isinstance(value, str) else Record(json=json.dumps(value))
        for name, value in values.items()
    }


def begin(request: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Every request of the host is a task of its own with an empty context, since a thread hands them to the loop."""
    return asyncio.create_task(request, context=Context())


def trigger_data(call: dict[str, Any]) -> Record:
    if "http" in call:
        return http_data(call["http"])
    if "timer" in call:
        return Record(json=json.dumps(call["timer"]))
    return Record(string=call["queue"]["body"])


async def call_functions(library: Any, calls: list[dict[str, Any]], triggers: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs them at once. A function that is cancelled gets no answer, so the worker gives none to its host."""
    running = [asyncio.create_task(call_function(library, call, triggers[call["function"]]["name"])) for call in calls]
    await asyncio.wait(running)
    return [{"error": "no answer"} if task.cancelled() else task.result() for task in running]


async def call_function(library: Any, call: dict[str, Any], parameter: str) -> dict[str, Any]:
    is_http = "http" in call
    context = Record(trace_parent="", trace_state="", attributes={})
    retry = Record(retry_count=0, max_retry_count=0, exception=None)
    answer = await library.invocation_request(
        wrap(
            invocation_request=Record(
                invocation_id=str(uuid.uuid4()),
                function_id=str(uuid.uuid5(uuid.NAMESPACE_OID, call["function"])),
                input_data=[InputBinding(parameter, trigger_data(call))],
                trigger_metadata=metadata(call["queue"]["metadata"]) if "queue" in call else {},
                trace_context=context,
                retry_context=retry,
            )
        )
    )
    if answer.result.status != Record.Success:
        return {"error": answer.result.exception.message}
    if not is_http:
        return {"completed": True}
    reply = answer.return_value.http
    return {"status": int(reply.status_code), "headers": reply.headers, "body": reply.body.bytes.decode()}


class InputBinding:
    def __init__(self, name: str, data: Record) -> None:
        self.name = name
        self.data = data

    def WhichOneof(self, _group: str) -> str:
        return "data"


async def probe(job: dict[str, Any]) -> dict[str, Any]:
    os.chdir(job["folder"])
    sys.path.insert(0, job["folder"])
    library = importlib.import_module(LIBRARY)
    library.start_threadpool_executor()
    init = Record(capabilities={}, function_app_directory=job["folder"])
    started = await begin(library.worker_init_request(wrap(worker_init_request=init)))
    if started.result.status != Record.Success:
        raise SystemExit(f"{started.result.exception.message}\n{started.result.exception.stack_trace}")
    indexed = await library.functions_metadata_request(wrap())
    found = indexed.function_metadata_results
    bindings = {function.name: [json.loads(text) for text in function.raw_bindings] for function in found}
    triggers = {name: next(each for each in listed if each["direction"] == "IN") for name, listed in bindings.items()}
    for function in found:
        load = Record(function_id=function.function_id)
        loaded = await library.function_load_request(wrap(function_load_request=load))
        assert loaded.result.status == Record.Success
    results = [await call_functions(library, calls, triggers) for calls in job["calls"]]
    library.stop_threadpool_executor()
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    return {"functions": triggers, "loop": loop, "results": list(chain(*results))}


def loop_factory() -> Any:
    """That of the worker's program, which is no part of the library: uvloop where it can be imported."""
    try:
        return importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        outcome = runner.run(probe(json.load(sys.stdin)))
    print()
    print(json.dumps(outcome))

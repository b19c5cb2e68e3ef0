"""Loads a function app with Microsoft's own worker library and calls its functions; runs on Python 3.13 or later.

Standard input: {"folder", "calls": [{"function", "http": {...} | "queue": {...}}]}. Standard output, last line:
{"functions": {name: [binding]}, "results": [{"status", ...}]}. The host's side of the protocol, protobuf messages on
Azure, is played by plain records, which is all that the library asks of it.
"""

import asyncio
import importlib
import json
import os
import sys
import uuid
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


async def call_function(library: Any, call: dict[str, Any], parameter: str) -> dict[str, Any]:
    is_http = "http" in call
    data = http_data(call["http"]) if is_http else Record(string=call["queue"]["body"])
    context = Record(trace_parent="", trace_state="", attributes={})
    retry = Record(retry_count=0, max_retry_count=0, exception=None)
    answer = await library.invocation_request(
        wrap(
            invocation_request=Record(
                invocation_id=str(uuid.uuid4()),
                function_id=str(uuid.uuid5(uuid.NAMESPACE_OID, call["function"])),
                input_data=[InputBinding(parameter, data)],
                trigger_metadata={} if is_http else metadata(call["queue"]["metadata"]),
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
    started = await library.worker_init_request(
        wrap(worker_init_request=Record(capabilities={}, function_app_directory=job["folder"]))
    )
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
    results = [await call_function(library, call, triggers[call["function"]]["name"]) for call in job["calls"]]
    library.stop_threadpool_executor()
    return {"functions": triggers, "results": results}


if __name__ == "__main__":
    outcome = asyncio.run(probe(json.load(sys.stdin)))
    print()
    print(json.dumps(outcome))

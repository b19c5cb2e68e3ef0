"""Content and timeStamp are emitted as received, byte for byte."""

import uuid
from collections.abc import Iterator

import pytest

from doubles.hooks import Hook

from .api import ENDPOINTS, Json
from .conftest import App

CONTENTS = [
    "{}",
    '{"number":1.10,"exponent":1E3,"small":1e-7,"zero":-0.0,"whole":1.0}',
    '{"big":123456789012345678901234567890,"precise":0.1000000000000000055511151231257827}',
    r'{"escaped":"\u00e9\u2028\/\t","plain":"é — 🦊","pair":"\ud83e\udd8a","quote":"\"\\"}',
    '{"z":1,"a":2,"Z":3,"é":4,"":5}',
    '{"null":null,"deep":[[[{"a":[]}]]],"true":true}',
    r'{"space":"a  b\n","braces":"}],{"}',
    '{"control":"\\u0000\\u001f\u007f\ufeff"}',
]


@pytest.fixture(scope="module")
def both(app: App) -> Iterator[dict[str, tuple[Hook, Json]]]:
    """An endpoint of each format, with its receiver."""
    hooks = {name: app.receiver.hook() for name in ("point", "spscan")}
    endpoints = {name: app.api.register(hook.url, "custom.bytes", format=name) for name, hook in hooks.items()}
    yield {name: (hooks[name], endpoints[name]) for name in hooks}
    for each in endpoints.values():
        app.api.call("DELETE", f"{ENDPOINTS}/{each['id']}", expect=204)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("stamp", ["2023-10-05T14:48:00"])
def test_content_arrives_as_it_was_sent(app: App, both: dict[str, tuple[Hook, Json]], content: str, stamp: str) -> None:
    key = str(uuid.uuid4())
    meta = f'{{"timeStamp":"{stamp}","idempotencyKey":"{key}"}}'
    text = f'{{"type":"custom.bytes","content":{content},"meta":{meta},"severity":"medium","tenant":{{"id":"é"}}}}'
    app.api.call("POST", "/v1.0/events", data=text, expect=202)
    point, spscan = both["point"][0], both["spscan"][0]
    assert point.wait(key=key)[0].body.decode() == f'{{"type":"custom.bytes","content":{content},"meta":{meta}}}'
    assert spscan.wait(key=key)[0].body.decode() == (
        f'{{"event":"custom.bytes","timestamp":"{stamp}","tenant":{{"id":"é"}},'
        f'"data":{content},"severity":"medium","event_id":"{key}"}}'
    )
    assert f'"content":{content}' in app.api.call("GET", f"/v1.0/events/{key}").text


def test_white_space_between_tokens_is_taken_out(app: App, both: dict[str, tuple[Hook, Json]]) -> None:
    """A delivery is compact JSON."""
    key = str(uuid.uuid4())
    text = f"""\ufeff {{ "content" : {{ "b" : [ 1.50 , "a  b" ] , "a" : {{ }} }},
        "type" : "custom.bytes",
        "meta": {{"idempotencyKey": "{key}", "timeStamp": "2026-11-22T10:00:00.1234567+01:00" }} }}
    """
    app.api.call("POST", "/v1.0/events", data=text, expect=202)
    assert both["point"][0].wait(key=key)[0].body.decode() == (
        '{"type":"custom.bytes","content":{"b":[1.50,"a  b"],"a":{}},'
        f'"meta":{{"timeStamp":"2026-11-22T10:00:00.1234567+01:00","idempotencyKey":"{key}"}}}}'
    )

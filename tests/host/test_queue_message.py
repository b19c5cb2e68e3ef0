import json

import pytest
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter
from hypothesis import given
from hypothesis import strategies as st

from local.host.queue_message import decode_base64, merge_body

OWN = {"Id": Datum("1", "string"), "DequeueCount": Datum("1", "json"), "PopReceipt": Datum("p", "string")}
words = st.text(min_size=1, max_size=8)
plain = st.one_of(st.booleans(), st.integers(), words, st.dictionaries(words, st.integers(), max_size=2))


@pytest.mark.parametrize("body", ["", "text", "[1]", '"id"', "5", "null", "{", '{"id": "x"} more'])
def test_what_is_no_json_object_changes_nothing(body: str) -> None:
    assert merge_body(OWN, body) == OWN


@pytest.mark.parametrize("name", ["id", "ID", "Id"])
def test_properties_overwrite_ignoring_case(name: str) -> None:
    assert merge_body(OWN, json.dumps({name: "mine"}))["Id"] == Datum("mine", "string")


@pytest.mark.parametrize("value", [None, [], ["x"]])
def test_nulls_and_arrays_are_skipped(value: object) -> None:
    assert merge_body(OWN, json.dumps({"id": value})) == OWN


@given(st.dictionaries(words, plain))
def test_merge_keeps_names_unique_ignoring_case(properties: dict[str, object]) -> None:
    merged = merge_body(OWN, json.dumps(properties))
    assert len({name.lower() for name in merged}) == len(merged)
    assert {name.lower() for name in merged} == {name.lower() for name in [*OWN, *properties]}


@pytest.mark.parametrize("body", ['{"dequeueCount":"abc"}', '{"dequeueCount":1.5}', '{"DEQUEUECOUNT":true}'])
def test_hostile_properties_make_the_shipped_converter_fail(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        QueueMessageInConverter.decode(Datum(body, "string"), trigger_metadata=merge_body(OWN, body))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("aGk=", b"hi"),
        (" aG\r\nk\t= ", b"hi"),  # white space is passed over
        ("/w==", b"\xff"),
        ("", b""),
        ("not base64", None),
        ("aGk", None),
        ("aG\u00a0k=", None),
    ],
)
def test_base64(content: str, expected: bytes | None) -> None:
    assert decode_base64(content) == expected

"""Verification really refuses what is not signed as it should be."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from signed_delivery import BODY, KEYS, KNOWN_SIGNATURE, signed

from local.verification import Keys, find_faults


def test_both_schemes_verify() -> None:
    headers = signed(BODY)
    assert headers["Signature"] == KNOWN_SIGNATURE
    assert find_faults(headers, BODY, KEYS) == []


def test_a_changed_body_fails_both() -> None:
    faults = find_faults(signed(BODY), BODY.replace(b"Resource", b"resource"), KEYS)
    assert faults == ["Signature does not match the body", "webhook-signature: No matching signature found"]


def test_another_signature_key_fails_the_one_and_another_secret_the_other() -> None:
    other = Keys("00000000-0000-4000-8000-000000000000", "whsec_" + base64.b64encode(bytes(32)).decode())
    assert find_faults(signed(BODY, Keys(other.signature_key, KEYS.secret)), BODY, KEYS) == [
        "Signature does not match the body"
    ]
    assert find_faults(signed(BODY, Keys(KEYS.signature_key, other.secret)), BODY, KEYS) == [
        "webhook-signature: No matching signature found"
    ]


def test_an_old_timestamp_fails() -> None:
    headers = signed(BODY, at=datetime.now(UTC) - timedelta(minutes=6))
    assert find_faults(headers, BODY, KEYS) == ["webhook-signature: Message timestamp too old"]


def test_during_a_rotation_either_signature_will_do() -> None:
    headers = signed(BODY)
    good, other = headers["webhook-signature"], f"v1,{base64.b64encode(bytes(32)).decode()}"
    for signatures in (f"{good} {other} {good}", f"{other} {good} {other}"):
        assert find_faults(headers | {"webhook-signature": signatures}, BODY, KEYS) == []


@pytest.mark.parametrize("name", ["Signature", "Algorithm", "webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "v1", "Ünsinn"])
def test_a_header_that_is_missing_or_nonsense_fails(name: str, value: str | None) -> None:
    headers = signed(BODY)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    assert len(find_faults(headers, BODY, KEYS)) == 1


def test_where_none_is_expected_a_signature_may_be_missing_but_not_wrong() -> None:
    keys = replace(KEYS, point_signed=False)
    headers = signed(BODY)
    assert find_faults(headers, BODY, keys) == []
    assert find_faults({name: headers[name] for name in headers if name.startswith("webhook-")}, BODY, keys) == []
    assert find_faults(headers | {"Signature": "forged"}, BODY, keys) == ["Signature does not match the body"]
    assert find_faults({}, BODY, keys) == find_faults({}, BODY, KEYS)[1:]


def test_a_body_that_is_no_text_fails() -> None:
    assert find_faults(signed(b"\xff"), b"\xff", KEYS) != []

"""Both signatures, judged by other implementations."""

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from shared.outbound.signing import make_secret, sign_point, sign_standard
from unit.formats.test_formats import KNOWN_ANSWER

TOLD_IN = "docs/receivers.md#verify"

KEY = "158b08cc-6a06-49f2-a724-2bc514fdcf1e"
BODY = KNOWN_ANSWER.encode()

bodies = st.dictionaries(st.text(), st.text()).map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8"))


def test_the_known_answer_of_syskits_key_and_sample() -> None:
    assert sign_point(BODY, KEY) == {
        "Signature": "MT+8L12SRxYlyn1i4RzSvj1pV6kCUpm7B3id+Rim3A8=",
        "Algorithm": "HMACSHA256",
    }


@pytest.mark.parametrize("body", [BODY, b"", '{"ü":"€ \U0001f600"}'.encode(), b"\x00\xff" * 100])
def test_the_algorithm_is_the_one_of_syskits_csharp_sample(body: bytes) -> None:
    """HMACSHA256 keyed with the UTF-8 bytes of the key's text, in base64: computed by OpenSSL."""
    command = ["openssl", "dgst", "-sha256", "-hmac", KEY, "-binary"]
    mac = subprocess.run(command, input=body, capture_output=True, check=True).stdout
    assert sign_point(body, KEY)["Signature"] == base64.b64encode(mac).decode()


def test_the_key_is_its_text_and_not_the_guid_behind_it() -> None:
    assert sign_point(BODY, KEY) != sign_point(BODY, KEY.upper())


@settings(max_examples=50)
@given(bodies, st.from_regex(r"\A[A-Za-z0-9_:-]{1,128}\Z"))
def test_a_standard_webhooks_library_verifies_every_delivery(body: bytes, key: str) -> None:
    secret = make_secret()
    headers = sign_standard(key, datetime.now(UTC), body, [secret])
    assert Webhook(secret).verify(body, headers) == json.loads(body)


def test_during_a_rotation_holders_of_either_secret_verify() -> None:
    old, new, other = make_secret(), make_secret(), make_secret()
    headers = sign_standard("key", datetime.now(UTC), BODY, [new, old])
    signatures = headers["webhook-signature"].split(" ")
    assert len(signatures) == 3
    assert signatures[0] == signatures[2] != signatures[1]
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_libraries_that_skip_some_signatures_find_the_current_one(count: int) -> None:
    """`StandardWebhooks` 1.1.2 of NuGet never reads the last of several; one that is alone it does read."""
    secrets = [make_secret() for _ in range(count)]
    at = datetime.now(UTC)
    alone = [sign_standard("key", at, BODY, [secret])["webhook-signature"] for secret in secrets]
    signatures = sign_standard("key", at, BODY, secrets)["webhook-signature"].split(" ")
    assert signatures[0] == alone[0]
    assert set(signatures[:-1] or signatures) == set(alone), "holders of every secret are served without the last"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_id_and_timestamp_are_signed_too(name: str) -> None:
    secret, now = make_secret(), datetime.now(UTC)
    headers = sign_standard("123", now, BODY, [secret])
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers | {name: str(int(headers[name]) + 1)})
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


def test_the_timestamp_is_whole_seconds_of_this_attempt() -> None:
    at = datetime(2026, 11, 22, 10, 0, 0, 999_999, tzinfo=UTC)
    first = sign_standard("key", at, BODY, [make_secret()])
    assert first["webhook-timestamp"] == "1795341600"
    later = sign_standard("key", at + timedelta(seconds=30), BODY, [make_secret()])
    assert later["webhook-timestamp"] == "1795341630"
    assert later["webhook-id"] == first["webhook-id"] == "key"


def test_a_secret_is_32_random_bytes_behind_the_public_prefix() -> None:
    made = {make_secret() for _ in range(20)}
    assert len(made) == 20
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32

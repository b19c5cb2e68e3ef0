"""A delivery signed as the app signs, for the tests of what verifies it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from standardwebhooks import Webhook

from local.verification import Keys

KEYS = Keys("158b08cc-6a06-49f2-a724-2bc514fdcf1e", "whsec_" + base64.b64encode(bytes(range(32))).decode())
BODY = (
    b'{"type":"ProvisioningStarted","content":{"name":"Resource Name","type":"MicrosoftTeams",'
    b'"requestedOn":"2023-10-05T14:48:00","requesterId":"235ec2cb-0767-40b3-a1de-4da2c42b19e9"},'
    b'"meta":{"timeStamp":"2023-10-05T14:48:00","idempotencyKey":"f9ac8355-ddd7-48a3-98fb-9d4142501510"}}'
)
KNOWN_SIGNATURE = "MT+8L12SRxYlyn1i4RzSvj1pV6kCUpm7B3id+Rim3A8="
KEY = "f9ac8355-ddd7-48a3-98fb-9d4142501510"


def signed(body: bytes, keys: Keys = KEYS, at: datetime | None = None) -> dict[str, str]:
    """The headers of a delivery of `body`."""
    at = at or datetime.now(UTC)
    return {
        "Signature": base64.b64encode(hmac.digest(keys.signature_key.encode(), body, hashlib.sha256)).decode(),
        "Algorithm": "HMACSHA256",
        "webhook-id": KEY,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(keys.secret).sign(KEY, at, body.decode(errors="replace")),
    }

"""Both signatures of a delivery: Syskit Point's and Standard Webhooks'. Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105 (the public prefix of Standard Webhooks)


def sign_point(body: bytes, key: str) -> dict[str, str]:
    """ "Create Signature" in Syskit Point's webhook documentation: base64 of HMAC-SHA256 over the body; the key is the
    UTF-8 bytes of its text."""
    mac = hmac.digest(key.encode(), body, hashlib.sha256)
    return {"Signature": base64.b64encode(mac).decode(), "Algorithm": "HMACSHA256"}


def sign_standard(message_id: str, at: datetime, body: bytes, secret_texts: Sequence[str]) -> dict[str, str]:
    """Standard Webhooks: `v1,<base64>` for each `whsec_…` secret over `id.timestamp.body`, separated by spaces.

    The current secret comes first. With several secrets its signature is repeated at the end: some libraries read the
    first signature only, or never read the last of several. A reader of either kind then finds the current one, and a
    reader of the second kind the old ones too.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    macs = [hmac.digest(_secret_bytes(text), signed, hashlib.sha256) for text in secret_texts]
    if len(macs) > 1:
        macs.append(macs[0])
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs),
    }


def make_secret() -> str:
    """A new endpoint secret: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _secret_bytes(text: str) -> bytes:
    return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)

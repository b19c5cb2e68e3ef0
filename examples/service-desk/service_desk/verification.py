"""The signature of Standard Webhooks, over the bytes as they came."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

TOLERANCE_SECONDS = 300
_SECONDS = re.compile(r"[0-9]{1,12}")


def fault(body: bytes, headers: Mapping[str, str], secret: str, now: float) -> str | None:
    """Why a delivery is not to be believed, or None. The names in `headers` are in lower case; `now` is in
    seconds since 1970. Raises ValueError for a secret that is none.

    While a secret is being rotated there are several signatures; one that fits is enough.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (message_id and message_id.isascii()):
        return "no webhook-id"
    if not (_SECONDS.fullmatch(timestamp) and abs(now - int(timestamp)) <= TOLERANCE_SECONDS):
        return "webhook-timestamp is missing or more than five minutes off"
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").encode(errors="replace").split(b" ")
    # All of them are compared, each in constant time.
    if not any([hmac.compare_digest(expected, each) for each in given]):  # noqa: C419
        return "no webhook-signature fits"
    return None


def key_of(secret: str) -> bytes:
    """The key in a `whsec_…` secret. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not key:
        raise ValueError("TENANT_HOOKS_SECRET must be the endpoint's secret, whsec_…")
    return key

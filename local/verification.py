"""Whether a delivery is what it says: its signatures, checked as a receiver would."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from standardwebhooks import Webhook, WebhookVerificationError

from local.client import Api, ApiFault

POINT_SIGNED = ("point", "spscan")
"""The wire formats whose deliveries carry `Signature`."""


@dataclass(frozen=True)
class Keys:
    """What a receiver needs to verify its deliveries; without `point_signed` they may come without `Signature`."""

    signature_key: str
    secret: str
    point_signed: bool = True


def find_faults(headers: Mapping[str, str], body: bytes, keys: Keys) -> list[str]:
    """What is wrong with the signatures of a delivery; empty when each that it should have verifies. `headers` ignores
    case."""
    faults = _standard_faults(headers, body, keys.secret)
    if keys.point_signed or "Signature" in headers or "Algorithm" in headers:
        faults = [*_signature_faults(headers, body, keys.signature_key), *faults]
    return faults


def _signature_faults(headers: Mapping[str, str], body: bytes, key: str) -> list[str]:
    if headers.get("Algorithm") != "HMACSHA256":
        return [f"Algorithm is {headers.get('Algorithm')!r}, not 'HMACSHA256'"]
    expected = hmac.digest(key.encode(), body, hashlib.sha256)
    if not hmac.compare_digest(base64.b64encode(expected), headers.get("Signature", "").encode()):
        return ["Signature does not match the body"]
    return []


def _standard_faults(headers: Mapping[str, str], body: bytes, secret: str) -> list[str]:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    try:
        Webhook(secret).verify(body, {name: headers.get(name, "") for name in names}, json_parse=False)
    except (WebhookVerificationError, ValueError, binascii.Error) as error:
        return [f"webhook-signature: {error}"]
    return []


class Verifier:
    """Verifies deliveries with the keys that the app's API gives for the endpoint they came to."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._keys: dict[str, Keys] = {}

    async def faults(self, url: str, headers: Mapping[str, str], body: bytes) -> list[str]:
        """What is wrong with a delivery to the endpoint registered as `url`; empty when it verifies."""
        try:
            known = self._keys.get(url)
            if known and not find_faults(headers, body, known):
                return []
            # Not known yet, or the keys were rotated meanwhile.
            self._keys[url] = await self._ask(url)
        except ApiFault as fault:
            return [f"no keys to verify it with: {fault}"]
        return find_faults(headers, body, self._keys[url])

    async def _ask(self, url: str) -> Keys:
        endpoints = await self._api.call("GET", "/v1.0/webhooks/endpoints")
        endpoint = next((endpoint for endpoint in endpoints if endpoint["endpoint"] == url), None)
        if endpoint is None:
            raise ApiFault(f"no endpoint is registered as {url}")
        options = await self._api.call("GET", "/v1.0/options")
        secret = await self._api.call("GET", f"/v1.0/webhooks/endpoints/{endpoint['id']}/secret")
        signature_key = options["webhooksSignatureAuthenticationKey"]
        return Keys(signature_key, secret["secret"], endpoint["format"] in POINT_SIGNED)

"""Tenant Hooks' side: a token, and the event that says that provisioning starts."""

import time
from collections.abc import Callable
from typing import Any

import requests

from service_desk.correlation import Correlation
from service_desk.desk import Request

PATIENCE_SECONDS = 60
WAITS_SECONDS = (1, 5, 15)

Token = Callable[[], str]


class PublishFault(Exception):
    """The event was not taken; the text says why. The same call again does no harm."""


class Hooks:
    """Publishes to the app at `base`."""

    def __init__(self, base: str, token: Token) -> None:
        self._url = base.rstrip("/") + "/v1.0/events"
        self._token = token
        self._session = requests.Session()
        self._session.trust_env = False

    def publish(self, event: dict[str, Any]) -> dict[str, Any]:
        """The answer: `{"idempotencyKey", "deliveries", "duplicate"}`. Raises PublishFault.

        An answer that got lost is asked for again: the event's own key keeps it one event.
        """
        for wait in (*WAITS_SECONDS, None):
            try:
                answer = self._session.post(
                    self._url,
                    json=event,
                    headers={"Authorization": f"Bearer {self._token()}"},
                    timeout=PATIENCE_SECONDS,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                fault = f"no answer: {type(error).__name__}"
            else:
                if answer.status_code == 202:
                    taken: dict[str, Any] = answer.json()
                    return taken
                fault = f"the answer {answer.status_code}: {answer.text[:500]}"
                if answer.status_code < 500 and answer.status_code != 429:
                    break
            if wait is not None:
                time.sleep(wait)
        raise PublishFault(f"POST /v1.0/events got {fault}")


def started(correlation: Correlation, request: Request) -> dict[str, Any]:
    """`correlationId` stands in the content: fields beyond the catalogue's are sent on as they are."""
    return {
        "type": "ProvisioningStarted",
        "content": {
            "name": request.name,
            "type": request.kind,
            "requestedOn": request.requested_on,
            "requesterId": request.requester_id,
            "correlationId": str(correlation),
        },
        "meta": {"idempotencyKey": correlation.idempotency_key},
    }


def entra_token(tenant_id: str, client_id: str, client_secret: str, audience: str) -> Token:
    """Tokens of an Entra application that holds `Point.Publish`, each used until shortly before it ends."""
    known, known_until = "", 0.0

    def token() -> str:
        nonlocal known, known_until
        if time.monotonic() > known_until:
            answer = requests.post(
                f"https://login.microsoftonline.com/{tenant_id}/oauth2/v2.0/token",
                data={
                    "grant_type": "client_credentials",
                    "client_id": client_id,
                    "client_secret": client_secret,
                    "scope": f"{audience}/.default",
                },
                timeout=PATIENCE_SECONDS,
            )
            if not answer.ok:
                raise PublishFault(f"Entra gave no token: {answer.status_code} {answer.text[:300]}")
            known, known_until = answer.json()["access_token"], time.monotonic() + answer.json()["expires_in"] - 300
        return known

    return token

"""Tenant Hooks' side: a token, and the request for a workspace."""

import time
from collections.abc import Callable
from typing import Any

import requests

from service_desk.correlation import Correlation
from service_desk.desk import Request

PATIENCE_SECONDS = 60
WAITS_SECONDS = (1, 5, 15)

Token = Callable[[], str]


class RequestFault(Exception):
    """The request was not taken; the text says what to change. The same call again does no harm."""


class Hooks:
    """Asks the app at `base` for workspaces, by this template of it."""

    def __init__(self, base: str, token: Token, template: str) -> None:
        self._base = base.rstrip("/")
        self._token = token
        self._template = template
        self._session = requests.Session()
        self._session.trust_env = False

    def ask_for(self, correlation: Correlation, request: Request) -> str:
        """The id of the accepted request. Raises RequestFault.

        An answer that got lost is asked for again: the idempotency key keeps it one request.
        """
        path, body = f"/v1.0/provision/{request.kind}", self._body(correlation, request)
        for wait in (*WAITS_SECONDS, None):
            try:
                answer = self._session.post(
                    self._base + path,
                    json=body,
                    headers={
                        "Authorization": f"Bearer {self._token()}",
                        "Idempotency-Key": correlation.idempotency_key,
                    },
                    timeout=PATIENCE_SECONDS,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                fault = f"no answer: {type(error).__name__}"
            else:
                if answer.status_code == 202:
                    return str(answer.json()["requestId"])
                fault = f"the answer {answer.status_code}: {answer.text[:500]}"
                if answer.status_code < 500 and answer.status_code != 429:
                    break
            if wait is not None:
                time.sleep(wait)
        raise RequestFault(f"POST {path} got {fault}")

    def _body(self, correlation: Correlation, request: Request) -> dict[str, Any]:
        """`metadata` comes back in every event of the request."""
        return {
            "templateId": self._template,
            "displayName": request.name,
            "owners": [request.owner],
            "comment": f"Approved as {correlation.ticket}",
            "metadata": {"correlationId": str(correlation)},
        }


def entra_token(tenant_id: str, client_id: str, client_secret: str, audience: str) -> Token:
    """Tokens of an Entra application that holds `Point.Provisioning`, each used until shortly before it ends."""
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
                raise RequestFault(f"Entra gave no token: {answer.status_code} {answer.text[:300]}")
            known, known_until = answer.json()["access_token"], time.monotonic() + answer.json()["expires_in"] - 300
        return known

    return token

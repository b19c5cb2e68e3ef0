"""A client of the app's own API, with a token of the local issuer."""

import json
from pathlib import Path
from typing import Any, Self

import aiohttp

from local.issuer import read_key, sign_token

PATIENCE = aiohttp.ClientTimeout(total=60)


class ApiFault(Exception):
    """The API did not answer, or not with success; the text says what it said."""


class Api:
    """Calls the API of the app at `base` as an administrator."""

    def __init__(self, base: str, key_file: Path) -> None:
        self.base = base
        self._key_file = key_file
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Any:
        """The decoded body of a successful answer; raises ApiFault otherwise."""
        token = sign_token(read_key(self._key_file), ["Point.Admin"])
        self._session = self._session or aiohttp.ClientSession(timeout=PATIENCE)
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        try:
            async with self._session.request(method, self.base + path, json=body, headers=sent) as response:
                if not response.ok:
                    raise ApiFault(f"{method} {path} answered {response.status}: {(await response.text())[:500]}")
                text = await response.text()
                return json.loads(text) if text else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiFault(f"{method} {path} got no answer: {type(error).__name__} {error}") from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

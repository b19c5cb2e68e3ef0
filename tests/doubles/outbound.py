"""The webhook client as tests in threads use it."""

import ssl
from collections.abc import Mapping
from datetime import timedelta

from doubles.running import Closable, open_until_the_end
from shared.outbound.addresses import AddressPolicy
from shared.outbound.background import BackgroundLoop
from shared.outbound.client import DEADLINE, NoResponse, Response, WebhookClient
from shared.outbound.connection import USUAL_WAITS, Waits
from shared.outbound.resolver import Resolve

_BACKGROUND = BackgroundLoop()


class Outbound:
    """Blocks until the answer is there; may be asked from several threads."""

    def __init__(
        self,
        policy: AddressPolicy,
        deadline: timedelta = DEADLINE,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        waits: Waits = USUAL_WAITS,
    ) -> None:
        self.client = WebhookClient(policy, deadline, resolve, tls, waits)
        self.check = self.client.check
        open_until_the_end(_InBackground(self.client))

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, spent: timedelta = timedelta()
    ) -> Response | NoResponse:
        return _BACKGROUND.run(self.client.post(url, headers, body, spent))

    def ask(self, url: str, headers: Mapping[str, str], within: timedelta) -> Response | NoResponse:
        return _BACKGROUND.run(self.client.options(url, headers, within))


class _InBackground(Closable):
    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    async def close(self) -> None:
        _BACKGROUND.run(self._client.close())

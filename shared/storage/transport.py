"""How the Azure SDK's requests reach storage: `urllib3` alone, where the SDK's own transport puts `requests` on top.

That layer prepares each request anew: headers, cookies, hooks, redirects, of which storage needs none. Leaving it out
is the SDK's own option (`transport=`); policies, retries and signing stay the SDK's. Multipart answers, those of table
transactions, are not taken apart: the app makes none here. The event loop has `aiohttp`, with the SDK's own transport.

Storage closes connections that it has not heard of for a while, and may do so while a request is on its way. The SDK
sends no insert again then, and nobody could tell that from storage that is down. So such a request is sent once more by
both transports. Storage may have received it: who inserts a row must be able to find it there.
"""

import json
import ssl
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any

import aiohttp
import certifi
import urllib3
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport, HttpTransport
from azure.core.rest import HttpRequest, HttpResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError

TIMEOUT = urllib3.Timeout(connect=5, read=15)


class Response(HttpResponse):
    """A whole answer, read."""

    def __init__(self, request: HttpRequest, answer: urllib3.BaseHTTPResponse) -> None:
        self._request = request
        self._answer = answer

    @property
    def request(self) -> HttpRequest:
        return self._request

    @property
    def status_code(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> MutableMapping[str, str]:
        return self._answer.headers

    @property
    def reason(self) -> str:
        return self._answer.reason or ""

    @property
    def content_type(self) -> str | None:
        return self._answer.headers.get("Content-Type")

    @property
    def is_closed(self) -> bool:
        return True

    @property
    def is_stream_consumed(self) -> bool:
        return True

    @property
    def encoding(self) -> str | None:
        return "utf-8"

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        raise AttributeError("storage answers in UTF-8")

    @property
    def url(self) -> str:
        return self._request.url

    @property
    def content(self) -> bytes:
        return self._answer.data

    def text(self, encoding: str | None = None) -> str:
        return self._answer.data.decode(encoding or "utf-8-sig", "replace")

    def json(self) -> Any:
        return json.loads(self.text())

    def read(self) -> bytes:
        return self._answer.data

    def iter_raw(self, **kwargs: Any) -> Iterator[bytes]:
        yield self._answer.data

    def iter_bytes(self, **kwargs: Any) -> Iterator[bytes]:
        yield self._answer.data

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise HttpResponseError(response=self)

    def close(self) -> None:
        """Nothing is open any more."""

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Response {self.status_code}>"


class Transport(HttpTransport[HttpRequest, HttpResponse]):
    """One pool of connections, big enough for every thread. Proxies of the environment are not read."""

    def __init__(self, connections: int) -> None:
        tls = ssl.create_default_context(cafile=certifi.where())
        self._pools = urllib3.PoolManager(num_pools=4, maxsize=connections, ssl_context=tls)

    def send(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Raises ServiceRequestError before, and ServiceResponseError after the request may have been received."""
        try:
            try:
                answer = self._answer(request)
            except ProtocolError as error:
                if not isinstance(error.args[-1], ConnectionError):
                    raise
                answer = self._answer(request)
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise ServiceRequestError(str(error), error=error) from error
        except HTTPError as error:
            raise ServiceResponseError(str(error), error=error) from error
        return Response(request, answer)

    def _answer(self, request: HttpRequest) -> urllib3.BaseHTTPResponse:
        return self._pools.urlopen(
            request.method,
            request.url,
            body=request.content,
            headers=request.headers,
            timeout=TIMEOUT,
            retries=False,
            redirect=False,
        )

    def open(self) -> None:
        """Connections are made when they are needed."""

    def close(self) -> None:
        self._pools.clear()

    def __enter__(self) -> "Transport":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


class LoopTransport(AioHttpTransport):  # type: ignore[misc]  # azure.core loads it late, without its type
    """The SDK's own for the event loop."""

    async def send(self, request: Any, **config: Any) -> Any:
        """Raises as the SDK's own."""
        try:
            return await super().send(request, **config)
        except ServiceRequestError as error:
            if not _was_closed(error.inner_exception):
                raise
            return await super().send(request, **config)


def _was_closed(error: BaseException | None) -> bool:
    """Whether a connection that had been made ended before there was an answer."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)

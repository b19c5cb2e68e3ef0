"""The receiver: verify, put into the inbox, answer 202; a thread works the inbox off."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service_desk.desk import Outcome
from service_desk.inbox import Inbox, Waiting
from service_desk.verification import fault, key_of

Work = Callable[[str, dict[str, Any]], Outcome]
"""What to do with an event, given its key; what it returns is logged and kept."""

LARGEST_BODY_BYTES = 1024 * 1024
PATIENCE_SECONDS = 20
WAITS_SECONDS = (1, 10, 60, 300, 900, 3600, 3600, 3600)
"""Between the tries to work an event off: more than three hours. After that it is reported as given up."""


class Receiver:
    """Listens on `port` (0: any free one) of `host`, for one endpoint, whose secret this is. Raises ValueError."""

    def __init__(self, secret: str, inbox: Inbox, work: Work, *, host: str = "127.0.0.1", port: int = 0) -> None:
        key_of(secret)
        self._inbox = inbox
        self._work = work
        self._changed = threading.Event()
        self._ending = False
        self._server = ThreadingHTTPServer((host, port), _handler(secret, inbox, self._changed))
        self.url = "http://{}:{}/".format(*self._server.server_address[:2])

    def run(self) -> None:
        """Until `stop`. Raises RuntimeError when the inbox cannot be worked off any more."""
        worker = threading.Thread(target=self._work_off, name="inbox")
        worker.start()
        try:
            self._server.serve_forever(poll_interval=0.1)
            if not self._ending:
                raise RuntimeError("the inbox cannot be worked off; what was accepted waits in it")
        finally:
            self._ending = True
            self._changed.set()
            worker.join()
            self._server.server_close()

    def stop(self) -> None:
        """From another thread: ends `run` once the event in hand is worked off. The others wait in the inbox."""
        self._ending = True
        self._server.shutdown()

    def _work_off(self) -> None:
        try:
            while not self._ending:
                self._changed.clear()  # before looking: what comes after this look wakes the wait
                waiting, seconds = self._inbox.next()
                if waiting is None:
                    self._changed.wait(seconds)
                else:
                    self._work_on(waiting)
        finally:
            self._server.shutdown()  # the disk, say, is full: accept no more than can be worked off

    def _work_on(self, waiting: Waiting) -> None:
        try:
            outcome = self._work(waiting.key, json.loads(waiting.body))
        except Exception as error:  # a fault in here must not end the thread; it is reported and kept
            outcome = Outcome("again", f"{type(error).__name__}: {error}")
        given_up = waiting.tries >= len(WAITS_SECONDS)
        if outcome.state != "again":
            self._inbox.end(waiting.key, outcome.state, outcome.detail)
        elif given_up:
            self._inbox.end(waiting.key, "given up", outcome.detail)
        else:
            wait = WAITS_SECONDS[waiting.tries] if outcome.seconds is None else outcome.seconds
            self._inbox.again(waiting.key, wait, outcome.detail)
        log("given up" if given_up and outcome.state == "again" else outcome.state, waiting.key, outcome.detail)


def log(state: str, key: str, detail: str) -> None:
    """One line an event, as JSON: what a ticket or an alert can be made of."""
    print(json.dumps({"state": state, "key": key, "detail": detail}, ensure_ascii=False), flush=True)


def _handler(secret: str, inbox: Inbox, changed: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = PATIENCE_SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdecimal()) or int(length) > LARGEST_BODY_BYTES:
                self._answer(413, "send a Content-Length of at most 1 MiB")
                return
            body = self.rfile.read(int(length))
            why = fault(body, {name.lower(): value for name, value in self.headers.items()}, secret, time.time())
            if why is not None:
                self._answer(401, why)
                return
            key = self.headers["webhook-id"]
            new = inbox.add(key, body)
            changed.set()
            self._answer(202, "accepted" if new else "known already")

        def _answer(self, status: int, text: str) -> None:
            """The text goes into Tenant Hooks' delivery log."""
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(text.encode())))
            if status >= 400:
                self.send_header("Connection", "close")  # a body may be unread
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Paths may hold keys; what matters is logged by event."""

    return Handler

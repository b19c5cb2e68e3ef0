"""Timers of the app that a test runs at once."""

from typing import ClassVar

from .api import Api
from .hosting import Host, Record


class Runs:
    """Runs of one function in one host."""

    function: ClassVar[str]
    ends_with: ClassVar[tuple[str, ...]]
    """The lines of which a run writes one when it ends."""

    def __init__(self, host: Host, api: Api) -> None:
        self.host = host
        self.api = api

    def start(self) -> None:
        self.api.call("POST", f"/admin/functions/{self.function}", {}, expect=202)

    def ends(self) -> list[Record]:
        """The lines with which runs have ended."""
        return [record for record in list(self.host.records) if record["event"] in self.ends_with]

    def run(self, within: float = 20) -> Record:
        """The line with which a run that begins now ends."""
        known = len(self.ends())
        self.start()
        self.host.wait_until(lambda: len(self.ends()) > known, within)
        return self.ends()[-1]

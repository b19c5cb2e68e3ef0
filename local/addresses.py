"""Where the app that was started here listens, for commands and shells beside it."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from local.lock import Held, locked
from local.problem import Problem

LOCK = "running.lock"
"""In the folder of a start (`.local/run-<port>`), which holds it for as long as it runs."""

_FILE = "addresses.json"

Shell = Literal["sh", "powershell"]


@dataclass(frozen=True)
class Addresses:
    """URLs without a slash at their ends; `graph` is empty where the settings name a Microsoft Graph of their own."""

    app: str
    receiver: str
    graph: str


@contextlib.contextmanager
def told(folder: Path, addresses: Addresses) -> Iterator[None]:
    """Lets others find these addresses while the block runs."""
    file = folder / _FILE
    file.write_text(json.dumps(asdict(addresses)), encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find(state: Path, port: int | None = None) -> Addresses:
    """Those of the app on `port`, else of the one started last. Raises Problem where none runs."""
    written = sorted(state.glob(f"run-{port or '*'}/{_FILE}"), key=lambda file: file.stat().st_mtime)
    for file in reversed(written):
        if is_running(file.parent):
            return Addresses(**json.loads(file.read_text(encoding="utf-8")))
    where = f" on port {port}" if port else ""
    raise Problem(f"Nothing that `dev.py start` started in this folder runs{where}. Run `python3 dev.py start` first.")


def is_running(folder: Path) -> bool:
    """Whether the start whose folder this is still runs."""
    if not (folder / LOCK).exists():
        return False
    try:
        with locked(folder / LOCK):
            return False
    except Held:
        return True


def assignments(addresses: Addresses, token: str, shell: Shell) -> str:
    """The variables of the tour, as lines that the shell evaluates."""
    named = {name: url for name, url in asdict(addresses).items() if url}
    if shell == "powershell":
        lines = [f"${name} = '{url}'" for name, url in named.items()]
        return "\n".join([*lines, f"$auth = @{{ Authorization = 'Bearer {token}' }}", "$json = 'application/json'"])
    lines = [f"{name}='{url}'" for name, url in named.items()]
    return "\n".join([*lines, f"auth='Authorization: Bearer {token}'", "json='Content-Type: application/json'"])

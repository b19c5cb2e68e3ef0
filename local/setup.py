"""Makes `.venv` and `node_modules`, once, and again when what they are made from has changed.

Runs before any package is installed: the standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.lock import Held, locked
from local.problem import Problem

OLDEST_NODE = 20
STAMP = ".made-from"
IN_USE = "in-use.lock"
OUTPUT_SHOWN_LINES = 30

_TOOLS_STAMP = ".tools-made-from"
_INSTALL = ("install", "--no-input", "--disable-pip-version-check")
_NPM_ADVICE = (
    "Check that this machine reaches an npm registry (npm uses your own configuration). "
    "Then run the same command again."
)
_PIP_ADVICE = (
    "Check that this machine reaches a package index (pip uses your own configuration) and that Python can "
    "make virtual environments (on Debian and Ubuntu: the package python3-venv). "
    "Then run the same command again."
)


@dataclass(frozen=True)
class Part:
    """What is made from files in a folder; its stamp, written last, says from which, so half of one is never taken."""

    title: str
    folder: Path
    sources: tuple[Path, ...]
    make: Callable[["Part", IO[str]], None]
    advice: str
    made_with: str = ""
    essential: Path | None = None
    """A file without which the folder is of no use: the interpreter that it links to, which may have been removed, or a
    copy of what it holds."""
    stamp: str = STAMP
    adds: bool = False
    """Whether making it leaves what is in the folder as it is, so that a program may go on using that."""

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for source in self.sources:
            # Line ends differ between machines, and say nothing about what is to be installed.
            digest.update(source.read_text(encoding="utf-8").encode())
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether it is made from the files as they are, with whatever."""
        return self._made_from()[:1] == [self.fingerprint()]

    def is_ready(self) -> bool:
        return self._made_from() == [self.fingerprint(), self.made_with]

    def mark(self) -> None:
        (self.folder / self.stamp).write_text(f"{self.fingerprint()}\n{self.made_with}", encoding="ascii")

    def _made_from(self) -> list[str]:
        if self.essential is not None and not self.essential.exists():
            return []
        try:
            return (self.folder / self.stamp).read_text(encoding="ascii").split("\n")
        except FileNotFoundError:
            return []


_lock_of_use = threading.Lock()
"""Held by the one of this process' threads that has locked IN_USE."""


class _CommandFailed(Exception):
    pass


def venv_python(root: Path) -> Path:
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python_packages(root: Path) -> Part:
    """What the commands that run the app need."""
    return Part(
        title="Python packages (.venv)",
        folder=root / ".venv",
        sources=(root / "constraints.txt", root / "requirements.txt", root / "requirements-local.txt"),
        make=_make_venv,
        advice=_PIP_ADVICE,
        made_with="{}.{}".format(*sys.version_info),
        essential=venv_python(root),
    )


def tool_packages(root: Path) -> Part:
    """What `dev.py test` and `dev.py bench` need besides."""
    return Part(
        title="Test tools (.venv, 400 MB)",
        folder=root / ".venv",
        sources=(*python_packages(root).sources, root / "requirements-dev.txt"),
        make=_install_requirements,
        advice=_PIP_ADVICE,
        essential=venv_python(root),
        stamp=_TOOLS_STAMP,
        adds=True,
    )


def node_packages(root: Path) -> Part:
    """What the commands that run the app need. `overrides` in package.json gives Azurite an old client for telemetry,
    which is off here: the newest one brings OpenTelemetry, two thirds of all files, and doubles the time of a start."""
    return Part(
        title="Azurite and what the console needs (node_modules)",
        folder=root / "node_modules",
        sources=(root / "package.json", root / "package-lock.json", root / "infra/scripts/console-files.json"),
        make=_install_node_packages,
        advice=_NPM_ADVICE,
        essential=root / "shared/console/vendor/lit-html.js",
    )


def node_tools(root: Path) -> Part:
    """What tests need besides."""
    return Part(
        title="Test tools (node_modules, 150 MB)",
        folder=root / "node_modules",
        sources=node_packages(root).sources,
        make=_add_node_tools,
        advice=_NPM_ADVICE,
        stamp=_TOOLS_STAMP,
        adds=True,
    )


def make_ready(parts: Sequence[Part], state: Path) -> None:
    """Make each part that is not ready, those of different folders at the same time; the output of pip and npm goes to
    `state`/setup-<folder>.log.

    Of several processes at once, one works and the others wait for it. What a program uses that shares the lock
    `state`/in-use.lock is left as it is where only the Python is another. Raises Problem.
    """
    if all(part.is_ready() for part in parts):
        return
    with locked(state / "setup.lock", on_wait=lambda: _say("Waiting for another dev.py to finish setting up …\n")):
        in_use = _is_in_use(state)
        lacking = [part for part in parts if not part.is_ready() and not (part.is_current() and in_use)]
        if lacking:
            _say("Setting up (once; later runs start at once) …\n")
            _make_all(lacking, state)


def _make_all(parts: Sequence[Part], state: Path) -> None:
    """One folder is made while another waits for the network. Raises Problem once nothing is at work any more."""
    folders: dict[Path, list[Part]] = {}
    for part in parts:
        folders.setdefault(part.folder, []).append(part)

    def make(parts: list[Part]) -> None:
        for part in parts:
            _make_alone(part, state)

    with ThreadPoolExecutor(len(folders)) as pool:
        made = [pool.submit(make, each) for each in folders.values()]
    for each in made:
        each.result()


def _is_in_use(state: Path) -> bool:
    try:
        with locked(state / IN_USE):
            return False
    except Held:
        return True


def _make_alone(part: Part, state: Path) -> None:
    log_path = state / f"setup-{part.folder.name.strip('.')}.log"
    if part.adds or not part.folder.exists():
        _make(part, log_path)
        return
    try:
        with _lock_of_use, locked(state / IN_USE):
            _make(part, log_path)
    except Held:
        raise Problem(
            f"{part.folder.name} must be installed again, since {_listed(part.sources)} changed or it is incomplete. "
            "But a program that dev.py started still uses it. Stop that one (Ctrl+C), and run the same command again."
        ) from None


def _listed(sources: Sequence[Path]) -> str:
    return " or ".join(source.name for source in sources)


def require_node() -> None:
    """Raises Problem unless Node.js is here and new enough."""
    node = shutil.which("node")
    shown = _output([node, "--version"]) if node else ""
    problem = node_problem(shown if node and shutil.which("npm") else None)
    if problem:
        raise Problem(problem)


def node_problem(shown: str | None) -> str | None:
    """What is wrong with a Node.js whose `--version` is `shown`; None as `shown` means that there is none."""
    what_to_do = (
        f"Install Node.js {OLDEST_NODE} or newer with npm, and run the same command again: Azurite, the storage "
        "emulator, runs in it. (`dev.py start` needs none with AzureWebJobsStorage set to a connection string.)"
    )
    if shown is None:
        return f"Node.js or npm was not found. {what_to_do}"
    number = re.match(r"v(\d+)", shown)
    if number is None or int(number[1]) < OLDEST_NODE:
        return f"This Node.js is {shown.strip() or 'of an unknown version'}. {what_to_do}"
    return None


def _make(part: Part, log_path: Path) -> None:
    started = time.monotonic()
    try:
        (part.folder / part.stamp).unlink(missing_ok=True)
        with log_path.open("w", encoding="utf-8") as log:
            part.make(part, log)
        part.mark()
    except _CommandFailed as error:
        _say(f"  {part.title} … failed\n")
        tail = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-OUTPUT_SHOWN_LINES:]
        shown = "\n".join(f"    {line}" for line in tail)
        raise Problem(f"{error}. Its last lines (all of them: {_near(log_path)}):\n{shown}\n{part.advice}") from None
    except OSError as error:
        _say(f"  {part.title} … failed\n")
        raise Problem(
            f"{error}. End the programs that use {_near(part.folder)} and run the same command again."
        ) from None
    _say(f"  {part.title} … {time.monotonic() - started:.0f} s\n")


def _make_venv(part: Part, log: IO[str]) -> None:
    """With the pip of the Python that is here, where it has a newer one: unpacking another takes three seconds."""
    if part.folder.exists():
        shutil.rmtree(part.folder)
    # Started from inside a virtual environment, perhaps this very one, Python knows which interpreter made that.
    python = getattr(sys, "_base_executable", sys.executable)
    lends_pip = pip_can_install_elsewhere(_output([python, "-m", "pip", "--version"]))
    run_logged([python, "-m", "venv", *(["--without-pip"] if lends_pip else []), str(part.folder)], log)
    if lends_pip:
        pip = [python, "-m", "pip", "--python", str(venv_python(part.folder.parent))]
        run_logged([*pip, *_INSTALL, "pip", "-r", str(part.sources[-1])], log)
    else:
        _install_requirements(part, log)


def pip_can_install_elsewhere(shown: str) -> bool:
    """Whether the pip whose `--version` is `shown` knows the option --python, which is there from 22.3 on."""
    number = re.match(r"pip (\d+)\.(\d+)", shown)
    return number is not None and (int(number[1]), int(number[2])) >= (22, 3)


def _install_requirements(part: Part, log: IO[str]) -> None:
    pip = [str(venv_python(part.folder.parent)), "-m", "pip"]
    run_logged([*pip, *_INSTALL, "-r", str(part.sources[-1])], log)


def _output(command: Sequence[str]) -> str:
    """What a command writes; nothing where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout if done.returncode == 0 else ""


def _install_node_packages(part: Part, log: IO[str]) -> None:
    _run_npm(part, log, "ci", "--omit=dev")


def _add_node_tools(part: Part, log: IO[str]) -> None:
    """Unlike `npm ci`, leaves in place what an Azurite may be running from."""
    _run_npm(part, log, "install", "--no-save")


def _run_npm(part: Part, log: IO[str], *arguments: str) -> None:
    npm = shutil.which("npm") or "npm"  # on Windows a .cmd file, found by its full name only
    _run([npm, *arguments, "--no-audit", "--no-fund"], part, log)
    _run([shutil.which("node") or "node", "infra/scripts/console.mjs"], part, log)


def _run(command: Sequence[str], part: Part, log: IO[str]) -> None:
    run_logged(command, log, folder=part.folder.parent)


def run_logged(command: Sequence[str], log: IO[str], folder: Path | None = None) -> None:
    shown = " ".join([Path(command[0]).stem, *command[1:4]])
    log.write(f"> {shown}\n")
    log.flush()
    result = subprocess.run(  # noqa: S603
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
    )
    if result.returncode:
        raise _CommandFailed(f"`{shown}` failed with exit code {result.returncode}")


def _near(path: Path) -> str:
    """`path` as seen from the project's root."""
    return "/".join(path.parts[-2:]) if path.parent.name == ".local" else path.name


def _say(text: str) -> None:
    """Progress goes to standard error: the standard output of `dev.py token` is a token."""
    sys.stderr.write(text)
    sys.stderr.flush()

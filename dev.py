#!/usr/bin/env python3
"""The one command line for people who work on Tenant Hooks. Try: python3 dev.py demo"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
STATE = ROOT / ".local"
OLDEST_PYTHON = (3, 11)

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("pytest", "-n", "3", "--dist", "loadfile", "-m", "not alone"),
    ("pytest", "-m", "alone"),
)
QUICK_CHECKS = (*CHECKS[:3], ("pytest", "-n", "2", "--dist", "loadfile", "-m", "not simulation", "tests/unit"))


_held: list[object] = []
"""Open files with locks, which end with the process."""


def main(arguments: list[str]) -> int:
    """Set up what the command needs, then run it; the value is the exit code."""
    complaint = python_problem(sys.version_info[:3])
    if complaint:
        print(complaint, file=sys.stderr)
        return 1
    # Only now: these modules are written for that Python.
    from local.command_line import parse
    from local.problem import Problem

    try:
        if arguments[:1] == ["bench"]:
            return run_benchmarks(arguments[1:])
        if arguments[:1] == ["test"] and arguments[1:] not in (["-h"], ["--help"]):
            return run_checks(arguments[1:])
        options = parse(arguments)
        return write_pins(options.upgrade) if options.command == "pin" else run_command(options)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def python_problem(version: tuple[int, int, int]) -> str | None:
    """What is wrong with running on this Python version, or None."""
    if version >= OLDEST_PYTHON:
        return None
    needed, found = ".".join(map(str, OLDEST_PYTHON)), ".".join(map(str, version))
    return (
        f"Tenant Hooks needs Python {needed} or newer; this is Python {found}. "
        f"Run the same command with a newer one, for example: python{needed} dev.py demo"
    )


def run_command(options: argparse.Namespace) -> int:
    """Hand the command over to the virtual environment's Python."""
    from local import setup
    from local.appsettings import needs_azurite, read_values
    from local.command_line import as_arguments
    from local.keyfiles import require_issuer_key

    if options.command in ("token", "env"):
        require_issuer_key(STATE)
    with_node = options.command == "demo" or (
        options.command == "start" and needs_azurite(read_values(ROOT), os.environ)
    )
    if options.command == "screenshots":
        return draw_console()
    set_up(with_node=with_node)
    return _become([str(setup.venv_python(ROOT)), "-m", "local", *as_arguments(options)])


def run_checks(pytest_arguments: list[str]) -> int:
    """Lint, types and tests, up to the first that fails; with other arguments than --quick only the tests, with these
    arguments."""
    from local import browser, setup

    set_up(with_node=True, with_tools=True)
    if pytest_arguments != ["--quick"]:
        browser.install(STATE / "browser.log")
    all_of_it = {(): CHECKS, ("--quick",): QUICK_CHECKS}
    checks = all_of_it.get(tuple(pytest_arguments))
    for check in checks or [("pytest", *pytest_arguments)]:
        if checks:
            print("$", *check, flush=True)
        code = subprocess.call([str(setup.venv_python(ROOT)), "-m", *check], cwd=ROOT)  # noqa: S603
        if code:
            if check[0] != "pytest":
                print(f"`{' '.join(check)}` failed; what comes after it did not run.", file=sys.stderr)
            return code
    return 0


def run_benchmarks(arguments: list[str]) -> int:
    """The benchmarks; their own command line reads the arguments."""
    set_up(with_node=True, with_tools=True)
    return _become_tool("bench", *arguments)


def draw_console() -> int:
    """Pictures of every page of the console."""
    from local import browser

    set_up(with_node=True, with_tools=True)
    browser.install(STATE / "browser.log")
    return _become_tool("e2e.console.pictures")


def write_pins(upgrade: bool) -> int:
    """Exactly one version of every package behind requirements.txt."""
    from local import setup

    set_up(with_node=False, with_tools=True)
    return _become([str(setup.venv_python(ROOT)), "-m", "local.pins", *(["--upgrade"] if upgrade else [])])


def set_up(*, with_node: bool, with_tools: bool = False) -> None:
    """Make what the command needs, and keep it from being made anew until the command has ended."""
    from local import setup
    from local.lock import share

    if with_node:
        setup.require_node()
    parts = [setup.python_packages(ROOT)]
    if with_tools:
        parts.append(setup.tool_packages(ROOT))
    if with_node:
        parts.append(setup.node_packages(ROOT))
        if with_tools:
            parts.append(setup.node_tools(ROOT))
    setup.make_ready(parts, STATE)
    _held.append(share(STATE / setup.IN_USE))


def _become_tool(module: str, *arguments: str) -> int:
    """Runs a module of tests/ from the project's root."""
    from local import setup

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    os.chdir(ROOT)
    return _become([str(setup.venv_python(ROOT)), "-m", module, *arguments])


def _become(command: list[str]) -> int:
    os.chdir(ROOT)
    if sys.platform != "win32":
        # One process instead of two: signals and the exit code are the command's own. Ctrl+C waits until the command
        # can take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.execv(command[0], command)  # noqa: S606
    child = subprocess.Popen(command)  # noqa: S603
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child has it too, and ends in its own time


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

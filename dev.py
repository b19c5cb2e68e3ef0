#!/usr/bin/env python3
"""The one command line for people who work on Tenant Hooks. Try: python3 dev.py demo"""

from __future__ import annotations

import argparse
import os
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
    ("pytest", "-n", "2", "--dist", "loadfile", "-m", "not alone"),
    ("pytest", "-m", "alone"),
)


def command_line() -> argparse.ArgumentParser:
    """The commands and their options; local/run.py reads the same ones."""
    parser = argparse.ArgumentParser(
        prog="dev.py",
        allow_abbrev=False,
        description="Runs Tenant Hooks on your own machine and checks it. The first run installs what is needed "
        "into .venv and node_modules; nothing else on the machine changes.",
        epilog="`python3 dev.py COMMAND --help` tells the options of one command.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    commands.add_parser(
        "demo",
        help="show the whole thing at work, in under a minute, and end",
        description="Starts everything on free ports with empty storage, registers endpoints, publishes events, scans "
        "sites, and shows each signed delivery verified, a retry, an exhausted delivery and its rescue.",
    )

    start = commands.add_parser(
        "start",
        help="run the app and stay up until Ctrl+C",
        description="Starts Azurite (the storage emulator), a token issuer, a webhook receiver to point endpoints at, "
        "a stand-in for Microsoft Graph, and the app in a function host. App settings come from local.settings.json, "
        "else from the sample; environment variables override them. With AzureWebJobsStorage in the environment no "
        "Azurite is started, and with GRAPH_BASE_URL no stand-in is used.",
    )
    start.add_argument("--port", type=_port, default=7071, help="where the app listens (default %(default)s)")
    start.add_argument(
        "--azurite-port",
        type=_port,
        default=10000,
        metavar="P",
        help="Azurite's blob, queue and table services listen at P, P+1 and P+2 (default %(default)s)",
    )
    start.add_argument(
        "--receiver-port",
        type=_port,
        metavar="PORT",
        help="where the receiver listens (default: the app's port + 1000)",
    )
    place = start.add_mutually_exclusive_group()
    place.add_argument(
        "--data",
        type=_from_here,
        metavar="DIR",
        help="the folder in which Azurite keeps its data (default .local/azurite; with another Azurite port, that is "
        "in the name too)",
    )
    place.add_argument("--in-memory", action="store_true", help="keep no data: every start begins empty")
    start.add_argument(
        "--lease",
        type=_seconds,
        default=600,
        metavar="S",
        help="for tests: seconds a received queue message stays hidden (default %(default)s, as on Azure)",
    )

    token = commands.add_parser(
        "token",
        help="print a bearer token for the app started here",
        description="Prints a token of the local issuer. Use it as: "
        'curl -H "Authorization: Bearer $(python3 dev.py token)" http://127.0.0.1:7071/v1.0/webhooks/types',
    )
    token.add_argument(
        "--roles",
        default="Point.Admin",
        metavar="A,B",
        help="its app roles: Point.Admin, Point.Read, Point.Publish, Point.Subscribe (default %(default)s)",
    )
    token.add_argument(
        "--expires-in", type=int, default=3600, metavar="S", help="seconds that it is valid (default %(default)s)"
    )

    commands.add_parser(
        "bench",
        usage="dev.py bench [name ...] [--json FILE] [--plots DIR] [--quick]",
        help="measure throughput, latency, isolation, cost and more; takes half an hour",
        add_help=False,
    )

    commands.add_parser(
        "test",
        usage="dev.py test [pytest arguments]",
        help="lint, types and tests; with pytest arguments, pytest alone with them",
        description="Runs ruff, mypy and pytest and stops at the first that fails. With arguments, only pytest runs, "
        "with these arguments; paths are as seen from the project's root.",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Set up what the command needs, then run it; the value is the exit code."""
    complaint = python_problem(sys.version_info[:3])
    if complaint:
        print(complaint, file=sys.stderr)
        return 1
    # Only now: these modules are written for that Python.
    from local.problem import Problem

    try:
        if arguments[:1] == ["bench"]:
            return run_benchmarks(arguments[1:])
        if arguments[:1] == ["test"] and arguments[1:] not in (["-h"], ["--help"]):
            return run_checks(arguments[1:])
        return run_command(command_line().parse_args(arguments))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
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
    from local.keyfiles import require_issuer_key

    if options.command == "token":
        require_issuer_key(STATE)
    with_node = options.command == "demo" or (
        options.command == "start" and needs_azurite(read_values(ROOT), os.environ)
    )
    set_up(with_node=with_node)
    return _become([str(setup.venv_python(ROOT)), "-m", "local.run", *as_arguments(options)])


def run_checks(pytest_arguments: list[str]) -> int:
    """Lint, types and tests, up to the first that fails; with arguments only the tests, with these arguments."""
    from local import setup

    set_up(with_node=True)
    checks = (("pytest", *pytest_arguments),) if pytest_arguments else CHECKS
    for check in checks:
        if not pytest_arguments:
            print("$", *check, flush=True)
        code = subprocess.call([str(setup.venv_python(ROOT)), "-m", *check], cwd=ROOT)  # noqa: S603
        if code:
            if check[0] != "pytest":
                print(f"`{' '.join(check)}` failed; what comes after it did not run.", file=sys.stderr)
            return code
    return 0


def run_benchmarks(arguments: list[str]) -> int:
    """The benchmarks; their own command line reads the arguments."""
    from local import setup

    set_up(with_node=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return _become([str(setup.venv_python(ROOT)), "-m", "bench", *arguments])


def set_up(*, with_node: bool) -> None:
    from local import setup

    if with_node:
        setup.require_node()
    parts = [setup.python_packages(ROOT), *([setup.node_packages(ROOT)] if with_node else [])]
    setup.make_ready(parts, STATE)


def as_arguments(options: argparse.Namespace) -> list[str]:
    """The command line that gives `options` again, in any folder."""
    given = {name.replace("_", "-"): value for name, value in vars(options).items() if name != "command"}
    flags = [f"--{name}" for name, value in given.items() if value is True]
    valued = [f"--{name}={value}" for name, value in given.items() if value is not None and not isinstance(value, bool)]
    return [options.command, *flags, *valued]


def _become(command: list[str]) -> int:
    os.chdir(ROOT)
    if os.name == "posix":
        # One process instead of two: signals and the exit code are the command's own.
        os.execv(command[0], command)  # noqa: S606
    child = subprocess.Popen(command)  # noqa: S603
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child has it too, and ends in its own time


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 604800:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 604800 (7 days)")
    return int(text)


def _from_here(text: str) -> Path:
    return Path(text).expanduser().resolve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

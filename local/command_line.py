"""The commands of dev.py and their options. The standard library only: it is read before any package is installed."""

import argparse
import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from shared import __version__

EXAMPLE = "python3 dev.py demo"
COMMANDS = ("demo", "start", "token", "env", "test", "screenshots", "pin", "bench")
ROLES = ("Point.Admin", "Point.Publish", "Point.Read", "Point.Subscribe", "Point.Provisioning")
"""The app's roles, which shared/ names where they are checked."""
APP_PORT = 7071
ENVIRONMENT_LINES = {
    "sh": 'eval "$(python3 dev.py env)"',
    "powershell": "python dev.py env | Out-String | Invoke-Expression",
}
"""What to type in each shell for the variables of `env`."""


def default_shell() -> str:
    return "powershell" if os.name == "nt" else "sh"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options. Ends the process with a sentence where they are wrong."""
    parser = command_line()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        hint = _did_you_mean(arguments[0], COMMANDS)
        parser.error(f"there is no command {arguments[0]!r}.{hint} `python3 dev.py --help` lists them.")
    options, unknown = parser.parse_known_args(arguments)
    if options.command is None:
        said = f"there is no option {unknown[0]} before a command" if unknown else "name a command"
        parser.error(f"{said}, for example: {EXAMPLE}. `python3 dev.py --help` lists them.")
    if unknown:
        hint = _did_you_mean(unknown[0].partition("=")[0], [f"--{name.replace('_', '-')}" for name in vars(options)])
        parser.error(
            f"`{options.command}` does not know {' '.join(unknown)}.{hint} "
            f"`python3 dev.py {options.command} --help` lists its options."
        )
    return options


def command_line() -> argparse.ArgumentParser:
    """The parser; an option that is not known stays with the caller."""
    parser = argparse.ArgumentParser(
        prog="dev.py",
        allow_abbrev=False,
        description="Runs Tenant Hooks on your own machine and checks it. The first run installs what is needed "
        "into .venv and node_modules; nothing else on the machine changes.",
        epilog="`python3 dev.py COMMAND --help` lists the options of one command.",
    )
    parser.add_argument("--version", action="version", version=f"Tenant Hooks {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser(
        "demo",
        help="show the whole thing at work, in under a minute, and end",
        description="Starts everything on free ports with empty storage, registers endpoints, publishes events, makes "
        "a team, scans sites, shares files, and shows each signed delivery verified, a retry, an exhausted delivery "
        "and its rescue.",
    )
    _add_start(commands)
    _add_token(commands)
    _add_env(commands)
    commands.add_parser(
        "test",
        usage="dev.py test [--quick | pytest arguments]",
        help="lint, types and tests; with pytest arguments, pytest alone with them",
        description="Runs ruff, mypy and pytest and stops at the first that fails. With --quick only "
        "the tests in tests/unit run, without simulations: less than a minute. With other arguments only pytest runs, "
        "with these arguments; paths are as seen from the project's root.",
    )
    commands.add_parser(
        "screenshots",
        help="every page of the console, light and dark, wide and narrow, in .local/screenshots",
        description="Starts everything on free ports with empty storage, fills it, and has a browser (Chromium, Chrome "
        "or Edge; CHROME names another) draw each page of the console.",
    )
    pin = commands.add_parser(
        "pin",
        help="write constraints.txt: every package behind requirements.txt, in exactly one version",
        description="Asks the package index which packages requirements.txt brings, on every Python that the app runs "
        "on, and writes them into constraints.txt. Needed after a change of requirements.txt. Versions stay where they "
        "still fit.",
    )
    pin.add_argument("--upgrade", action="store_true", help="take the newest version of each that fits")
    commands.add_parser(
        "bench",
        usage="dev.py bench [name ...] [--json FILE] [--plots DIR] [--quick]",
        help="measure throughput, latency, isolation, cost and more; takes half an hour",
        add_help=False,
    )
    return parser


def as_arguments(options: argparse.Namespace) -> list[str]:
    """The command line that gives `options` again, in any folder."""
    given = {name.replace("_", "-"): value for name, value in vars(options).items() if name != "command"}
    flags = [f"--{name}" for name, value in given.items() if value is True]
    valued = [f"--{name}={value}" for name, value in given.items() if value is not None and not isinstance(value, bool)]
    return [options.command, *flags, *valued]


def _add_start(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    start = commands.add_parser(
        "start",
        help="run the app and stay up until Ctrl+C",
        description="Starts Azurite (the storage emulator), a token issuer, a webhook receiver to point endpoints at, "
        "a stand-in for Microsoft 365, and the app in a function host. App settings come from local.settings.json, "
        "else from the sample; environment variables override them. With AzureWebJobsStorage in the environment no "
        "Azurite is started, and with GRAPH_BASE_URL and MANAGEMENT_BASE_URL no stand-in is used.",
    )
    start.add_argument(
        "--port",
        type=_port,
        default=APP_PORT,
        help="where the app listens; all other ports move with it (default %(default)s)",
    )
    start.add_argument(
        "--azurite-port",
        type=_port,
        metavar="P",
        help="Azurite's blob, queue and table services listen at P, P+1 and P+2 (default: 10000, and as far from there "
        f"as the app's port is from {APP_PORT})",
    )
    start.add_argument(
        "--receiver-port",
        type=_port,
        metavar="PORT",
        help="where the receiver listens (default: the app's port + 1000)",
    )
    start.add_argument(
        "--graph-port",
        type=_port,
        metavar="PORT",
        help="where the stand-in for Microsoft Graph listens (default: the app's port + 2000)",
    )
    place = start.add_mutually_exclusive_group()
    place.add_argument(
        "--data",
        type=_folder,
        metavar="DIR",
        help="the folder in which Azurite keeps its data (default .local/azurite; with another Azurite port, that is "
        "in the name too)",
    )
    place.add_argument("--in-memory", action="store_true", help="keep no data: every start begins empty")
    start.add_argument("--open", action="store_true", help="open the console in a browser, signed in as an admin")
    start.add_argument(
        "--verbose",
        action="store_true",
        help="show every line that the app and its host write; else deliveries, warnings and errors are shown, and all "
        "lines are kept in a file under .local",
    )
    start.add_argument(
        "--lease",
        type=_seconds,
        default=600,
        metavar="S",
        help="for tests: seconds a received queue message stays hidden (default %(default)s, as on Azure)",
    )


def _add_token(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    token = commands.add_parser(
        "token",
        help="print a bearer token for the app started here",
        description="Prints a token of the local issuer. Use it as: "
        'curl -H "Authorization: Bearer $(python3 dev.py token)" http://127.0.0.1:7071/v1.0/webhooks/types',
    )
    _add_token_options(token)


def _add_env(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    env = commands.add_parser(
        "env",
        help="print the addresses of what runs here, and a token, as variables of a shell",
        description="Prints assignments of app, receiver, graph, auth and json, for the app that was started last and "
        f"still runs. In sh, bash and zsh: {ENVIRONMENT_LINES['sh']} In PowerShell: {ENVIRONMENT_LINES['powershell']} "
        "(there auth is a table of headers).",
    )
    env.add_argument("--port", type=_port, help="of the app, where several run (default: the one started last)")
    env.add_argument(
        "--shell",
        choices=[*ENVIRONMENT_LINES],
        default=default_shell(),
        help="whose assignments to print (default here: %(default)s)",
    )
    _add_token_options(env)


def _add_token_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--roles",
        type=_roles,
        default=ROLES[0],
        metavar="A,B",
        help=f"its app roles: {', '.join(ROLES)} (default %(default)s); '' for a token without one",
    )
    parser.add_argument(
        "--expires-in", type=_lifetime, default=3600, metavar="S", help="seconds that it is valid (default %(default)s)"
    )


def _did_you_mean(text: str, known: Sequence[str]) -> str:
    """The nearest of those that are known as a question, with a space before it; empty where none is near."""
    meant = difflib.get_close_matches(text, known, 1)
    return f" Did you mean {meant[0]}?" if meant else ""


def _roles(text: str) -> str:
    """A token with a role that nobody knows would be refused like one without any, and tell nobody why."""
    given = [name.strip() for name in text.split(",") if name.strip()]
    for name in given:
        if name not in ROLES:
            hint = _did_you_mean(name, ROLES)
            raise argparse.ArgumentTypeError(f"{name!r} is no role of the app ({', '.join(ROLES)}).{hint}")
    return ",".join(given)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 604800:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 604800 (7 days)")
    return int(text)


def _lifetime(text: str) -> int:
    """Tests want tokens that have expired."""
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds, such as 3600")
    return int(text)


def _folder(text: str) -> Path:
    """As seen from where the person is."""
    path = Path(text).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file; give a folder, which is made if it is missing")
    return path

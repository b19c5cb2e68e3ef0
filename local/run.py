"""The commands that need packages: `start`, `demo`, `token` and `env`."""

import argparse
import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Coroutine
from pathlib import Path

from local import ROOT, STATE, addresses
from local.addresses import Addresses
from local.appsettings import read_values
from local.azurite import DEFAULT_PORT, default_folder
from local.command_line import APP_PORT, ENVIRONMENT_LINES, default_shell, parse
from local.demo import __main__ as demo
from local.issuer import read_key, sign_token
from local.keyfiles import issuer_key_file, require_issuer_key
from local.problem import Problem
from local.receiver import BEHAVIOURS
from local.stack import Plan, port_beside, running


def main() -> int:
    """Run the command; the value is the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # not every terminal has every character
    options = parse(sys.argv[1:])
    try:
        if options.command == "token":
            print(make_token(options.roles, options.expires_in))
            return 0
        if options.command == "env":
            token = make_token(options.roles, options.expires_in)
            print(addresses.assignments(addresses.find(STATE, options.port), token, options.shell))
            return 0
        if options.command == "demo":
            return asyncio.run(until_signalled(demo.show(ROOT), code_when_stopped=130))
        return asyncio.run(until_signalled(start(options), code_when_stopped=0))
    except Problem as problem:
        print(problem, file=sys.stderr, flush=True)
        return 1


def make_token(roles: str, expires_in_seconds: int) -> str:
    """A bearer token with the comma-separated `roles`."""
    require_issuer_key(STATE)
    named = [role.strip() for role in roles.split(",") if role.strip()]
    return sign_token(read_key(issuer_key_file(STATE)), named, expires_in_seconds)


async def start(options: argparse.Namespace) -> int:
    """Run everything and stay up until cancelled."""
    plan = make_plan(ROOT, options)
    async with running(
        plan, lambda received: say(received.line()), show_host=None if options.verbose else say
    ) as stack:
        say(f"Receiver: {stack.receiver_url} (answers as the path says: {', '.join(BEHAVIOURS)})")
        say(f"Microsoft Graph: {describe_graph(plan, stack.graph_url)}")
        say(f"Storage: {describe_storage(plan)}")
        if not options.verbose:
            say(f"The app's log: {os.path.relpath(plan.host_log, plan.root)} (here too with --verbose)")
        say("Token: python3 dev.py token")
        say("Variables for another shell: " + ENVIRONMENT_LINES[default_shell()])
        found = Addresses(stack.host.url, stack.receiver_url, stack.graph_url if plan.needs_graph else "")
        with addresses.told(plan.logs, found):
            say(f"Console: {stack.host.url}/console/ (every call of the API: {stack.host.url}/console/reference)")
            say(f"Ready: {stack.host.url}")
            if options.open:
                webbrowser.open(f"{stack.host.url}/console/?as=Point.Admin")
            await stack.keep_running(say)
    return 0


def make_plan(root: Path, options: argparse.Namespace) -> Plan:
    """What `start` with these options starts."""
    data = options.data and Path(options.data)
    azurite_port = options.azurite_port or DEFAULT_PORT + options.port - APP_PORT
    beside = {
        "--azurite-port": options.azurite_port,
        "--receiver-port": options.receiver_port,
        "--graph-port": options.graph_port,
    }
    return Plan(
        root=root,
        port=options.port,
        azurite_port=azurite_port,
        receiver_port=options.receiver_port or port_beside(options.port, 1000),
        graph_port=options.graph_port or port_beside(options.port, 2000),
        beside={option: port for option, port in beside.items() if port},
        values=read_values(root),
        data=None if options.in_memory else data or default_folder(root / ".local", azurite_port),
        lease_seconds=options.lease,
    )


def describe_graph(plan: Plan, url: str) -> str:
    return (
        f"a stand-in at {url} (open it to read how to change its sites, and how to share)"
        if plan.needs_graph
        else "as the settings say"
    )


def describe_storage(plan: Plan) -> str:
    if not plan.needs_azurite:
        return "the account that the settings name"
    kept = "in memory" if plan.data is None else f"in {os.path.relpath(plan.data, plan.root)}"
    log = os.path.relpath(plan.logs / "azurite.log", plan.root)
    return f"Azurite on ports {plan.azurite_port} to {plan.azurite_port + 2}, kept {kept}, logging to {log}"


async def until_signalled(work: Coroutine[None, None, int], *, code_when_stopped: int) -> int:
    """Do `work` and return its exit code. A signal cancels it, so that it stops what it started; a second ends all."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked:
            os._exit(130)  # the children notice, and end too
        asked = True
        task.cancel()
        say("Stopping: what is in flight is finished first. Once more stops at once.")

    # Not the loop's own handlers, which Windows lacks. SIGHUP comes when the terminal is closed.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        # A process started with nohup ignores SIGHUP, and is to go on doing so.
        if hasattr(signal, name) and (name != "SIGHUP" or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN):
            signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(ask))
    try:
        return await task
    except asyncio.CancelledError:
        return code_when_stopped
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: what comes now would only show a traceback


def say(text: str) -> None:
    """Print `text` now. When nobody reads any more (as with `| head`), go on without telling."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

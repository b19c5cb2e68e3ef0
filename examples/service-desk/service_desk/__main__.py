"""python -m service_desk {servicenow,jira} {approve TICKET,serve,problems}"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from service_desk.desk import Desk, DeskFault, Rest
from service_desk.hooks import Hooks, RequestFault, Token, entra_token
from service_desk.inbox import Inbox
from service_desk.jira import Jira
from service_desk.receiving import Receiver
from service_desk.round_trip import approve, noting
from service_desk.servicenow import ServiceNow

DESKS: dict[str, type[ServiceNow] | type[Jira]] = {"servicenow": ServiceNow, "jira": Jira}


def main() -> int:
    arguments = _command_line().parse_args()
    inbox_file = Path(os.environ.get("INBOX_FILE", f"{arguments.desk}-inbox.sqlite"))
    try:
        match arguments.command:
            case "approve":
                request_id = approve(_desk(arguments.desk), _hooks(), arguments.ticket, arguments.round)
                print(f"{arguments.ticket}: request {request_id} is accepted")
            case "serve":
                _serve(arguments.desk, inbox_file, arguments.host, arguments.port)
            case "problems":
                for line in Inbox(inbox_file).lines("unmatched", "refused", "given up"):
                    print(f"{line.state}  {line.key}  {line.detail}")
    except (DeskFault, RequestFault, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyError as missing:
        print(f"The environment variable {missing.args[0]} is not set; README.md lists them.", file=sys.stderr)
        return 1
    return 0


def _serve(desk: str, inbox_file: Path, host: str, port: int) -> None:
    secret = os.environ["TENANT_HOOKS_SECRET"]
    receiver = Receiver(secret, Inbox(inbox_file), noting(_desk(desk)), host=host, port=port)
    for name in (signal.SIGINT, signal.SIGTERM):
        # In a thread of its own: it waits for the loop that the signal has interrupted.
        signal.signal(name, lambda *_: threading.Thread(target=receiver.stop).start())
    print(f"Listening on {receiver.url}", flush=True)
    receiver.run()


def _desk(name: str) -> Desk:
    upper = name.upper()
    user, password = os.environ[f"{upper}_USER"], os.environ[f"{upper}_PASSWORD"]
    return DESKS[name](Rest(os.environ[f"{upper}_URL"], user, password))


def _hooks() -> Hooks:
    return Hooks(os.environ["TENANT_HOOKS_URL"], _token(), os.environ["TENANT_HOOKS_TEMPLATE"])


def _token() -> Token:
    """A token as it is, from `dev.py token`, or those of an Entra application."""
    given = os.environ.get("TENANT_HOOKS_TOKEN")
    if given:
        return lambda: given
    names = ("ENTRA_TENANT_ID", "ENTRA_CLIENT_ID", "ENTRA_CLIENT_SECRET", "TENANT_HOOKS_AUDIENCE")
    return entra_token(*(os.environ[name] for name in names))


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service_desk", description=__doc__)
    parser.add_argument("desk", choices=DESKS)
    commands = parser.add_subparsers(dest="command", required=True)
    approving = commands.add_parser("approve", help="ask for the workspace of an approved ticket")
    approving.add_argument("ticket", help="INC0010001, OPS-17")
    approving.add_argument("--round", type=int, default=1, help="one higher for each go after a failure (default 1)")
    serving = commands.add_parser("serve", help="receive what came of it, and write it on the tickets")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8090)
    commands.add_parser("problems", help="list the events that reached no ticket")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The two halves of the way: out on approval, and back to the ticket."""

from collections.abc import Callable
from typing import Any

from service_desk.correlation import Correlation, correlation_of
from service_desk.desk import Desk, DeskFault, Outcome
from service_desk.hooks import Hooks

TYPES = ("ProvisioningStarted", "ProvisioningCompleted", "ProvisioningFailed")


def approve(desk: Desk, hooks: Hooks, ticket: str, number: int = 1) -> str:
    """Ask for the ticket's workspace; the id of the request.

    Harmless to repeat. For another go after a failure the `number` is one higher. Raises DeskFault and RequestFault.
    """
    correlation = Correlation(desk.name, ticket, number)
    if Correlation.parse(str(correlation)) is None:
        raise DeskFault(Outcome("refused", f"{ticket!r} is no ticket's number"))
    request = desk.approved_request(ticket)
    desk.mark(correlation)  # first, so that no answer can come before its ticket is known
    return hooks.ask_for(correlation, request)


def noting(desk: Desk) -> Callable[[str, dict[str, Any]], Outcome]:
    """The work of a receiver: each provisioning event goes to its ticket."""

    def note(_key: str, event: dict[str, Any]) -> Outcome:
        if not isinstance(event.get("content"), dict) or "idempotencyKey" not in event.get("meta", {}):
            return Outcome("refused", "register the endpoint with the wire format point")
        correlation = correlation_of(event)
        if event.get("type") not in TYPES or correlation is None or correlation.desk != desk.name:
            return Outcome("ignored", "not about a ticket of this desk")
        try:
            return desk.note(correlation, event)
        except DeskFault as fault:
            return fault.outcome

    return note

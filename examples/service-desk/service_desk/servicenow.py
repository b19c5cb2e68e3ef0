"""ServiceNow: an incident, found by its `correlation_id`, gets work notes and is resolved (Table API)."""

import re
from typing import Any

from service_desk.correlation import Correlation
from service_desk.desk import DeskFault, Outcome, Request, Rest, mark_of, text_of

TABLE = "/api/now/table/incident"
IN_PROGRESS, RESOLVED, CLOSED, CANCELED = "2", "6", "7", "8"
"""Values of `state` in a new instance's incidents. Request items (`sc_req_item`) have others."""
CLOSE_CODE = "Solution provided"
KIND = "teams"
"""What this request asks for. A catalogue item would have a variable for it."""


class ServiceNow:
    name = "servicenow"

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def approved_request(self, ticket: str) -> Request:
        incident = self._find("number", ticket)
        if incident is None:
            raise DeskFault(Outcome("unmatched", f"there is no incident {ticket}"))
        if _value(incident, "approval") != "approved":
            raise DeskFault(Outcome("refused", f"{ticket} is not approved: {_value(incident, 'approval')}"))
        owner = _value(incident, "caller_id.email")
        if not owner:
            raise DeskFault(Outcome("refused", f"{ticket}: its caller has no mail address, and nobody can own it"))
        return Request(name=_value(incident, "short_description"), kind=KIND, owner=owner)

    def mark(self, correlation: Correlation) -> None:
        incident = self._find("number", correlation.ticket)
        if incident is None:
            raise DeskFault(Outcome("unmatched", f"there is no incident {correlation.ticket}"))
        self._patch(incident, {"correlation_id": str(correlation), "correlation_display": "Tenant Hooks"})

    def note(self, correlation: Correlation, event: dict[str, Any]) -> Outcome:
        incident = self._find("correlation_id", str(correlation))
        if incident is None:
            return Outcome("unmatched", f"no incident has the correlation id {correlation}")
        key = event["meta"]["idempotencyKey"]
        if mark_of(key) in incident["work_notes"]["display_value"]:
            return Outcome("known", f"{correlation.ticket} has it already")
        text = _plain(text_of(event, key))
        # One request for note and state: either both are there afterwards or neither.
        self._patch(incident, {"work_notes": text, **_change(event["type"], _value(incident, "state"), text)})
        return Outcome("noted", f"{correlation.ticket}: {event['type']}")

    def _find(self, field: str, value: str) -> dict[str, Any] | None:
        query = {
            "sysparm_query": f"{field}={value}",
            "sysparm_fields": "sys_id,number,state,approval,short_description,caller_id.email,correlation_id,"
            "work_notes",
            "sysparm_display_value": "all",  # journals such as work_notes have their text in display_value alone
            "sysparm_limit": "2",
        }
        answer = self._rest.find(TABLE, query) or {"result": []}  # older releases answer 404 when nothing fits
        # Where a query cannot be read, every record there is may be the answer.
        fitting = [each for each in answer["result"] if _value(each, field) == value]
        if len(fitting) > 1:
            raise DeskFault(Outcome("refused", f"several incidents have the {field} {value}"))
        return fitting[0] if fitting else None

    def _patch(self, incident: dict[str, Any], change: dict[str, str]) -> None:
        self._rest.call("PATCH", f"{TABLE}/{_value(incident, 'sys_id')}", change)


def _change(event_type: str, state: str, text: str) -> dict[str, str]:
    """What the event does to the incident's state. Events come in any order: what has ended stays so."""
    if state in (RESOLVED, CLOSED, CANCELED):
        return {}
    if event_type == "ProvisioningCompleted":
        return {"state": RESOLVED, "close_code": CLOSE_CODE, "close_notes": text}
    return {"state": IN_PROGRESS}


def _value(record: dict[str, Any], field: str) -> str:
    return str(record[field]["value"])


def _plain(text: str) -> str:
    """Journals show what stands in `[code]` as HTML."""
    return re.sub(r"\[(?=/?code)", "(", text, flags=re.IGNORECASE)

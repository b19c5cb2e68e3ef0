"""Stands in for a ServiceNow instance: incidents of the Table API, as far as this example uses it."""

import secrets
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from standins.desk_server import DeskServer

ERRORS = {
    400: ("Invalid query", "The query could not be read"),
    401: ("User Not Authenticated", "Required to provide Auth information"),
    403: ("Operation Failed", "Data Policy Exception: close_code and close_notes are mandatory"),
    404: ("No Record found", "Record doesn't exist or ACL restricts the record retrieval"),
    429: ("Rate limit exceeded", "The request was rejected because the rate limit was exceeded"),
}


class ServiceNowServer(DeskServer):
    def __init__(self) -> None:
        super().__init__()
        self.incidents: dict[str, dict[str, str]] = {}
        """By `sys_id`; `work_notes` is the journal's text."""

    def file(
        self, number: str, short_description: str, approval: str = "approved", email: str = "mia@contoso.example"
    ) -> dict[str, str]:
        """A new incident."""
        sys_id = secrets.token_hex(16)
        self.incidents[sys_id] = {
            "sys_id": sys_id,
            "number": number,
            "short_description": short_description,
            "approval": approval,
            "state": "1",
            "caller_id": secrets.token_hex(16),
            "caller_id.email": email,  # what the Table API shows of the record that it names
            "sys_created_on": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            "correlation_id": "",
            "correlation_display": "",
            "close_code": "",
            "close_notes": "",
            "work_notes": "",
        }
        return self.incidents[sys_id]

    def make(self) -> web.Application:
        path = "/api/now/table/incident"
        return self.application([web.get(path, self._list), web.patch(path + "/{sys_id}", self._patch)])

    def error(self, status: int) -> Any:
        message, detail = ERRORS.get(status, ("Transaction cancelled", f"status {status}"))
        return {"error": {"message": message, "detail": detail}, "status": "failure"}

    async def _list(self, request: web.Request) -> web.Response:
        conditions = [part.partition("=") for part in request.query.get("sysparm_query", "").split("^")]
        # A condition on a field that does not exist is passed over, and so finds everything.
        found = [
            incident
            for incident in self.incidents.values()
            if all(incident.get(name, value) == value for name, _, value in conditions)
        ]
        fields = request.query["sysparm_fields"].split(",")
        limit = int(request.query.get("sysparm_limit", "10000"))
        return web.json_response({"result": [_shown(each, fields) for each in found[:limit]]})

    async def _patch(self, request: web.Request) -> web.Response:
        incident = self.incidents.get(request.match_info["sys_id"])
        if incident is None:
            raise web.HTTPNotFound
        change = await request.json()
        after = incident | change
        if after["state"] == "6" and not (after["close_code"] and after["close_notes"]):
            return web.json_response(self.error(403), status=403)
        note = change.pop("work_notes", "")
        if note:
            head = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} - {self.user} (Work notes)"
            incident["work_notes"] = f"{head}\n{note}\n\n{incident['work_notes']}"
        incident.update(change)
        return web.json_response({"result": {**incident, "work_notes": ""}})


def _shown(incident: dict[str, str], fields: list[str]) -> dict[str, dict[str, str]]:
    """With `sysparm_display_value=all`; a journal has no value of its own."""
    return {
        name: {"display_value": incident[name], "value": "" if name == "work_notes" else incident[name]}
        for name in fields
    }

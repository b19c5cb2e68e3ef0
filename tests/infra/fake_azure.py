"""Stands in for `az` and `azd`: answers the calls of infra/scripts from a state, as the real ones would.

It knows the calls that the scripts make and the rules of Microsoft Graph that they could break (roles that vanish,
scopes that do not exist yet, a second grant); anything else fails. PowerShell scripts ask Graph without `az rest`: see
fake_services.py. The commands on the PATH are a few lines of bash that pass their arguments to this process.
"""

import contextlib
import json
import socketserver
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jmespath

Entity = dict[str, Any]


class Refused(Exception):
    """What az writes to stderr, without its "ERROR: "."""


class Page(Exception):
    """An answer of status 200 that is no JSON: `az rest` prints it whatever --query says."""


def graph_error(status: str, code: str, message: str) -> Refused:
    inner = {"date": "2026-11-22T10:00:00", "request-id": "3b735b14-de6f-4cf8-adc6-da7eaccbdc31"}
    return Refused(f"{status}({json.dumps({'error': {'code': code, 'message': message, 'innerError': inner}})})")


def not_found(what: str) -> Refused:
    return graph_error("Not Found", "Request_ResourceNotFound", f"Resource '{what}' does not exist")


def invalid(message: str) -> Refused:
    return graph_error("Bad Request", "Request_BadRequest", message)


def options(arguments: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words before the first option, and the options with their values."""
    words: list[str] = []
    found: dict[str, list[str]] = {}
    into = words
    for argument in arguments:
        if argument.startswith("--"):
            into = found.setdefault(argument, [])
        else:
            into.append(argument)
    return words, found


def refuse(state: Entity, arguments: list[str]) -> None:
    """Raises what the test wants this call to end with: an `error`, or the `page` of something in between."""
    for refusal in state["refusals"]:
        if refusal["call"] in " ".join(arguments) and refusal["times"] > 0:
            refusal["times"] -= 1
            raise Page(refusal["page"]) if "page" in refusal else Refused(refusal["error"])


def token_for(resource: str) -> str:
    return f"token for {resource.rstrip('/')}"


def az(state: Entity, arguments: list[str]) -> Any:
    words, given = options(arguments)
    one = {name: values[0] for name, values in given.items() if values}
    refuse(state, arguments)
    if not state["signedIn"]:
        raise Refused("Please run 'az login' to setup account.")
    match words:
        case ["account", "show"]:
            subscription = one.get("--subscription", state["subscription"])
            if subscription not in state["subscriptions"]:
                raise Refused(f"Subscription '{subscription}' not found. Check the spelling and casing and try again.")
            who = {"name": state["users"][0]["userPrincipalName"], "type": state["signedInAs"]}
            return {"id": subscription, "tenantId": state["subscriptions"][subscription], "user": who}
        case ["cloud", "show"]:
            endpoints = {"microsoftGraphResourceId": state["graph"] + "/", "resourceManager": state["manager"] + "/"}
            return {"name": "AzureCloud", "endpoints": endpoints}
        case ["account", "get-access-token"]:
            return {"accessToken": token_for(one["--resource"]), "tokenType": "Bearer"}
        case ["keyvault", "list"]:
            return state["vaults"]
        case ["keyvault", "list-deleted"]:
            return state["deletedVaults"]
        case ["resource", "show"]:
            if one["--ids"] not in state["resources"]:
                raise Refused("(ResourceNotFound) The Resource was not found.")
            return state["resources"][one["--ids"]]
        case ["rest"]:
            return rest(state, one, given.get("--url-parameters", []))
    raise Refused(f"the fake az does not know: {' '.join(arguments)}")


def rest(state: Entity, one: dict[str, str], parameters: list[str]) -> Any:
    method, url = one["--method"], unquote(one["--url"])
    if url.startswith("/subscriptions/"):
        return secret(state, url.split("?")[0])
    base = state["graph"] + "/v1.0/"
    if not url.startswith(base) or one["--resource"] != state["graph"]:
        raise Refused(f"no such cloud: {url}")
    path = url.removeprefix(base).split("?")[0]
    body = json.loads(Path(one["--body"].removeprefix("@")).read_text()) if "--body" in one else {}
    return graph(state, method, path, body, dict(parameter.split("=", 1) for parameter in parameters))


def graph(state: Entity, method: str, path: str, body: Entity, parameters: dict[str, str]) -> Any:
    """What Microsoft Graph answers; service principals with the app roles of what they stand for."""
    answer = _graph(state, method, path, body, parameters)
    if isinstance(answer, dict) and "appId" in answer and "appRoles" not in answer:
        return answer | {"appRoles": roles_of(state, answer)}
    return answer


def secret(state: Entity, path: str) -> Entity:
    """As Resource Manager tells of it, without its value."""
    if path not in state["secrets"]:
        raise graph_error("Not Found", "SecretNotFound", "A secret was not found")
    return {"id": path, "properties": {}}


def _graph(state: Entity, method: str, path: str, body: Entity, parameters: dict[str, str]) -> Any:
    match method, path.split("/"):
        case "get", ["me"]:
            if state["signedInAs"] != "user":
                raise invalid("/me request is only valid with delegated authentication flow.")
            return state["users"][0]
        case "get", ["applications", key, ("owners" | "federatedIdentityCredentials") as part]:
            return {"value": [{"id": each} for each in only(state["applications"], key, "id")[part]]}
        case "get", ["users", name]:
            return only(state["users"], name, "userPrincipalName", "id")
        case "get", ["directoryObjects", name]:
            return only(state["users"] + state["groups"] + state["servicePrincipals"], name, "id")
        case "get", ["applications"]:
            name = parameters["$filter"].removeprefix("displayName eq ").strip("'")
            return {"value": [each for each in state["applications"] if each["displayName"] == name]}
        case "get", [("applications" | "servicePrincipals") as kind, key] if "(" not in kind and "(" not in key:
            return only(state[kind], key, "id")
        case "get", [key] if "(appId='" in key:
            collection, _, app_id = key.removesuffix("')").partition("(appId='")
            return only(state[collection], app_id, "appId")
        case "post", ["applications"]:
            return create_application(state, body)
        case "patch", ["applications", key]:
            return change_application(only(state["applications"], key, "id"), body)
        case "post", ["servicePrincipals"]:
            if not any(each["appId"] == body["appId"] for each in state["applications"]):
                raise invalid(f"The appId '{body['appId']}' does not reference a valid application object.")
            made: Entity = {"id": str(uuid.uuid4()), "appId": body["appId"]}
            state["servicePrincipals"].append(made)
            return made
        case "post", ["servicePrincipals", resource, "appRoleAssignedTo"]:
            return assign(state, resource, body)
    raise invalid(f"the fake Graph does not know: {method} {path}")


def only(entities: list[Entity], key: str, *names: str) -> Entity:
    for entity in entities:
        if any(entity.get(name) == key for name in names):
            return entity
    raise not_found(key)


def create_application(state: Entity, body: Entity) -> Entity:
    made: Entity = {"id": str(uuid.uuid4()), "appId": str(uuid.uuid4()), "identifierUris": [], "appRoles": []} | {
        "spa": {"redirectUris": []}
    }
    api: Entity = {"requestedAccessTokenVersion": None, "oauth2PermissionScopes": [], "preAuthorizedApplications": []}
    entity = made | {"displayName": body["displayName"], "signInAudience": body["signInAudience"], "api": api}
    entity |= {"passwordCredentials": [], "keyCredentials": [], "federatedIdentityCredentials": []}
    entity["owners"] = [state["users"][0]["id"]] if state["signedInAs"] == "user" else []
    change_application(entity, body)
    state["applications"].append(entity)
    return entity


def change_application(application: Entity, body: Entity) -> None:
    if "appRoles" in body:
        keep_enabled(application["appRoles"], body["appRoles"])
        application["appRoles"] = body["appRoles"]
    api = body.get("api", {})
    scopes = {scope["id"] for scope in application["api"]["oauth2PermissionScopes"]}
    for client in api.get("preAuthorizedApplications", []):
        if not set(client["delegatedPermissionIds"]) <= scopes:
            raise invalid("Property PreAuthorizedApplication references permissions that cannot be found.")
    if "oauth2PermissionScopes" in api:
        keep_enabled(application["api"]["oauth2PermissionScopes"], api["oauth2PermissionScopes"])
    application["api"] |= api
    application["spa"] |= body.get("spa", {})
    for uri in body.get("identifierUris", []):
        if uri == f"api://{application['appId']}" or uri in application["identifierUris"]:
            continue
        raise invalid("Values of identifierUris property must use a verified domain of the organization.")
    application["identifierUris"] = body.get("identifierUris", application["identifierUris"])


def keep_enabled(before: list[Entity], after: list[Entity]) -> None:
    for names in ([each["value"] for each in after], [each["id"] for each in after]):
        if len(set(names)) != len(names):
            raise invalid("Permission values must be unique.")
    kept = {(each["id"], each["value"]) for each in after}
    for each in before:
        if each["isEnabled"] and (each["id"], each["value"]) not in kept:
            message = "Permission (scope or role) cannot be deleted or updated unless disabled first."
            raise graph_error("Bad Request", "CannotDeleteOrUpdateEnabledEntitlement", message)


def assign(state: Entity, resource: str, body: Entity) -> Entity:
    principal = only(state["users"] + state["groups"] + state["servicePrincipals"], body["principalId"], "id")
    target = only(state["servicePrincipals"], resource, "id")
    if target["id"] != body["resourceId"] or all(role["id"] != body["appRoleId"] for role in roles_of(state, target)):
        raise invalid("Permission being assigned was not found on application")
    assignment = {"principalId": principal["id"], "resourceId": resource, "appRoleId": body["appRoleId"]}
    if assignment in state["assignments"]:
        raise invalid("Permission being assigned already exists on the object")
    state["assignments"].append(assignment)
    return assignment


def roles_of(state: Entity, principal: Entity) -> list[Entity]:
    """Those of the application that a service principal stands for; Microsoft Graph's are in the state."""
    for application in state["applications"]:
        if application["appId"] == principal["appId"]:
            return list(application["appRoles"])
    return list(principal.get("appRoles", []))


def azd(state: Entity, arguments: list[str]) -> str:
    words, given = options(arguments)
    values = state["environments"].get(given.get("--environment", [state["selected"]])[0])
    match words:
        case ["env", "get-value", name] if values is not None and name in values:
            return str(values[name])
        case ["env", "set", name, value] if values is not None:
            values[name] = value
            return ""
        case ["env", "set"] if values is not None:
            for line in Path(given["--file"][0]).read_text().splitlines():
                name, _, value = line.partition("=")
                values[name] = value.strip('"')
            return ""
    raise Refused("key not found in environment values")


def tab_separated(value: Any) -> str:
    """As `--output tsv`: a line for each item of a list, a tab between the parts of an item."""
    rows = value if isinstance(value, list) else [value]
    return "\n".join("\t".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows if row is not None)


def run(state: Entity, tool: str, arguments: list[str]) -> tuple[int, str]:
    """The exit code, and what goes to stdout (where it is 0) or stderr."""
    state["calls"].append([tool, *arguments])
    _, given = options(arguments)
    try:
        if tool == "azd":
            return 0, azd(state, arguments)
        answer = az(state, arguments)
    except Refused as refused:
        return 1, f"ERROR: {refused}"
    except Page as page:
        return 0, str(page)
    if "--query" in given:
        answer = jmespath.search(given["--query"][0], answer)
    match given.get("--output", ["json"]):
        case ["tsv"]:
            return 0, tab_separated(answer)
        case ["json"]:
            return 0, json.dumps(answer, indent=2)
    return 0, ""


COMMAND = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\0' {tool} "$@" $'\\n' >&3
read -r code <&3
if [ "$code" = 0 ]; then cat <&3; else cat <&3 >&2; fi
exit "$code"
"""


@contextlib.contextmanager
def commands(state: Entity, folder: Path) -> Iterator[None]:
    """While this lasts, `az` and `azd` in `folder` answer from `state`."""

    class Call(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            words = b""
            while not words.endswith(b"\0\n\0"):
                words += self.rfile.read1()
            tool, *arguments = words.removesuffix(b"\0\n\0").decode().split("\0")
            code, text = run(state, tool, arguments)
            self.wfile.write(f"{code}\n{text}\n".encode() if text else f"{code}\n".encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Call) as server:
        for tool in ("az", "azd"):
            (folder / tool).write_text(COMMAND.format(port=server.server_address[1], tool=tool))
            (folder / tool).chmod(0o755)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()

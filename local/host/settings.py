"""What the host reads: host.json, its overrides in the environment, %NAME% and connections."""

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

INT_MAX = 2**31 - 1
BODY_LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
OVERRIDE_PREFIX = "AzureFunctionsJobHost__"
TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d(?:\.\d+)?)")


class StartupError(Exception):
    """Something only the user can correct; its text says what to change."""


@dataclass(frozen=True)
class QueueOptions:
    """host.json `extensions.queues`."""

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: timedelta
    max_polling_interval: timedelta
    base64: bool


@dataclass(frozen=True)
class HostOptions:
    """The part of host.json that this host obeys."""

    queues: QueueOptions
    route_prefix: str
    function_timeout: timedelta | None
    log_level: str


def read_options(folder: Path, environment: Mapping[str, str]) -> HostOptions:
    """Read host.json of `folder`, overridden by `AzureFunctionsJobHost__a__b` settings.

    Raises StartupError for a file or a value that the real host would refuse.
    """
    path = folder / "host.json"
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StartupError(
            f"There is no host.json in {folder}. Start the host in the folder that holds host.json and function_app.py."
        ) from None
    except ValueError as error:
        raise StartupError(f"host.json is not valid JSON: {error}. Correct {path}.") from None
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise StartupError('host.json must be a JSON object with "version": "2.0".')
    override(document, environment)
    return HostOptions(
        queues=read_queue_options(document),
        route_prefix=str(lookup(document, "extensions.http.routePrefix", "api")).strip("/"),
        function_timeout=read_function_timeout(document),
        log_level=str(lookup(document, "logging.logLevel.default", "Information")),
    )


def override(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Lay settings such as `AzureFunctionsJobHost__extensions__queues__batchSize=4` over host.json."""
    for name, value in environment.items():
        # Windows gives every variable name in upper case.
        if not name.lower().startswith(OVERRIDE_PREFIX.lower()):
            continue
        *parents, last = name[len(OVERRIDE_PREFIX) :].split("__")
        node = document
        for part in parents:
            child = node.setdefault(spelling(node, part), {})
            if not isinstance(child, dict):
                raise StartupError(f"{name} does not fit host.json: {part} is no object there. Correct the setting.")
            node = child
        node[spelling(node, last)] = value


def spelling(node: dict[str, Any], name: str) -> str:
    """The key of `node` that equals `name` but for case, else `name`."""
    return next((key for key in node if key.lower() == name.lower()), name)


def lookup(document: dict[str, Any], path: str, default: Any) -> Any:
    node: Any = document
    for part in path.split("."):
        if not isinstance(node, dict) or spelling(node, part) not in node:
            return default
        node = node[spelling(node, part)]
    return node


def read_queue_options(document: dict[str, Any]) -> QueueOptions:
    section = "extensions.queues."
    batch_size = read_int(document, section + "batchSize", 16, 1, 32)
    encoding = str(lookup(document, section + "messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise StartupError(f"host.json: extensions.queues.messageEncoding must be base64 or none, not {encoding!r}.")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=read_int(
            document, section + "newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1), 0, INT_MAX
        ),
        max_dequeue_count=read_int(document, section + "maxDequeueCount", 5, 1, INT_MAX),
        visibility_timeout=read_timespan(document, section + "visibilityTimeout", "00:00:00"),
        max_polling_interval=read_polling_interval(document, section + "maxPollingInterval"),
        base64=encoding == "base64",
    )


def read_int(document: dict[str, Any], path: str, default: int, low: int, high: int) -> int:
    value = lookup(document, path, default)
    try:
        number = int(str(value))
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise StartupError(f"host.json: {path} must be a whole number from {low} to {high}, not {value!r}.")
    return number


def read_polling_interval(document: dict[str, Any], path: str) -> timedelta:
    interval = read_timespan(document, path, "00:01:00")
    if interval < timedelta(milliseconds=100):
        raise StartupError(
            f"host.json: {path} must be at least 100 ms (00:00:00.1), not {lookup(document, path, '')!r}."
        )
    return interval


def read_timespan(document: dict[str, Any], path: str, default: str) -> timedelta:
    text = str(lookup(document, path, default))
    match = TIMESPAN.fullmatch(text)
    if not match or int(match[2]) > 23:
        raise StartupError(f'host.json: {path} must be a time span "hours:minutes:seconds", not {text!r}.')
    days, hours, minutes, seconds = match.groups()
    return timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def read_function_timeout(document: dict[str, Any]) -> timedelta | None:
    """None when functions may run for ever."""
    if str(lookup(document, "functionTimeout", "")) == "-1":
        return None
    return read_timespan(document, "functionTimeout", "00:30:00")


def resolve(text: str, environment: Mapping[str, str], where: str) -> str:
    """Replace each %NAME% by the setting NAME."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        found = environment.get(name, environment.get(name.replace(":", "__")))
        if found is None:
            raise StartupError(f"{where} uses %{name}%, but there is no setting {name}. Add it to the app settings.")
        return found

    return re.sub(r"%([^%\s]+)%", value, text)


def connection_string(name: str, environment: Mapping[str, str]) -> str:
    """The connection string of a trigger's `connection`."""
    value = environment.get(f"AzureWebJobs{name}") or environment.get(name)
    if value:
        return value
    if any(key.startswith(f"{name}__") for key in environment):
        raise StartupError(
            f"{name} is given by its parts ({name}__…), as for a managed identity; this local host takes only a "
            f"connection string. Set {name}."
        )
    raise StartupError(f"The setting {name} is missing. Set it to the connection string of an account or of Azurite.")


def body_limit_bytes(environment: Mapping[str, str]) -> int:
    """The most bytes that a request's body may have: 100 MiB, unless the setting says else, as on Azure."""
    text = environment.get(BODY_LIMIT, "") or str(100 * 2**20)
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= INT_MAX:
        raise StartupError(f"{BODY_LIMIT} must be a whole number of bytes from 1 on, not {text!r}.")
    return int(text)


def has_home_page(environment: Mapping[str, str]) -> bool:
    return environment.get("AzureWebJobsDisableHomepage", "").lower() not in ("true", "1")


def host_id(folder: Path, environment: Mapping[str, str]) -> str:
    """The name under which hosts of one app share timers: one clone on one machine is one app."""
    given = environment.get("AzureFunctionsWebHost__hostid")
    if given:
        return given
    machine = re.sub(r"[^a-z0-9]+", "-", platform.node().lower()).strip("-")[:20] or "local"
    return f"{machine}-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]}"

"""App settings as they are written: the values that texts stand for, and the texts again."""

import base64
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from shared.model.thresholds import Threshold, read_thresholds


def _split(value: Any) -> Any:
    """A comma-separated setting as the list it stands for."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _delays(value: Any) -> Any:
    parts = _split(value)
    if not all(isinstance(part, str) and re.fullmatch(r"\d{1,7}(\.\d{1,3})?", part) for part in parts):
        raise ValueError("give seconds separated by commas, for example 30,120,600")
    return [timedelta(seconds=float(part)) for part in parts]


def _thresholds(value: Any) -> Any:
    return read_thresholds(value) if isinstance(value, str) else value


def _ports(value: Any) -> Any:
    """`443,8000-8099` as ranges."""
    if not isinstance(value, str):
        return value
    ranges = [re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part) for part in _split(value)]
    found = [(int(each[1]), int(each[2] or each[1])) for each in ranges if each]
    if len(found) < len(ranges) or not all(1 <= first <= last <= 65535 for first, last in found):
        raise ValueError("give ports from 1 to 65535 and ranges of them, such as 443,8000-8099")
    return found


def _seconds(value: Any) -> Any:
    return _delays(value)[0] if isinstance(value, str) and "," not in value else value


def _whole(unit: timedelta, name: str) -> BeforeValidator:
    """A whole number of a unit, as a duration."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"[0-9]{1,6}", value.strip()):
            raise ValueError(f"give a whole number of {name}")
        return int(value) * unit

    return BeforeValidator(read)


def _connection(text: str) -> str:
    if text and text.lower() != "usedevelopmentstorage=true":
        parts = [part.partition("=") for part in text.removesuffix(";").split(";")]
        named = {name.lower(): value for name, _, value in parts if value}
        account = "accountname" in named or {"tableendpoint", "queueendpoint"} <= named.keys()
        bare = re.fullmatch(r"[^\s\"']+", text) and len(named) == len(parts)
        if not bare or not account or not {"accountkey", "sharedaccesssignature"} & named.keys():
            raise ValueError(
                "is no connection string: copy the one of the storage account (Access keys) as it is, such as "
                "DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net"
            )
        try:
            base64.b64decode(named.get("accountkey", ""), validate=True)
        except ValueError:
            raise ValueError("its AccountKey is not complete: copy the connection string again") from None
    return text


def _function_names(environment: Any) -> Any:
    """Of the settings, those that the Functions host takes for true: anything else leaves the function on."""
    names = ((DISABLED.fullmatch(name), value) for name, value in environment.items())
    return {match[1] for match, value in names if match and value.strip().lower() in ("true", "1")}


DISABLED = re.compile(r"AzureWebJobs[._](\w+)[._]Disabled", re.IGNORECASE)
"""The setting that disables a function, as it is written, and as a process on Linux has it, where App Service puts an
underscore for each period (learn.microsoft.com, "Environment variables and app settings in Azure App Service")."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNITS = {"SECONDS": timedelta(seconds=1), "HOURS": HOUR, "DAYS": DAY}
Seconds = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(seconds=1), le=DAY)]
Hours = Annotated[timedelta, _whole(HOUR, "hours")]
Days = Annotated[timedelta, _whole(DAY, "days")]
Delays = Annotated[tuple[timedelta, ...], BeforeValidator(_delays)]
StorageThresholds = Annotated[tuple[Threshold, ...], BeforeValidator(_thresholds)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Ports = Annotated[tuple[tuple[int, int], ...], BeforeValidator(_ports)]
"""First and last of each range."""
ConnectionString = Annotated[str, AfterValidator(_connection)]
FunctionNames = Annotated[frozenset[str], BeforeValidator(_function_names)]


def shown(name: str, value: Any) -> Any:
    """The value of a setting as people write it: durations in the unit that the setting is named for, else in seconds;
    addresses without a query."""
    match value:
        case timedelta():
            return f"{value / UNITS.get(name.rpartition('_')[2], UNITS['SECONDS']):g}"
        case Threshold():
            return f"{value.written}:{value.severity}"
        case (int(first), int(last)):
            return str(first) if first == last else f"{first}-{last}"
        case tuple() | frozenset():
            return ",".join(str(shown(name, each)) for each in value)
        case str():
            return value.partition("?")[0] if "://" in value else value
    return value

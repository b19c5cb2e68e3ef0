"""Values of app settings, read from the text that they are given as, and that text again. Pure."""

import re
import uuid
from datetime import timedelta
from typing import Annotated, Any

from cryptography.fernet import Fernet
from pydantic import AfterValidator, BeforeValidator, Field

from shared.model.catalogue import CATALOGUE
from shared.model.mailboxes import sender_problem
from shared.model.nearest import did_you_mean
from shared.model.provisioning import KINDS, Kind
from shared.model.thresholds import Threshold, read_thresholds
from shared.model.web_address import taken_apart

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_DURATION = r"[0-9]{1,7}(?:\.[0-9]{1,3})?"
_WHOLE = r"[0-9]{1,6}(?:\.0{1,6})?"
_HOST_PATTERN = re.compile(r"[A-Za-z0-9.*?\[\]!_-]+|[0-9A-Fa-f:.*?\[\]!-]+")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _split(value: Any) -> Any:
    """A comma-separated setting as the list it stands for."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _delays(value: Any) -> Any:
    parts = _split(value)
    if not all(isinstance(part, str) and re.fullmatch(_DURATION, part) for part in parts):
        raise ValueError("give seconds separated by commas, for example 30,120,600")
    return [timedelta(seconds=float(part)) for part in parts]


def _thresholds(value: Any) -> Any:
    return read_thresholds(value) if isinstance(value, str) else value


def _ports(value: Any) -> Any:
    """`443,8000-8099` as ranges."""
    if not isinstance(value, str):
        return value
    ranges = [re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part) for part in _split(value)]
    found = [(int(each[1]), int(each[2] or each[1])) for each in ranges if each]
    if len(found) < len(ranges) or not all(1 <= first <= last <= 65535 for first, last in found):
        raise ValueError("give ports from 1 to 65535 and ranges of them, such as 443,8000-8099")
    return found


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(_DURATION, value.strip()):
        raise ValueError("give seconds, for example 60")
    return timedelta(seconds=float(value))


def _count(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(rf"-?{_WHOLE}", value.strip()):
        raise ValueError("give a whole number")
    return int(float(value))


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
        raise ValueError("give a number, such as 2 or 2.5")
    return value


def _whole(unit: timedelta, name: str) -> BeforeValidator:
    """A whole number of a unit, as a duration."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(_WHOLE, value.strip()):
            raise ValueError(f"give a whole number of {name}")
        return int(float(value)) * unit

    return BeforeValidator(read)


def _sharing_events(names: tuple[str, ...]) -> tuple[str, ...]:
    known = [name for name in CATALOGUE if name.startswith("permission.")]
    for name in names:
        if name not in known:
            otherwise = f"take some of {', '.join(known)}"
            raise ValueError(f"{name!r} is no event about sharing{did_you_mean(name, known, otherwise)}")
    return names


def _domains(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _DOMAIN.fullmatch(name):
            raise ValueError(f"give domains separated by commas, such as contoso.com, not {name!r}")
    return tuple(name.lower() for name in names)


def _host_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not _HOST_PATTERN.fullmatch(pattern):
            raise ValueError(
                f"{pattern!r} is the name of no host: give names and patterns without https://, port and path, such as "
                "hooks.contoso.com,*.contoso.com (others than ASCII as xn--…)"
            )
    return patterns


def _senders(names: tuple[str, ...]) -> tuple[str, ...]:
    problem = next((problem for name in names if (problem := sender_problem(name))), None)
    if problem:
        raise ValueError(problem)
    return names


def is_guid(text: str) -> bool:
    return bool(_GUID.fullmatch(text))


def _kinds(value: Any) -> Any:
    """Kinds of workspaces, by the words of the API's paths."""
    parts = _split(value)
    if not all(part in KINDS for part in parts):
        raise ValueError(f"give some of {', '.join(KINDS)}, separated by commas")
    return parts


def _lower_guid(value: str) -> str:
    try:
        return str(uuid.UUID(value)) if value else value
    except ValueError:
        raise ValueError("must be a GUID, such as 235ec2cb-0767-40b3-a1de-4da2c42b19e9") from None


def _public_url(url: str) -> str:
    parts = taken_apart(url)
    if url and (parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or "@" in url):
        raise ValueError("give the address that callers use, such as https://hooks.contoso.com")
    return url.rstrip("/")


def _fernet_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not keys:
        raise ValueError(
            "it encrypts endpoint URLs and secrets in Table Storage. Make one with: python3 -c "
            "'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
        )
    if any(key.startswith("@Microsoft.KeyVault(") for key in keys):  # the platform passes on what it cannot resolve
        raise ValueError(
            "the Key Vault reference is not resolved: the app's identity cannot read the secret, or could not when "
            "the platform last asked. docs/deployment.md says how to have it read again (The key)"
        )
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise ValueError("each key must be 44 characters of URL-safe base64, as its maker printed it") from None
    return keys


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNITS = {"SECONDS": timedelta(seconds=1), "HOURS": HOUR, "DAYS": DAY}
Seconds = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(seconds=1), le=DAY)]
Hours = Annotated[timedelta, _whole(HOUR, "hours")]
Days = Annotated[timedelta, _whole(DAY, "days")]
Delays = Annotated[tuple[timedelta, ...], BeforeValidator(_delays)]
SizeLimits = Annotated[tuple[Threshold, ...], BeforeValidator(_thresholds)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Guid = Annotated[str, AfterValidator(_lower_guid)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
FernetKeys = Annotated[Words, AfterValidator(_fernet_keys)]
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(_kinds)]
SharingEvents = Annotated[Words, AfterValidator(_sharing_events)]
Domains = Annotated[Words, AfterValidator(_domains)]
HostPatterns = Annotated[Words, AfterValidator(_host_patterns)]
Count = Annotated[int, BeforeValidator(_count)]
Decimal = Annotated[float, BeforeValidator(_decimal)]
Senders = Annotated[Words, AfterValidator(_senders)]
Ports = Annotated[tuple[tuple[int, int], ...], BeforeValidator(_ports)]
"""First and last of each range."""


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

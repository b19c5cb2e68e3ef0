"""Names of app settings: the ones that are spelled wrong, and the ones that disable a function. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

_OTHERS = ("APPLICATIONINSIGHTS_", "APPSETTING_", "AZURE", "CONTAINER_", "FUNCTIONS_", "PYTHON", "SCM_", "WEBSITE_")
"""What names begin with that Azure and its tools set themselves."""
_NEAR = 0.75

_DISABLED = re.compile(r"AzureWebJobs[._](\w+)[._]Disabled", re.IGNORECASE)
"""The setting that disables a function, as it is written, and as a process on Linux has it, where App Service puts an
underscore for each period (learn.microsoft.com, "Environment variables and app settings in Azure App Service")."""
BACKGROUND = (
    *("dispatch", "exhausted", "sweep", "scan_storage", "poll_sharing", "provision", "provision_interrupted"),
    *("measure", "retire", "reencrypt"),
)
"""The functions that nobody calls: to pause them is to disable them."""


def misspelt(environment: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """The names in an environment that are nearly known ones, or known ones in another case, each with the known one:
    nothing else tells that what somebody set is not in force. Windows keeps names in capitals and finds them in any
    case: there the case is never wrong."""
    import difflib  # only this needs it

    spelled = {name.upper(): name for name in known}
    found = {}
    for name in environment.keys() - set(known):
        near = spelled.get(name.upper())
        disabled = _DISABLED.fullmatch(name)
        if disabled and disabled[1].lower() not in BACKGROUND:
            meant = difflib.get_close_matches(disabled[1].lower(), BACKGROUND, 1, _NEAR)
            if meant:
                found[name] = f"AzureWebJobs.{meant[0]}.Disabled"
        elif near is not None:
            if environment.get(near) is None:
                found[name] = near
        elif not name.upper().startswith(_OTHERS):
            meant = difflib.get_close_matches(name.upper(), spelled, 1, _NEAR)
            if meant:
                found[name] = spelled[meant[0]]
    return dict(sorted(found.items()))


def _function_names(environment: Any) -> Any:
    """Of the settings, those that the Functions host takes for true: anything else leaves the function on."""
    names = ((_DISABLED.fullmatch(name), value) for name, value in environment.items())
    return {match[1].lower() for match, value in names if match and value.strip().lower() in ("true", "1")}


FunctionNames = Annotated[frozenset[str], BeforeValidator(_function_names)]

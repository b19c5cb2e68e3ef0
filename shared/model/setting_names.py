"""App settings whose names are spelled wrong: nothing else tells that what somebody set is not in force."""

from collections.abc import Mapping, Sequence

_OTHERS = ("APPLICATIONINSIGHTS_", "APPSETTING_", "AZURE", "CONTAINER_", "FUNCTIONS_", "PYTHON", "SCM_", "WEBSITE_")
"""What names begin with that Azure and its tools set themselves."""
_NEAR = 0.75


def misspelt(environment: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """The names in an environment that are nearly known ones, or known ones in another case, each with the known one.
    Windows keeps all names in capitals and finds them in any case: there the case is never wrong."""
    import difflib  # only this needs it

    spelled = {name.upper(): name for name in known}
    found = {}
    for name in environment.keys() - set(known):
        near = spelled.get(name.upper())
        if near is not None:
            if environment.get(near) is None:
                found[name] = near
        elif not name.upper().startswith(_OTHERS):
            meant = difflib.get_close_matches(name.upper(), spelled, 1, _NEAR)
            if meant:
                found[name] = spelled[meant[0]]
    return dict(sorted(found.items()))

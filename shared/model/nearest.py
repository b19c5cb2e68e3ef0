"""Which of the known words somebody may have meant."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`: did you mean 'types'? Otherwise …`, or `: …` where none is near. The case of letters does not count."""
    import difflib  # only mistakes need it, and the start is shorter without it

    spelled = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=0.7)
    if not near:
        return f": {otherwise}" if otherwise else ""
    return f": did you mean {spelled[near[0]]!r}?" + (f" Otherwise {otherwise}" if otherwise else "")

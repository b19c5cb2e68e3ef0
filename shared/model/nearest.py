"""Which of the known words somebody may have meant."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`: did you mean 'types'?`, or nothing where no known word is near. The case of letters does not count."""
    import difflib  # only mistakes need it, and the start is shorter without it

    spelled = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=0.7)
    return f": did you mean {spelled[near[0]]!r}?" if near else ""

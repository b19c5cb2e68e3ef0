"""What the timers do, step by step."""

from collections.abc import Callable

from shared.app import App


def run_each(app: App, *steps: Callable[[App], object]) -> None:
    """Runs every step, even where one before it has failed; raises then what one raised, or an ExceptionGroup of what
    several did, so that the run counts as failed."""
    failures = []
    for step in steps:
        try:
            step(app)
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise failures[0] if len(failures) == 1 else ExceptionGroup("several steps failed", failures)

"""`python -m local`: what dev.py becomes once the virtual environment is there."""

import os
import signal
import sys


def main() -> int:
    """Runs the command. Until it has handlers of its own, Ctrl+C ends it without a word: importing takes a while."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # dev.py blocks it on the way here
    from local.run import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())

"""The console's modules that need no page, by Node's own test runner."""

import subprocess
from pathlib import Path

TESTS = Path(__file__).with_name("console_modules.test.mjs")


def test_the_modules_of_the_console() -> None:
    done = subprocess.run(["node", "--test", str(TESTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

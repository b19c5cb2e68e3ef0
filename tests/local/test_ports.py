"""Free ports, asked for by several processes at once."""

import subprocess
import sys

import pytest

from local import ROOT, ports
from local.problem import Problem

PROGRAM = """
import sys
from local import ports
ports.BLOCKS = eval(sys.argv[1])
print(ports.free_ports(8), flush=True)
sys.stdin.read()
"""


def another(blocks: range) -> subprocess.Popen[str]:
    """A process that is given one of these blocks, prints it and lives until its input ends."""
    command = [sys.executable, "-c", PROGRAM, str(blocks)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_nobody_is_given_what_another_process_holds() -> None:
    block = ports.free_ports(8)
    with another(range(block, block + 8, 8)) as other:
        given, said = other.communicate("")
    assert given == ""
    assert "Found no 8 free ports in a row on this machine." in said


def test_what_a_process_was_given_is_free_once_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with another(ports.BLOCKS) as other:
        assert other.stdout is not None
        block = int(other.stdout.readline())
        monkeypatch.setattr(ports, "BLOCKS", range(block, block + 8, 8))
        with pytest.raises(Problem):
            ports.free_ports()
        other.communicate("")
    assert ports.free_ports(8) == block

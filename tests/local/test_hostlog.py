"""Which lines of the function host a person sees."""

from pathlib import Path

from local.hostlog import HostLog

WRITTEN = """\
2026-11-27T10:00:00.000Z INFO host: Listening on http://127.0.0.1:7071
2026-11-27T10:00:00.001Z WARNING tenant_hooks: {"event": "breaker.opened"}
2026-11-27T10:00:00.002Z [01234567] INFO tenant_hooks: {"event": "delivery.attempted"}
2026-11-27T10:00:00.003Z [01234567] ERROR host.worker: Function dispatch failed
Traceback (most recent call last):
  File "function_app.py", line 1
printed by somebody
"""
SHOWN = [1, 3, 4, 5, 6]


def taken(path: Path, *written: bytes) -> list[str]:
    shown: list[str] = []
    with HostLog(path, shown.append) as log:
        for some in written:
            log.take(some)
    return shown


def test_all_is_kept_and_what_is_quiet_is_not_shown(tmp_path: Path) -> None:
    lines = WRITTEN.splitlines()
    assert taken(tmp_path / "host.log", WRITTEN.encode()) == [lines[number] for number in SHOWN]
    assert (tmp_path / "host.log").read_text("utf-8") == WRITTEN


def test_lines_come_in_any_pieces(tmp_path: Path) -> None:
    whole = WRITTEN.replace("somebody", "Grüße").encode()
    expected = taken(tmp_path / "whole.log", whole)
    assert taken(tmp_path / "pieces.log", *(bytes([byte]) for byte in whole)) == expected


def test_a_last_line_without_an_end_is_shown(tmp_path: Path) -> None:
    assert taken(tmp_path / "host.log", b"The function host can", b"not start.") == ["The function host cannot start."]

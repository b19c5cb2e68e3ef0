"""What receivers get, type by type, in files to be read: tests/unit/golden/.

After a change that is meant, `REWRITE_GOLDEN=1 python -m pytest tests/unit/formats/test_golden.py` writes them anew;
the difference is then reviewed like code.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from doubles.format_events import OWN_FORMATS, SETTINGS, make, sample_of
from shared.model.catalogue import CATALOGUE

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, SETTINGS.get(name, {})) for name in OWN_FORMATS},
    "jira-automation": ("jira", {"via": "automation"}),
    "servicenow-import": ("servicenow", {"via": "import"}),
    "servicenow-event": ("servicenow", {"via": "event"}),
}


def laid_out(value: Any, indent: str = "") -> str:
    """JSON with a line for each value that fits one."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(line) <= 100:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        inner = [f"{json.dumps(name, ensure_ascii=False)}: {laid_out(part, deeper)}" for name, part in value.items()]
        begin, end = "{}"
    else:
        inner = [laid_out(part, deeper) for part in value]
        begin, end = "[]"
    return f"{begin}\n{deeper}" + f",\n{deeper}".join(inner) + f"\n{indent}{end}"


@pytest.mark.parametrize("case", CASES)
def test_every_type_of_the_catalogue_reads_as_in_its_file(case: str) -> None:
    name, settings = CASES[case]
    types = [*CATALOGUE, "custom.guest_invited"]
    made = {kind: make(name, sample_of(kind), settings) for kind in types}
    (content_type,) = {content_type for content_type, _ in made.values()}
    bodies = {kind: json.loads(body) for kind, (_, body) in made.items()}
    shown = {"contentType": content_type, "settings": settings, "bodies": bodies}
    text = laid_out(shown) + "\n"
    path = GOLDEN / f"{case}.json"
    if os.environ.get("REWRITE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == text


def test_there_is_no_golden_file_of_nothing() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CASES)

"""What pages tell to do with curl they tell for PowerShell too, with the same calls."""

import re

import pytest
from known_answers import ROOT
from shell_calls import Call, blocks, curl_calls, powershell_calls

PAGES = {"receivers": 11, "runbook": 10, "operations": 15, "deployment": 2, "provisioning": 2, "sharing": 1}
"""Of docs, for whoever registers receivers, deploys the app or runs it; with how many calls there are at the least."""


def sections(page: str) -> dict[str, str]:
    """By heading, without those in code."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    parts = re.split(r"^#{2,3} (?=[A-Z])(.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def calls(code: list[str], parse: object) -> list[Call]:
    return [call for block in code for call in parse(block)]  # type: ignore[operator]


@pytest.mark.parametrize("page", PAGES)
def test_each_section_makes_the_same_calls_in_both_shells(page: str) -> None:
    found = 0
    for heading, text in sections(page).items():
        expected = [call for block in blocks(text, "sh") for call in curl_calls(block)]
        given = [call for block in blocks(text, "powershell") for call in powershell_calls(block)]
        assert given == expected, f"{page}, {heading}"
        found += len(expected)
    assert found >= PAGES[page]


def test_what_is_sent_is_told_apart() -> None:
    """Else two calls that differ would pass for the same one."""
    curl = """curl -sS -X PATCH "$app/x" -H "$auth" -H "$json" -H "A-B: c" \\\n  -d '{"a": "'$key'"}'\n"""
    [call] = curl_calls(curl)
    assert call == Call("PATCH", "$app/x", {"A-B": "c"}, {"a": "$key"})
    shell = (
        "Invoke-RestMethod \"$app/x\" -Method Patch -ContentType $json `\n  -Headers ($auth + @{ 'A-B' = 'c' }) -Body "
    )
    for body in ('\'{"a": "$key"}\'', '@"\n{"a": "$key"}\n"@'):
        assert list(powershell_calls(shell + body)) == [call]
    assert list(powershell_calls('Invoke-RestMethod "$app/x" -Method Post -Headers @{ K = $master }')) == [
        Call("POST", "$app/x", {"K": "$master"}, None)
    ]

"""The calls of the API that commands in pages make, in bash with curl and in PowerShell, to compare the two."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple


class Call(NamedTuple):
    """A call as it is written: `url` with the variables of the shell, `headers` without those of token and content
    type, `body` as JSON."""

    method: str
    url: str
    headers: dict[str, str]
    body: object


_CURL = re.compile(r"curl -sS ((?:[^\n']|'[^']*')*)")
_INVOKE = re.compile(
    r'Invoke-RestMethod "([^"]+)"((?:\s+`?\s*-(?!Body)\w+ (?:\([^)]*\)|@\{[^}]*\}|\S+))*)'
    r"(?:\s+`?\s*-Body (?:@[\"']\n(.*?)\n[\"']@|'(.*?)'))?",
    re.DOTALL,
)
_USUAL = ("$auth", "$json")


def blocks(text: str, language: str) -> list[str]:
    """The code of a language in a page, without the space before it in lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def curl_calls(code: str) -> Iterator[Call]:
    """Those of the app, and of what stands in for Microsoft 365 beside it."""
    for command in _CURL.findall(code.replace("\\\n", " ")):
        joined = re.sub(r"'(\$\w+)'", r"\1", command)  # out of the quotes, for the variable
        urls = re.findall(r'"(\$\w+/[^"]*)"', command)[:1]
        body = re.search(r"-d '(.*)'", joined, re.DOTALL)
        method = re.search(r"-X (\w+)", command)
        headers = [each for each in re.findall(r'-H "([^"]*)"', command) if each not in _USUAL]
        given = dict(each.split(": ", 1) for each in headers)
        for url in urls:
            yield Call(method[1] if method else "POST" if body else "GET", url, given, body and json.loads(body[1]))


def powershell_calls(code: str) -> Iterator[Call]:
    for url, options, here, quoted in _INVOKE.findall(code):
        method = re.search(r"-Method (\w+)", options)
        headers = re.findall(r"'?([\w-]+)'? = (?:['\"]([^'\"]+)['\"]|(\$\w+))", options)
        given = {name: text or variable for name, text, variable in headers}
        body = here or quoted
        yield Call((method[1] if method else "GET").upper(), url, given, json.loads(body) if body else None)

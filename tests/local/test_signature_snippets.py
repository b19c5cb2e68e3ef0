"""The code of "Verify a signature" in README.md, taken from there and run with the known answers of docs/receivers.md;
so are the receivers in examples/, and the reference libraries of Standard Webhooks."""

import base64
import hashlib
import hmac
import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from known_answers import ROOT, known_answers, snippet
from standardwebhooks import Webhook

from service_desk.verification import fault
from shared.outbound.signing import sign_point, sign_standard

KNOWN = known_answers()
NOW = KNOWN.seconds
ROTATING = {**KNOWN.headers, "webhook-signature": KNOWN.rotating}
Headers = Mapping[str, str]
Case = tuple[str, Headers, bytes, str, bool]
"""Name of the header, all headers, body, key, and whether it is good."""
NODE = shutil.which("node") or "node"
PWSH = shutil.which("pwsh")


def without(name: str) -> Headers:
    return {other: value for other, value in KNOWN.headers.items() if other != name}


def broken(name: str, value: str) -> Headers:
    return {**KNOWN.headers, name: value}


MALFORMED = ("", " ", "v1", "v1,", "Ünsinn", "0" * 5000, "NaN", "-1")
POINT: list[Case] = [
    ("signature", KNOWN.headers, KNOWN.body, KNOWN.signature_key, True),
    ("signature", KNOWN.headers, KNOWN.body + b" ", KNOWN.signature_key, False),
    ("signature", KNOWN.headers, KNOWN.body, KNOWN.signature_key.upper(), False),
    ("signature", broken("signature", KNOWN.headers["signature"].swapcase()), KNOWN.body, KNOWN.signature_key, False),
    ("signature", without("signature"), KNOWN.body, KNOWN.signature_key, False),
    *(("signature", broken("signature", value), KNOWN.body, KNOWN.signature_key, False) for value in MALFORMED),
]
STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
STANDARD: list[Case] = [
    ("webhook-signature", KNOWN.headers, KNOWN.body, KNOWN.secret, True),
    ("webhook-signature", ROTATING, KNOWN.body, KNOWN.secret, True),
    ("webhook-signature", ROTATING, KNOWN.body, KNOWN.new_secret, True),
    ("webhook-signature", KNOWN.headers, KNOWN.body, KNOWN.new_secret, False),
    ("webhook-signature", KNOWN.headers, KNOWN.body + b" ", KNOWN.secret, False),
    ("webhook-signature", broken("webhook-timestamp", str(NOW - 1)), KNOWN.body, KNOWN.secret, False),
    *(("webhook-signature", without(name), KNOWN.body, KNOWN.secret, False) for name in STANDARD_HEADERS),
    *(
        ("webhook-signature", broken(name, value), KNOWN.body, KNOWN.secret, False)
        for name in STANDARD_HEADERS
        for value in MALFORMED
    ),
]
CASES = POINT + STANDARD


def test_the_known_answers_are_those_of_the_app() -> None:
    assert sign_point(KNOWN.body, KNOWN.signature_key)["Signature"] == KNOWN.headers["signature"]
    at = datetime.fromtimestamp(NOW, UTC)
    signed = {name: value for name, value in KNOWN.headers.items() if name.startswith("webhook-")}
    assert sign_standard(KNOWN.headers["webhook-id"], at, KNOWN.body, [KNOWN.secret]) == signed
    rotating = sign_standard(KNOWN.headers["webhook-id"], at, KNOWN.body, [KNOWN.new_secret, KNOWN.secret])
    assert rotating["webhook-signature"] == KNOWN.rotating


def test_the_cases_hold_by_arithmetic() -> None:
    """By RFC 2104 alone: so that a case is not good because of what it is to judge."""
    for name, headers, body, key, good in CASES:
        if name == "signature":
            mac = base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()
            assert (headers.get(name) == mac) is good
        else:
            signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
            mac = base64.b64encode(hmac.new(base64.b64decode(key[6:]), signed, hashlib.sha256).digest()).decode()
            assert (f"v1,{mac}" in headers.get(name, "").split(" ")) is good


# The code of the README


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    code: dict[str, Any] = {}
    exec(compile(snippet("Python"), "README.md", "exec"), code)  # noqa: S102 (the code is this repository's own)
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    functions = {"signature": code["signature_is_good"], "webhook-signature": code["webhook_signature_is_good"]}
    assert [functions[name](body, dict(headers), key) for name, headers, body, key, _ in CASES] == expected(CASES)
    surrogate = "v1,\udcff"  # how some servers hand on a byte that is no UTF-8
    for name, header in (("signature", "signature"), *(("webhook-signature", each) for each in STANDARD_HEADERS)):
        assert not functions[name](KNOWN.body, broken(header, surrogate), KNOWN.secret)
    for off in (-301, 301):
        monkeypatch.setattr(time, "time", lambda off=off: NOW + off)
        assert not functions["webhook-signature"](KNOWN.body, KNOWN.headers, KNOWN.secret)


JUDGE = """
const functions = { "signature": signatureIsGood, "webhook-signature": webhookSignatureIsGood };
const { now, cases } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
Date.now = () => now * 1000;
const judged = cases.map(([name, headers, body, key]) => functions[name](Buffer.from(body, "base64"), headers, key));
console.log(JSON.stringify(judged));
"""


def test_javascript() -> None:
    assert judged_by([NODE, "-e", snippet("JavaScript (Node.js)") + JUDGE], CASES, NOW) == expected(CASES)
    for off in (-301, 301):
        assert judged_by([NODE, "-e", snippet("JavaScript (Node.js)") + JUDGE], STANDARD[:1], NOW + off) == [False]


POWERSHELL_JUDGE = """
$given = [Console]::In.ReadToEnd() | ConvertFrom-Json -AsHashtable
$judged = foreach ($case in $given.cases) {
    $name, $headers, $body, $key = $case
    $bytes = [Convert]::FromBase64String($body)
    if ($name -eq 'signature') { Test-Signature $bytes $headers['signature'] $key }
    else {
        $id, $at, $signatures = $headers['webhook-id'], $headers['webhook-timestamp'], $headers['webhook-signature']
        Test-WebhookSignature $bytes $id $at $signatures $key
    }
}
ConvertTo-Json -Compress -InputObject @($judged)
"""


@pytest.mark.skipif(PWSH is None, reason="there is no PowerShell (pwsh) on the PATH")
def test_powershell(tmp_path: Path) -> None:
    """Its clock cannot be set, so what is to be good for Standard Webhooks is signed for now."""
    script = tmp_path / "judge.ps1"
    script.write_text(snippet("PowerShell") + POWERSHELL_JUDGE, encoding="utf-8-sig")
    command = [str(PWSH), "-NoLogo", "-NoProfile", "-NonInteractive", "-File", str(script)]
    fresh = [
        (name, sign_standard("key", datetime.now(UTC), KNOWN.body, secrets), KNOWN.body, KNOWN.secret, good)
        for name, secrets, good in (
            ("webhook-signature", [KNOWN.secret], True),
            ("webhook-signature", [KNOWN.new_secret, KNOWN.secret], True),
            ("webhook-signature", [KNOWN.new_secret], False),
        )
    ]
    bad = [case for case in STANDARD if not case[-1]]
    cases: list[Case] = [*POINT, *fresh, *bad]
    assert judged_by(command, cases, NOW) == expected(cases)


def expected(cases: Sequence[Case]) -> list[bool]:
    return [good for *_, good in cases]


def judged_by(command: Sequence[str], cases: Sequence[Case], now: int) -> Any:
    given = [(name, dict(headers), base64.b64encode(body).decode(), key) for name, headers, body, key, _ in cases]
    done = subprocess.run(
        command, input=json.dumps({"now": now, "cases": given}), capture_output=True, encoding="utf-8", cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# The receivers in examples/


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("receiver_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("example", ["receivers/python", "service-desk"])
def test_a_python_example(example: str) -> None:
    find_fault: Callable[..., str | None] = fault
    if example != "service-desk":
        find_fault = loaded(ROOT / "examples" / example / "function_app.py").find_fault
    judged = [find_fault(body, headers, key, float(NOW)) is None for _, headers, body, key, _ in STANDARD]
    assert judged == expected(STANDARD)
    for name in STANDARD_HEADERS:
        assert find_fault(KNOWN.body, broken(name, "v1,\udcff"), KNOWN.secret, float(NOW)) is not None


def test_the_node_example() -> None:
    judge = (
        f"import {{ findFault }} from {json.dumps((ROOT / 'examples/receivers/node/receiver.mjs').as_uri())};"
        'import { readFileSync } from "node:fs";'
        'const { now, cases } = JSON.parse(readFileSync(0, "utf8"));'
        'const bytes = (text) => Buffer.from(text, "base64");'
        "const faults = cases.map(([, headers, body, key]) => findFault(bytes(body), headers, key, now));"
        "console.log(JSON.stringify(faults.map((fault) => fault === null)));"
    )
    assert judged_by([NODE, "--input-type=module", "-e", judge], STANDARD, NOW) == expected(STANDARD)


# The reference libraries, which take no other time than now


@pytest.mark.parametrize("secret", [KNOWN.secret, KNOWN.new_secret], ids=["old secret", "new secret"])
def test_the_reference_libraries_verify_a_delivery_while_a_secret_rotates(secret: str) -> None:
    headers = sign_standard("key", datetime.now(UTC), KNOWN.body, [KNOWN.new_secret, KNOWN.secret])
    assert Webhook(secret).verify(KNOWN.body, headers) == json.loads(KNOWN.body)
    judge = """
    const { Webhook } = require("standardwebhooks");
    const { secret, headers, body } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
    """
    given = json.dumps({"secret": secret, "headers": headers, "body": KNOWN.body.decode()})
    done = subprocess.run([NODE, "-e", judge], input=given, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(KNOWN.body)

"""The known answers of docs/receivers.md and the code of README.md, read from there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECEIVERS = (ROOT / "docs" / "receivers.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class KnownAnswers:
    """One delivery with the keys that it was signed with, and what is signed while its secret rotates."""

    body: bytes
    signature_key: str
    secret: str
    headers: Mapping[str, str]
    """In lower case."""
    new_secret: str
    rotating: str
    """`webhook-signature` of the same delivery when `new_secret` takes the place of `secret`."""

    @property
    def seconds(self) -> int:
        """The time of the delivery, since 1970."""
        return int(self.headers["webhook-timestamp"])


def known_answers() -> KnownAnswers:
    section = _section("Known answers")
    [body] = re.findall(r"```text\n(.*)\n```", section)
    rows = {row[0]: row[1:] for row in re.findall(r"^\| `([\w-]+)` \| (.*) \| `(.*)` \|$", section, re.MULTILINE)}
    [key] = re.findall(r"key `(.*)`", rows["Signature"][0])
    given = dict(re.findall(r"(secret|webhook-id|webhook-timestamp)`? `([^`]*)`", rows["webhook-signature"][0]))
    secret = given.pop("secret")
    headers = {"signature": rows["Signature"][1], **given, "webhook-signature": rows["webhook-signature"][1]}
    rotation = _section("When a secret changes")
    [new_secret] = re.findall(r"`(whsec_\S+)`", rotation)
    [rotating] = re.findall(r"```http\nwebhook-signature: (.*)\n```", rotation)
    return KnownAnswers(body.encode(), key, secret, headers, new_secret, rotating)


def snippet(language: str) -> str:
    """The code of "Verify a signature" in this language, as the summary above it names it."""
    [code] = re.findall(rf"<summary>{re.escape(language)}</summary>\n\n```\w+\n(.*?)```", README, re.DOTALL)
    return str(code)


def _section(title: str) -> str:
    return re.split(rf"^###? {title}$", RECEIVERS, flags=re.MULTILINE)[1].split("\n##")[0]

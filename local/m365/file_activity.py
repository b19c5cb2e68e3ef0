"""Any number of contents of the audit feed, as a large tenant has them: mostly about files."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import AwareDatetime, ConfigDict, NonNegativeInt, PositiveInt

from local.m365.tenant import JSON_NAMES


@dataclass(frozen=True)
class FileActivity:
    """Contents that arrived in the hours before `until`, with so many records each, and in all so many anonymous links.
    They are made from their numbers when they are asked for: none is kept."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    contents: NonNegativeInt = 0
    records: PositiveInt = 1000
    shares: NonNegativeInt = 0
    hours: PositiveInt = 20
    seed: NonNegativeInt = 0
    """Names and ids of another one are others."""
    until: AwareDatetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))

    def listed(self) -> Iterator[tuple[str, datetime]]:
        """Name and time of arrival of each."""
        return ((f"crowd{self.seed}${number}", self._arrival(number)) for number in range(self.contents))

    def body(self, number: int, tenant_id: str) -> bytes:
        """What is in the content of this number."""
        first, last = (self.shares * each // self.contents for each in (number, number + 1))
        at = f"{self._arrival(number):%Y-%m-%dT%H:%M:%S}"
        records = [
            _file_record(number * self.records + each, at, tenant_id) for each in range(self.records - last + first)
        ]
        for each in range(first, last):
            link = {"RecordType": 14, "Operation": "AnonymousLinkCreated", "EventData": "<Type>View</Type>"}
            records.append(
                {
                    **_file_record(each, at, tenant_id),
                    **link,
                    "Id": str(uuid.UUID(int=2**100 + self.seed * 2**40 + each)),
                }
            )
        return json.dumps(records).encode()

    def _arrival(self, number: int) -> datetime:
        step = timedelta(hours=self.hours) / max(1, self.contents)
        return self.until - timedelta(hours=self.hours) + number * step


def _file_record(number: int, at: str, tenant_id: str) -> dict[str, Any]:
    """As long as the real ones are."""
    path = f"sites/crowd/Shared Documents/Reports/Quarterly figures {number}.xlsx"
    return {
        "Id": str(uuid.UUID(int=number)),
        "RecordType": 6,
        "CreationTime": at,
        "Operation": "FileAccessed",
        "OrganizationId": tenant_id,
        "UserType": 0,
        "UserKey": "i:0h.f|membership|1003200011223344@live.com",
        "Workload": "SharePoint",
        "ClientIP": "203.0.113.9",
        "UserId": "mia@contoso.com",
        "CorrelationId": str(uuid.UUID(int=2**64 + number)),
        "EventSource": "SharePoint",
        "ItemType": "File",
        "ListItemUniqueId": str(uuid.UUID(int=2**65 + number)),
        "UserAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "ObjectId": f"https://contoso.sharepoint.com/{path}",
        "SiteUrl": "https://contoso.sharepoint.com/sites/crowd/",
        "SourceRelativeUrl": path.partition("/")[2],
        "SourceFileName": path.rpartition("/")[2],
        "SourceFileExtension": "xlsx",
    }

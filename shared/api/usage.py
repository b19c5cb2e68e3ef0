"""`/v1.0/storage`: the sites nearest their limit, and the thresholds of site usage."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from shared import logs
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, header, how_many, operation, query
from shared.api.http.problem import Problem, bad_request
from shared.api.http.view import ByteCount, Severity, Time, View, example
from shared.model import Model, digest
from shared.model.site_patterns import can_match_a_url
from shared.model.thresholds import (
    LEAST_PERCENT,
    MOST_THRESHOLDS,
    WRITTEN,
    Override,
    Threshold,
    Thresholds,
    read_threshold,
    require_distinct,
)
from shared.storage import sites
from shared.storage.clients import Written
from shared.usage.nearest import MOST_LISTED
from shared.usage.scan import thresholds_in_force

DEFAULT_TOP = 50
MOST_OVERRIDES = 100
MOST_BODY_BYTES = 512 * 1024
_MOST_PERCENT = 1000


_WRITTEN_SCHEMA = {
    "description": "Percent of the quota, or a size: MB, GB (2^30 bytes) or TB",
    "type": ["number", "string"],
    "minimum": LEAST_PERCENT,
    "maximum": 100,
    "pattern": WRITTEN,
}


def _written(value: Any) -> Any:
    """The one way of writing a threshold, whatever its severity. Before the types are looked at: one clear error."""
    return read_threshold(value, "low").written


class ThresholdBody(Model):
    threshold: Annotated[int | float | str, BeforeValidator(_written), WithJsonSchema(_WRITTEN_SCHEMA)]
    severity: Severity

    def read(self) -> Threshold:
        return read_threshold(self.threshold, self.severity)


def _distinct(thresholds: tuple[ThresholdBody, ...]) -> tuple[ThresholdBody, ...]:
    require_distinct([each.read() for each in thresholds])
    return thresholds


ThresholdList = Annotated[tuple[ThresholdBody, ...], Field(max_length=MOST_THRESHOLDS), AfterValidator(_distinct)]


def _of_urls(pattern: str) -> str:
    if not can_match_a_url(pattern):
        raise ValueError("matches no site: write its whole URL without spaces, beginning with https://, or * in front")
    return pattern


class OverrideBody(Model):
    site: Annotated[
        str,
        Field(min_length=1, max_length=400, description="Pattern of site URLs: *, ? and […]"),
        AfterValidator(_of_urls),
    ]
    thresholds: ThresholdList


class ThresholdsBody(Model):
    """The whole configuration."""

    model_config = example(
        {
            "default": [{"threshold": 75, "severity": "medium"}, {"threshold": 90, "severity": "high"}],
            "sites": [
                {
                    "site": "https://contoso.sharepoint.com/sites/hr*",
                    "thresholds": [{"threshold": "500GB", "severity": "high"}],
                }
            ],
        }
    )

    default: ThresholdList
    sites: Annotated[tuple[OverrideBody, ...], Field(max_length=MOST_OVERRIDES)] = ()


class ListedSite(View):
    """A SharePoint site and how near its limit it is."""

    site_url: str
    current_usage: Annotated[ByteCount, Field(description="bytes")]
    quota: Annotated[ByteCount, Field(description="bytes")]
    percent: Annotated[float, Field(ge=0, description="of the quota, two digits")]
    threshold: (
        Annotated[
            int | float | str,
            WithJsonSchema({"type": ["number", "string"]}),
            Field(description='The highest one passed: percent of the quota, or a size such as "500GB"'),
        ]
        | None
    ) = None
    changed_at: Annotated[Time, Field(description="When a scan last saw usage, quota or threshold change")]


class ListedSites(View):
    model_config = example(
        {
            "value": [
                {
                    "siteUrl": "https://contoso.sharepoint.com/sites/hr",
                    "currentUsage": 25838523252736,
                    "quota": 27487790694400,
                    "percent": 94.0,
                    "threshold": 90,
                    "changedAt": "2026-11-22T06:20:11.094Z",
                }
            ]
        }
    )

    value: list[ListedSite]


@operation(
    "List the sites nearest their storage limit",
    tag=Tag.STORAGE,
    answers={200: Returns("Nearest first, as the last scan saw them", ListedSites)},
    description="Sites near or above a threshold; figures are those of Microsoft's report, which is about two days "
    "old.",
    parameters=(
        how_many(DEFAULT_TOP, MOST_LISTED),
        query(
            "above",
            "Only sites that use so many percent of their quota or more",
            {"type": "number", "minimum": 0, "maximum": _MOST_PERCENT},
        ),
    ),
)
def list_sites(request: Request) -> Response:
    """The sites nearest their limit as the last scan saw them."""
    top, above = request.number("top", DEFAULT_TOP, 1, MOST_LISTED), _above(request)
    lines = [line for line in request.app.sites.listing().value if line.percent >= above]
    return Response(200, ListedSites(value=[_line(line) for line in lines[:top]]).shown())


@operation(
    "Read the storage thresholds",
    tag=Tag.STORAGE,
    answers={200: Returns("The thresholds in force", ThresholdsBody, ("ETag",))},
)
def get_thresholds(request: Request) -> Response:
    return _answer(thresholds_in_force(request.app))


@operation(
    "Replace the storage thresholds",
    tag=Tag.STORAGE,
    answers={200: Returns("The thresholds in force", ThresholdsBody, ("ETag",))},
    parameters=(header("If-Match", "The `ETag` of what was read: 412 where somebody else has changed it since"),),
    refusals=(412,),
    description="The body is the whole configuration. Of `sites` the first pattern that matches holds instead of "
    "`default`; an empty list leaves sites alone. The next scan goes by it.",
    body=ThresholdsBody,
)
def put_thresholds(request: Request) -> Response:
    """Replaces the whole configuration; the next scan goes by it."""
    body = request.model(ThresholdsBody, MOST_BODY_BYTES)
    thresholds = Thresholds(
        default=tuple(each.read() for each in body.default),
        sites=tuple(
            Override(site=override.site, thresholds=tuple(each.read() for each in override.thresholds))
            for override in body.sites
        ),
    )
    if request.header("if-match") is None:
        request.app.sites.write_thresholds(thresholds)
    else:
        _replace(request, thresholds)
    logs.audit(request.caller, "storage.thresholds_changed")
    return _answer(thresholds)


def _replace(request: Request, thresholds: Thresholds) -> None:
    """Writes what was asked where the thresholds still are those that the caller has read. Raises Problem 412."""
    stored = request.app.sites.thresholds_row()
    before = stored.value if stored else Thresholds(default=request.app.settings.storage_thresholds)
    known = request.matches(_tag(_shown(before)))
    if not known or request.app.sites.replace_thresholds(thresholds, stored) is not Written.DONE:
        detail = "Somebody else has changed the thresholds since they were read: read them again, and change those"
        raise Problem(412, "precondition-failed", detail)


def _answer(thresholds: Thresholds) -> Response:
    shown = _shown(thresholds)
    return Response(200, shown, headers={"ETag": _tag(shown)})


def _tag(shown: dict[str, Any]) -> str:
    return f'"{digest(json.dumps(shown, sort_keys=True))}"'


def _line(line: sites.ListedSite) -> ListedSite:
    return ListedSite(
        site_url=line.url,
        current_usage=line.used_bytes,
        quota=line.quota_bytes,
        percent=line.percent,
        threshold=line.threshold,
        changed_at=line.changed_at,
    )


def _shown(thresholds: Thresholds) -> dict[str, Any]:
    return {
        "default": _lines(thresholds.default),
        "sites": [{"site": each.site, "thresholds": _lines(each.thresholds)} for each in thresholds.sites],
    }


def _lines(thresholds: tuple[Threshold, ...]) -> list[dict[str, Any]]:
    return [{"threshold": each.written, "severity": each.severity} for each in thresholds]


def _above(request: Request) -> float:
    """A percentage from the query."""
    text = request.query("above")
    if text is None:
        return 0.0
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?", text) or float(text) > _MOST_PERCENT:
        raise bad_request(f"?above= must be a percentage of the quota from 0 to {_MOST_PERCENT}, such as 75 or 87.5")
    return float(text)

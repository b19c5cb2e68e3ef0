"""Events and settings to show wire formats with, and a strategy for contents of every kind."""

import json
from typing import Any

from hypothesis import strategies as st

from doubles.samples import an_event
from shared.formats import FORMATS
from shared.model import Event, Tenant
from shared.model.catalogue import CATALOGUE

TENANT = Tenant(id="contoso", display_name="Contoso", microsoft_tenant_id="235ec2cb-0767-40b3-a1de-4da2c42b19e9")
OWN_FORMATS = [name for name in FORMATS if name not in ("point", "spscan")]

SETTINGS: dict[str, Any] = {
    "cloudevents": {"typePrefix": "com.contoso."},
    "servicenow": {"assignmentGroup": "Microsoft 365", "category": "software", "fields": {"u_source": "hooks"}},
    "jira": {"projectKey": "OPS", "issueType": "Incident"},
    "connectwise": {"company": "Contoso", "board": "Microsoft 365", "priorities": {"high": 4}},
    "autotask": {"companyId": 174, "queueId": 8, "dueInHours": 24},
    "email": {
        "recipients": ["it@contoso.com", "security@contoso.com"],
        "consoleUrl": "https://app.contoso.com/console/",
    },
    "pagerduty": {"routingKey": "0123456789abcdef0123456789ABCDEF"},
    "splunk-hec": {"index": "m365"},
    "template": {
        "template": {
            "username": "Tenant Hooks",
            "content": "**{{title}}** {{subject?}} ({{severity}})",
            "site": "{{content.siteUrl?}}",
            "used": "{{content.currentUsage?}}",
            "event": {"key": "{{meta.idempotencyKey}}", "at": "{{meta.timeStamp}}", "tenant": "{{tenant.displayName}}"},
        }
    },
}

NESTED: dict[str, Any] = {
    "guest": "partner@fabrikam.com",
    "invitedBy": {"displayName": "Adele Vance", "upn": "adele@contoso.com"},
    "groups": ["Finance", "HR"],
    "reviews": [{"reviewer": "Megan", "approved": True}, {"reviewer": "Isaiah", "approved": False}],
    "limitGB": 1.50,
    "comment": "First line\nSecond line",
    "expires": None,
    "link": "https://contoso.sharepoint.com/sites/finance?view=1&sort=name",
}


def sample_of(name: str, **changes: Any) -> Event:
    """The catalogue's sample as an event, or a nested content for a type of one's own."""
    known = CATALOGUE.get(name)
    values: dict[str, Any] = {
        "type": name,
        "content": compact_json(known.sample if known else NESTED),
        "severity": known.severity if known else "low",
        "tenant": TENANT,
        "key": "hr-90-7",
    }
    return an_event(**(values | changes))


def compact_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def make(name: str, event: Event, settings: dict[str, Any] | None = None) -> tuple[str, bytes]:
    """A body as dispatch makes it: the settings go through JSON, as they do through storage."""
    known = FORMATS[name]
    if known.settings is None:
        return known.body(event)
    given = SETTINGS.get(name, {}) if settings is None else settings
    return known.body(event, known.settings.model_validate_json(json.dumps(given), strict=True))


def read(name: str, event: Event, settings: dict[str, Any] | None = None) -> Any:
    return json.loads(make(name, event, settings)[1])


_texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["<!channel> & <@U1>", "https://contoso.sharepoint.com/sites/hr", "[x](https://evil.example)", "𝄞é\n"]
    ),
)
_long = st.builds(lambda text, times: text * times, _texts, st.sampled_from([1, 1, 40, 3000]))
_leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _long)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(_texts, inner, max_size=5)),
    max_leaves=8,
)
_names = st.one_of(
    st.sampled_from(["name", "siteUrl", "url", "currentUsage", "quota", "threshold", "resourcePath", "error", "title"]),
    _texts,
)
_contents = st.dictionaries(_names, _values, max_size=8)
_many = st.builds(
    lambda name, value, count: {f"{name}{number}": value for number in range(count)},
    _texts,
    _leaves,
    st.sampled_from([21, 51, 400]),
)
contents = st.one_of(_contents, _contents, _many).filter(
    lambda content: len(compact_json(content).encode()) < 256 * 1024
)
_time_stamps = st.sampled_from(
    [
        "2026-11-22T10:00:00Z",
        "2023-10-05T14:48:00",
        "2026-11-22T10:00+05:30",
        "2026-11-22T10:00:00.1",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.123456789-14:00",
    ]
)
events = st.builds(
    an_event,
    type=st.one_of(st.sampled_from([*CATALOGUE]), st.text(max_size=100).map(lambda text: f"custom.{text}x")),
    content=contents.map(compact_json),
    time_stamp=_time_stamps,
    key=st.from_regex(r"\A[A-Za-z0-9_:-]{1,128}\Z"),
    severity=st.sampled_from(["low", "medium", "high", "critical"]),
    tenant=st.one_of(
        st.none(), st.builds(Tenant, id=st.text(min_size=1, max_size=200), display_name=st.text(max_size=200))
    ),
)
"""Everything that could be published, and contents of the catalogue's types that could not."""

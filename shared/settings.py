"""App settings: typed, validated once, read from the environment here and nowhere else."""

import functools
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.model import Tenant
from shared.model.audiences import ALLOWED, allowed_problem
from shared.model.clouds import CLOUDS, GCC_MANAGEMENT, CloudName, is_sharepoint
from shared.model.connection_strings import AccountName, ConnectionString, ServiceAddress
from shared.model.dangers import dangers, require_none_on_azure
from shared.model.schedules import schedule_problem
from shared.model.setting_names import FunctionNames, misspelt
from shared.model.setting_values import (
    DAY,
    HOUR,
    UNITS,
    Count,
    Days,
    Decimal,
    Delays,
    Domains,
    FernetKeys,
    Guid,
    HostPatterns,
    Hours,
    Kinds,
    Ports,
    PublicUrl,
    Seconds,
    Senders,
    SharingEvents,
    SizeLimits,
    Words,
    is_guid,
    shown,
)
from shared.model.stand_ins import is_loopback, require_fitting_token, service_url
from shared.model.thresholds import read_thresholds
from shared.model.validation import words_of
from shared.model.web_address import taken_apart

LONGEST_SCHEDULE = timedelta(days=7)
"""A queue message can be hidden for at most seven days."""

_GRAPHS = [cloud.graph_url for cloud in CLOUDS.values()]
_MANAGEMENT = [*(cloud.management_url for cloud in CLOUDS.values() if cloud.management), f"https://{GCC_MANAGEMENT}"]


class SettingsError(Exception):
    """The app settings are missing or wrong; the text says which one and what to change."""


class Settings(BaseModel):
    """Every app setting, under the name it has in the environment. One that is secret has `repr=False`: nothing shows
    its value."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    storage_connection: ConnectionString = Field("", alias="AzureWebJobsStorage", repr=False)
    storage_account: AccountName = Field("", alias="AzureWebJobsStorage__accountName")
    queue_service_uri: ServiceAddress = Field("", alias="AzureWebJobsStorage__queueServiceUri")
    table_service_uri: ServiceAddress = Field("", alias="AzureWebJobsStorage__tableServiceUri")
    storage_client_id: str = Field("", alias="AzureWebJobsStorage__clientId")
    identity_client_id: str = Field("", alias="AZURE_CLIENT_ID")
    secrets_keys: FernetKeys = Field((), alias="SECRETS_KEY", repr=False)

    entra_tenant_id: Guid = Field("", alias="ENTRA_TENANT_ID")
    entra_client_id: Guid = Field("", alias="ENTRA_CLIENT_ID")
    entra_cloud: CloudName = Field("global", alias="ENTRA_CLOUD")
    trusted_local_issuer: str = Field("", alias="DANGEROUS_TRUST_LOCAL_ISSUER")

    public_url: PublicUrl = Field("", alias="PUBLIC_URL")

    tenant_id: str = Field("", alias="TENANT_ID")
    tenant_display_name: str = Field("", alias="TENANT_DISPLAY_NAME")
    tenant_microsoft_id: str = Field("", alias="TENANT_MICROSOFT_ID")

    retry_delays: Delays = Field(
        (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)), alias="RETRY_DELAYS"
    )
    dedupe: Hours = Field(24 * HOUR, alias="DEDUPE_HOURS", ge=HOUR, le=168 * HOUR)
    breaker_probe: Seconds = Field(timedelta(seconds=60), alias="BREAKER_PROBE_SECONDS")
    breaker_grace: Seconds = Field(timedelta(minutes=15), alias="BREAKER_GRACE_SECONDS")
    disable_after: Hours = Field(120 * HOUR, alias="DISABLE_AFTER_HOURS", ge=HOUR, le=8760 * HOUR)
    retention: Days = Field(30 * DAY, alias="RETENTION_DAYS", ge=DAY, le=3650 * DAY)
    allow_private_endpoints: bool = Field(False, alias="DANGEROUS_ALLOW_PRIVATE_ENDPOINTS")
    allowed_endpoint_hosts: HostPatterns = Field((), alias="ALLOWED_ENDPOINT_HOSTS")
    allowed_endpoint_ports: Ports = Field((), alias="ALLOWED_ENDPOINT_PORTS")
    max_endpoints_per_owner: Count = Field(50, alias="MAX_ENDPOINTS_PER_OWNER", ge=1, le=1000)
    allowed_token_audiences: Words = Field(ALLOWED, alias="ALLOWED_TOKEN_AUDIENCES")
    mail_senders: Senders = Field((), alias="MAIL_SENDERS")
    host_name: str = Field("localhost", alias="WEBSITE_HOSTNAME")
    disabled_functions: FunctionNames = Field(frozenset(), alias="AzureWebJobs.*.Disabled")
    azure_instance: str = Field("", alias="WEBSITE_INSTANCE_ID")

    storage_scan_schedule: str = Field("", alias="STORAGE_SCAN_SCHEDULE")
    storage_thresholds: SizeLimits = Field(
        read_thresholds("75:medium,90:high,100:critical"), alias="STORAGE_THRESHOLDS"
    )
    storage_hysteresis: Decimal = Field(2.0, alias="STORAGE_HYSTERESIS", ge=0, le=50)
    storage_confirm_crossings: bool = Field(False, alias="STORAGE_CONFIRM_CROSSINGS")
    graph_base_url: str = Field("", alias="GRAPH_BASE_URL")
    graph_access_token: str = Field("", alias="GRAPH_ACCESS_TOKEN", repr=False)

    sharing_poll_schedule: str = Field("", alias="SHARING_POLL_SCHEDULE")
    sharing_events: SharingEvents = Field(
        ("permission.external_share_created", "permission.anonymous_link_created"), alias="SHARING_EVENTS"
    )
    sharing_internal_domains: Domains = Field((), alias="SHARING_INTERNAL_DOMAINS")
    sharing_client_ip: bool = Field(True, alias="SHARING_CLIENT_IP")
    management_base_url: str = Field("", alias="MANAGEMENT_BASE_URL")
    management_access_token: str = Field("", alias="MANAGEMENT_ACCESS_TOKEN", repr=False)
    provisioning_kinds: Kinds = Field((), alias="PROVISIONING_KINDS")
    sharepoint_base_url: str = Field("", alias="SHAREPOINT_BASE_URL")
    sharepoint_access_token: str = Field("", alias="SHAREPOINT_ACCESS_TOKEN", repr=False)

    @field_validator("retry_delays")
    @classmethod
    def _schedule_fits_a_message(cls, delays: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if sum(delays, timedelta()) > LONGEST_SCHEDULE:
            raise ValueError("the delays add up to more than 7 days, which is as long as a queue message can wait")
        return delays

    @field_validator("allowed_token_audiences")
    @classmethod
    def _are_audiences(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        problem = next((problem for pattern in patterns if (problem := allowed_problem(pattern))), None)
        if problem:
            raise ValueError(problem)
        return patterns

    @field_validator("trusted_local_issuer")
    @classmethod
    def _issuer_is_this_machine(cls, url: str) -> str:
        parts = taken_apart(url)
        if url and (parts.scheme != "http" or not is_loopback(parts.hostname or "")):
            raise ValueError("only an issuer on this machine can be trusted, such as http://127.0.0.1:7080")
        return url.rstrip("/")

    @field_validator("graph_base_url")
    @classmethod
    def _graph_is_microsofts_or_this_machine(cls, url: str) -> str:
        return service_url(url, _GRAPHS.__contains__, f"Microsoft Graph ({', '.join(_GRAPHS)})")

    @field_validator("management_base_url")
    @classmethod
    def _management_is_microsofts_or_this_machine(cls, url: str) -> str:
        named = f"the Office 365 Management Activity API ({', '.join(_MANAGEMENT)})"
        return service_url(url, _MANAGEMENT.__contains__, named)

    @field_validator("sharepoint_base_url")
    @classmethod
    def _sharepoint_is_microsofts_or_this_machine(cls, url: str) -> str:
        named = "the tenant's SharePoint, such as https://contoso.sharepoint.com"
        return service_url(url, is_sharepoint, named)

    @model_validator(mode="after")
    def _storage_is_named(self) -> "Settings":
        by_identity = self.storage_account or (self.queue_service_uri and self.table_service_uri)
        if not self.storage_connection and not by_identity:
            raise ValueError(
                "AzureWebJobsStorage: give a connection string, or for a managed identity "
                "AzureWebJobsStorage__accountName (or __queueServiceUri and __tableServiceUri)"
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_dangerous_on_azure(self) -> "Settings":
        require_none_on_azure(dangers(self.allow_private_endpoints, self.trusted_local_issuer), self.azure_instance)
        return self

    @model_validator(mode="after")
    def _tokens_are_for_stand_ins(self) -> "Settings":
        require_fitting_token("GRAPH", "Microsoft Graph", self.graph_base_url, self.graph_access_token)
        require_fitting_token(
            "MANAGEMENT", "the Management Activity API", self.management_base_url, self.management_access_token
        )
        require_fitting_token("SHAREPOINT", "SharePoint", self.sharepoint_base_url, self.sharepoint_access_token)
        return self

    @model_validator(mode="after")
    def _audit_log_can_be_read(self) -> "Settings":
        if self.sharing_poll_schedule and not self.management_url:
            raise ValueError(
                "SHARING_POLL_SCHEDULE: the Office 365 Management Activity API, from which sharing is read, does not "
                "exist in the cloud of China; remove it"
            )
        if self.sharing_poll_schedule and not is_guid(self.audited_tenant_id):
            raise ValueError("SHARING_POLL_SCHEDULE: set ENTRA_TENANT_ID too, a GUID: the tenant whose sharing is read")
        return self

    @property
    def graph_url(self) -> str:
        """Scheme and host of the Microsoft Graph to ask, without a slash at the end."""
        return self.graph_base_url or CLOUDS[self.entra_cloud].graph_url

    @property
    def management_url(self) -> str:
        """The same of the Management Activity API; empty where the cloud has none."""
        return self.management_base_url or CLOUDS[self.entra_cloud].management_url

    @property
    def audited_tenant_id(self) -> str:
        """The Microsoft id of the tenant whose audit log is read, in lower case."""
        return (self.entra_tenant_id or self.tenant_microsoft_id).lower()

    @property
    def own_tenant(self) -> Tenant | None:
        """The tenant that this deployment belongs to, where it is named."""
        microsoft_id = self.tenant_microsoft_id or self.entra_tenant_id
        tenant_id = self.tenant_id or microsoft_id
        if not tenant_id:
            return None
        name = self.tenant_display_name or None
        return Tenant(id=tenant_id, display_name=name, microsoft_tenant_id=microsoft_id or None)

    @property
    def client_id(self) -> str:
        """The client id of the managed identity that calls Microsoft 365; empty for the app's own."""
        return self.identity_client_id or self.storage_client_id

    @property
    def scan_schedule_problem(self) -> str | None:
        """What to change in STORAGE_SCAN_SCHEDULE; the host takes the timer away and the app runs without."""
        return schedule_problem(self.storage_scan_schedule) if self.storage_scan_schedule else None

    @property
    def sharing_schedule_problem(self) -> str | None:
        """The same of SHARING_POLL_SCHEDULE."""
        return schedule_problem(self.sharing_poll_schedule) if self.sharing_poll_schedule else None

    @property
    def schedule_length(self) -> timedelta:
        """The time from a delivery's first attempt to its last, when every attempt fails at once."""
        return sum(self.retry_delays, timedelta())

    @property
    def longest_delivery(self) -> timedelta:
        """The age at which a delivery that the breaker defers is abandoned."""
        return self.schedule_length + self.breaker_grace


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; raises SettingsError that names each wrong one and never shows a value."""
    given: dict[str, Any] = {name: value for name in _NAMES if (value := environment.get(name, "")).strip()}
    given[_DISABLED] = environment
    given.setdefault(_KEY, "")  # so that it is asked for
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        wrong = [
            f"  {'.'.join(map(str, line['loc']))}: {_clause(line)}".replace("  : ", "  ")
            for line in error.errors(include_url=False)
        ]
        raise SettingsError("These app settings are missing or wrong:\n" + "\n".join(wrong)) from None


def in_force(given: Settings) -> dict[str, Any]:
    """The settings by name, each as it would be written, with defaults and without those that are empty; of a secret,
    that there is one."""
    found = {}
    for field, told in Settings.model_fields.items():
        value, name = getattr(given, field), str(told.alias)
        if value not in ("", (), frozenset()):
            found[name] = shown(name, value) if told.repr else "(secret)"
    return found


def _clause(line: Any) -> str:
    """What is wrong with a setting; limits of a duration in the unit that the setting is named for."""
    field = next((each for each in Settings.model_fields.values() if (each.alias,) == line["loc"]), None)
    unit = UNITS.get(((field and field.alias) or "").rpartition("_")[2])
    for kind, which, said in (("greater_than_equal", "ge", "least"), ("less_than_equal", "le", "most")):
        if field and unit and line["type"] == kind:
            limit = next(getattr(each, which) for each in field.metadata if hasattr(each, which))
            return f"must be at {said} {limit / unit:g}"
    return words_of(line, Settings)


_NAMES = [str(field.alias) for field in Settings.model_fields.values()]
_KEY, _DISABLED = "SECRETS_KEY", "AzureWebJobs.*.Disabled"


def unread_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Names in the environment that are nobody's but nearly one of the app's settings, each with that one."""
    return misspelt(environment, _NAMES)


@functools.cache
def settings() -> Settings:
    """The settings of this process."""
    return read_settings(os.environ)

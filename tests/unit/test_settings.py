"""Settings are typed, validated once, and wrong ones are named without showing a value."""

import json
import logging
import re
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from shared import app as app_module
from shared.model.dangers import dangers
from shared.settings import Settings, SettingsError, in_force, read_settings, settings, unread_settings
from shared.storage.clients import Services

KEY, OLD_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
LEAST = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": KEY}


def reading(**changes: str) -> Settings:
    return read_settings(LEAST | changes)


def complaint(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return str(caught.value)


def test_the_published_schedule_is_the_default() -> None:
    assert reading().retry_delays == (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
    assert reading().schedule_length == timedelta(seconds=750)


def test_everything_dangerous_is_off_and_nobody_is_trusted_by_default() -> None:
    settings = reading()
    assert not settings.allow_private_endpoints
    assert settings.trusted_local_issuer == ""
    assert settings.entra_tenant_id == ""
    assert (settings.dedupe, settings.retention) == (timedelta(hours=24), timedelta(days=30))


def test_blank_settings_are_absent_ones() -> None:
    assert reading(RETRY_DELAYS="", DEDUPE_HOURS=" ", DANGEROUS_ALLOW_PRIVATE_ENDPOINTS="") == reading()


def test_other_environment_variables_do_not_matter() -> None:
    assert reading(PATH="/bin", HOME="/root") == reading()


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", [1]), ("0.5, 2", [0.5, 2]), ("30,120,600,604050", [30, 120, 600, 604050])]
)
def test_a_schedule_is_any_list_of_up_to_seven_days(text: str, seconds: list[float]) -> None:
    assert reading(RETRY_DELAYS=text).retry_delays == tuple(timedelta(seconds=each) for each in seconds)


@pytest.mark.parametrize("text", ["30;120", "1e3", "-1", "soon", "30,120,604800", "604801", "NaN", "inf"])
def test_a_schedule_that_cannot_be_kept_is_refused(text: str) -> None:
    assert "RETRY_DELAYS" in complaint(LEAST | {"RETRY_DELAYS": text})


@pytest.mark.parametrize("text", ["99999999999999999", "9" * 400, "0." + "1" * 400])
def test_an_absurd_delay_is_a_settings_error_too(text: str) -> None:
    assert "RETRY_DELAYS" in complaint(LEAST | {"RETRY_DELAYS": text})


def test_keys_are_several_for_rotation_and_the_first_one_writes() -> None:
    assert reading(SECRETS_KEY=f"{KEY}, {OLD_KEY}").secrets_keys == (KEY, OLD_KEY)


@pytest.mark.parametrize(
    "key",
    ["", "  ", "too-short", KEY[:-2], "é" * 44, f"{KEY},short"],
    ids=["empty", "blank", "short", "cut", "not-ascii", "second-short"],
)
def test_a_key_that_encrypts_nothing_is_refused_and_not_shown(key: str) -> None:
    text = complaint(LEAST | {"SECRETS_KEY": key})
    assert "SECRETS_KEY" in text
    assert KEY not in text
    assert "too-short" not in text


def test_an_unresolved_reference_to_a_vault_is_told_as_such() -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://kv-1.vault.azure.net/secrets/SECRETS-KEY)"
    assert "the Key Vault reference is not resolved" in complaint(LEAST | {"SECRETS_KEY": reference})


def test_a_missing_key_says_how_to_make_one() -> None:
    assert "os.urandom(32)" in complaint({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})


@pytest.mark.parametrize(
    "environment",
    [
        {"AzureWebJobsStorage": "UseDevelopmentStorage=true"},
        {"AzureWebJobsStorage__accountName": "contoso"},
        {
            "AzureWebJobsStorage__queueServiceUri": "https://q.example",
            "AzureWebJobsStorage__tableServiceUri": "https://t.example",
        },
    ],
)
def test_storage_is_named_by_connection_string_or_by_identity(environment: dict[str, str]) -> None:
    assert read_settings(environment | {"SECRETS_KEY": KEY})


@pytest.mark.parametrize("environment", [{}, {"AzureWebJobsStorage__queueServiceUri": "https://q.example"}])
def test_storage_that_is_not_named_is_asked_for(environment: dict[str, str]) -> None:
    assert "AzureWebJobsStorage" in complaint(environment | {"SECRETS_KEY": KEY})


@pytest.mark.parametrize("url", ["http://127.0.0.1:7080/", "http://localhost:7080", "http://[::1]:7080"])
def test_an_issuer_on_this_machine_can_be_trusted(url: str) -> None:
    assert reading(DANGEROUS_TRUST_LOCAL_ISSUER=url).trusted_local_issuer == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1",
        "http://10.0.0.1",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1.evil.example",
        "x",
        "http://[",
    ],
)
def test_no_other_issuer_can(url: str) -> None:
    assert "DANGEROUS_TRUST_LOCAL_ISSUER" in complaint(LEAST | {"DANGEROUS_TRUST_LOCAL_ISSUER": url})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENTRA_TENANT_ID", "contoso.com-value"),
        ("ENTRA_CLIENT_ID", "not-a-guid-value"),
        ("ENTRA_CLOUD", "mars-value"),
        ("DEDUPE_HOURS", "0"),
        ("DEDUPE_HOURS", "169"),
        ("RETENTION_DAYS", "zero-value"),
        ("DANGEROUS_ALLOW_PRIVATE_ENDPOINTS", "perhaps-value"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(name: str, value: str) -> None:
    text = complaint(LEAST | {name: value})
    assert name in text
    assert "-value" not in text


@pytest.mark.parametrize(
    ("name", "value", "clause"),
    [
        ("DEDUPE_HOURS", "0", "must be at least 1"),
        ("DEDUPE_HOURS", "169", "must be at most 168"),
        ("RETENTION_DAYS", "3651", "must be at most 3650"),
        ("RETENTION_DAYS", "1.5", "give a whole number of days"),
        ("DISABLE_AFTER_HOURS", "soon", "give a whole number of hours"),
        ("BREAKER_PROBE_SECONDS", "0.5", "must be at least 1"),
    ],
)
def test_a_duration_out_of_bounds_is_told_in_its_own_unit(name: str, value: str, clause: str) -> None:
    assert f"  {name}: {clause}" in complaint(LEAST | {name: value}).splitlines()


def test_every_wrong_setting_is_named_at_once() -> None:
    text = complaint({"RETRY_DELAYS": "x", "DEDUPE_HOURS": "x", "ENTRA_TENANT_ID": "x"})
    assert all(name in text for name in ("RETRY_DELAYS", "DEDUPE_HOURS", "ENTRA_TENANT_ID", "SECRETS_KEY"))


def test_guids_are_read_in_any_notation_and_compared_in_one() -> None:
    settings = reading(ENTRA_TENANT_ID="{235EC2CB-0767-40B3-A1DE-4DA2C42B19E9}")
    assert settings.entra_tenant_id == "235ec2cb-0767-40b3-a1de-4da2c42b19e9"


def test_storage_thresholds_have_the_documented_default() -> None:
    settings = reading()
    assert [(each.percent, each.severity) for each in settings.storage_thresholds] == [
        (75, "medium"),
        (90, "high"),
        (100, "critical"),
    ]
    assert (settings.storage_hysteresis, settings.storage_confirm_crossings) == (2, False)
    assert [each.written for each in reading(STORAGE_THRESHOLDS="500GB:high, 95:low").storage_thresholds] == [
        "500GB",
        95,
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_THRESHOLDS", "90"),
        ("STORAGE_THRESHOLDS", "90:high,90:low"),
        ("STORAGE_THRESHOLDS", "101:high"),
        ("STORAGE_HYSTERESIS", "-1"),
        ("STORAGE_HYSTERESIS", "NaN"),
        ("STORAGE_HYSTERESIS", "51"),
        ("STORAGE_CONFIRM_CROSSINGS", "perhaps"),
    ],
)
def test_storage_settings_that_cannot_be_are_named(name: str, value: str) -> None:
    assert name in complaint(LEAST | {name: value})


@pytest.mark.parametrize(
    ("cloud", "url"),
    [
        ("global", "https://graph.microsoft.com"),
        ("gcchigh", "https://graph.microsoft.us"),
        ("dod", "https://dod-graph.microsoft.us"),
        ("china", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_graph_is_that_of_the_cloud(cloud: str, url: str) -> None:
    assert reading(ENTRA_CLOUD=cloud).graph_url == url
    assert reading(GRAPH_BASE_URL=url + "/").graph_url == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:7090", "https://localhost:7090/", "http://[::1]:7090"])
def test_a_stand_in_for_graph_is_on_this_machine_and_has_a_token(url: str) -> None:
    settings = reading(GRAPH_BASE_URL=url, GRAPH_ACCESS_TOKEN="stand-in")
    assert settings.graph_url == url.rstrip("/")
    assert "stand-in" not in repr(settings)
    assert "GRAPH_ACCESS_TOKEN" in complaint(LEAST | {"GRAPH_BASE_URL": url})


@pytest.mark.parametrize(
    "url",
    [
        "http://graph.microsoft.com",
        "https://graph.example",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com.evil.example",
        "http://127.0.0.1@evil.example",
        "http://user@127.0.0.1",
        "http://127.0.0.1:7090/x",
        "http://127.0.0.1?x",
        "http://[",
        "graph",
    ],
)
def test_the_token_goes_to_microsoft_or_this_machine_alone(url: str) -> None:
    assert "GRAPH_" in complaint(LEAST | {"GRAPH_BASE_URL": url, "GRAPH_ACCESS_TOKEN": "stand-in"})


@pytest.mark.parametrize("url", ["", "https://graph.microsoft.com"])
def test_a_token_from_the_settings_is_for_a_stand_in_alone(url: str) -> None:
    text = complaint(LEAST | {"GRAPH_BASE_URL": url, "GRAPH_ACCESS_TOKEN": "a-real-one"})
    assert "GRAPH_ACCESS_TOKEN" in text
    assert "a-real-one" not in text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DANGEROUS_ALLOW_PRIVATE_ENDPOINTS", "perhaps", "must be true or false"),
        ("ENTRA_CLOUD", "gcchihg", "must be one of global, gcchigh, dod, china: did you mean 'gcchigh'?"),
        ("ENTRA_TENANT_ID", "contoso.com", "must be a GUID, such as 235ec2cb-0767-40b3-a1de-4da2c42b19e9"),
        ("STORAGE_HYSTERESIS", "51", "must be at most 50"),
        ("STORAGE_HYSTERESIS", "1_0", "give a number, such as 2 or 2.5"),
        ("STORAGE_HYSTERESIS", "nan", "give a number, such as 2 or 2.5"),
        ("MAX_ENDPOINTS_PER_OWNER", "1_0", "give a whole number"),
        ("MAX_ENDPOINTS_PER_OWNER", "5.5", "give a whole number"),
        ("MAX_ENDPOINTS_PER_OWNER", "-1", "must be at least 1"),
        ("BREAKER_PROBE_SECONDS", "1,2", "give seconds, for example 60"),
        ("BREAKER_GRACE_SECONDS", ",", "give seconds, for example 60"),
        ("RETRY_DELAYS", "٣٠", "give seconds separated by commas, for example 30,120,600"),
        ("DANGEROUS_TRUST_LOCAL_ISSUER", "http://[::1", "only an issuer on this machine can be trusted, such as"),
        ("DANGEROUS_TRUST_LOCAL_ISSUER", "http://[::g]", "only an issuer on this machine can be trusted, such as"),
        (
            "DANGEROUS_TRUST_LOCAL_ISSUER",
            "http://127.0.0.1:x",
            "only an issuer on this machine can be trusted, such as",
        ),
        ("GRAPH_BASE_URL", "http://[", "must be Microsoft Graph ("),
        ("MANAGEMENT_BASE_URL", "https://[::g]", "must be the Office 365 Management Activity API ("),
        ("SHAREPOINT_BASE_URL", "http://127.0.0.1:99999", "must be the tenant's SharePoint"),
        ("PUBLIC_URL", "https://[", "give the address that callers use, such as https://hooks.contoso.com"),
        ("PUBLIC_URL", "https://[::g]/", "give the address that callers use, such as"),
        ("PUBLIC_URL", "https://hooks.contoso.com:x", "give the address that callers use, such as"),
        ("PUBLIC_URL", "https://hooks.contoso.com/a b", "give the address that callers use, such as"),
        ("PUBLIC_URL", "https://hooks\n.contoso.com", "give the address that callers use, such as"),
        ("ALLOWED_ENDPOINT_HOSTS", "*.contoso.com,https://x", "'https://x' is the name of no host: give names"),
        ("ALLOWED_ENDPOINT_HOSTS", "hooks.contoso.com:443", "'hooks.contoso.com:443' is the name of no host"),
        ("ALLOWED_ENDPOINT_HOSTS", "bücher.example", "'bücher.example' is the name of no host"),
    ],
)
def test_a_wrong_setting_is_told_in_words(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{name}: {said}")):
        read_settings(LEAST | {name: value})


def test_whole_numbers_may_be_written_as_decimals() -> None:
    """As in bodies; a template that calculates writes them so."""
    given = reading(MAX_ENDPOINTS_PER_OWNER="5.0", DEDUPE_HOURS="48.0", RETENTION_DAYS=" 60.00 ")
    assert (given.max_endpoints_per_owner, given.dedupe, given.retention) == (
        5,
        timedelta(hours=48),
        timedelta(days=60),
    )


def test_hosts_are_allowed_by_names_patterns_and_addresses() -> None:
    hosts = ("*.contoso.com", "hooks[0-9].contoso.com", "127.0.0.1", "2001:4860::*", "::1")
    assert reading(ALLOWED_ENDPOINT_HOSTS=",".join(hosts)).allowed_endpoint_hosts == hosts


ACCOUNT = "DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey=a2V5a2V5;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    "text",
    [
        "UseDevelopmentStorage=true",
        ACCOUNT,
        ACCOUNT + ";",
        ACCOUNT.lower().replace("a2v5a2v5", "a2V5a2V5"),
        "AccountName=contoso;SharedAccessSignature=sv=1&sig=x%3D",
        "TableEndpoint=https://t.example;QueueEndpoint=https://q.example;SharedAccessSignature=sv=1&sig=x%3D",
    ],
)
def test_a_connection_string_is_taken_as_the_account_shows_it(text: str) -> None:
    assert reading(AzureWebJobsStorage=text).storage_connection == text
    services = Services(reading(AzureWebJobsStorage=text))
    assert services.queues.url.startswith("http")


@pytest.mark.parametrize(
    "text",
    [
        "contoso-value",
        "https://contoso-value.queue.core.windows.net",
        f'"{ACCOUNT}"-value',
        "AccountName=contoso-value",
        "AccountKey=a2V5a2V5-value",
        "AccountName=contoso;;AccountKey=value",
        "AccountName=contoso;AccountKey=a2V5-value",
        "BlobEndpoint=https://b.example;SharedAccessSignature=sv=1-value",
        "TableEndpoint=t-value;QueueEndpoint=q-value;SharedAccessSignature=sv=1",
        "TableEndpoint=https://[value;QueueEndpoint=https://[;SharedAccessSignature=sv=1",
        ACCOUNT.replace("=https", "=value"),
        ACCOUNT.replace("=contoso", "=contoso/value"),
    ],
)
def test_a_malformed_connection_string_is_named_and_not_shown(text: str) -> None:
    said = complaint(LEAST | {"AzureWebJobsStorage": text})
    assert "  AzureWebJobsStorage: " in said
    assert "copy the" in said
    assert "value" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AzureWebJobsStorage__accountName", "contosohooks.value.core.windows.net"),
        ("AzureWebJobsStorage__accountName", "https://contosohooks-value"),
        ("AzureWebJobsStorage__queueServiceUri", "contoso-value.queue.core.windows.net"),
        ("AzureWebJobsStorage__queueServiceUri", "https://contoso.queue.core.windows.net/?sig=value"),
        ("AzureWebJobsStorage__queueServiceUri", "https://[value"),
        ("AzureWebJobsStorage__tableServiceUri", "https://user:value@contoso.table.core.windows.net"),
    ],
)
def test_a_malformed_name_of_storage_is_named_and_not_shown(name: str, value: str) -> None:
    said = complaint(LEAST | {name: value})
    assert f"  {name}: must be the " in said
    assert "value" not in said


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RETRY_DELAY", "RETRY_DELAYS"),
        ("retry_delays", "RETRY_DELAYS"),
        ("ENTRA_TENANT", "ENTRA_TENANT_ID"),
        ("RETENTION_HOURS", "RETENTION_DAYS"),
        ("AzureWebJobsStorage__ClientID", "AzureWebJobsStorage__clientId"),
        ("AzureWebJobs.dispach.Disabled", "AzureWebJobs.dispatch.Disabled"),
        ("AzureWebJobs_ScanStorage_Disabled", "AzureWebJobs.scan_storage.Disabled"),
    ],
)
def test_a_setting_that_is_spelled_wrong_is_told_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert unread_settings(LEAST | {name: "5"}) == {name: meant}


def test_what_azure_and_its_tools_set_is_nobodys_mistake() -> None:
    names = ["AZURE_TENANT_ID", "WEBSITE_SITE_NAME", "AzureWebJobsStorage__blobServiceUri", "FUNCTIONS_WORKER_RUNTIME"]
    names += ["APPSETTING_RETRY_DELAYS", "PATH", "HOSTNAME", "AzureWebJobs.dispatch.Disabled", "HOME", "CONTAINER_NAME"]
    assert unread_settings(LEAST | dict.fromkeys(names, "x")) == {}


def test_where_names_have_no_case_no_case_is_wrong() -> None:
    class Windows(dict[str, str]):
        def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
            return super().get(name.upper(), default)

    environment = Windows({name.upper(): value for name, value in LEAST.items()} | {"RETRY_DELAYS": "5"})
    assert unread_settings(environment) == {}
    assert read_settings(environment).retry_delays == (timedelta(seconds=5),)


def test_what_is_in_force_is_told_as_it_is_written() -> None:
    told = in_force(reading(DEDUPE_HOURS="72", ALLOWED_ENDPOINT_PORTS="443,8000-8099", TENANT_ID="contoso"))
    assert told["RETRY_DELAYS"] == "30,120,600"
    assert (told["DEDUPE_HOURS"], told["RETENTION_DAYS"], told["BREAKER_GRACE_SECONDS"]) == ("72", "30", "900")
    assert told["ALLOWED_ENDPOINT_PORTS"] == "443,8000-8099"
    assert told["STORAGE_THRESHOLDS"] == "75:medium,90:high,100:critical"
    assert told["DANGEROUS_ALLOW_PRIVATE_ENDPOINTS"] is False
    assert "PUBLIC_URL" not in told, "which has no value"
    given = {name: value for name, value in told.items() if isinstance(value, str) and value != "(secret)"}
    assert read_settings(LEAST | given) == reading(**given), "they can be given again"


def test_no_secret_is_told() -> None:
    secret = re.compile(r"KEY$|TOKEN$|SECRET|PASSWORD|AzureWebJobsStorage$")
    for field in Settings.model_fields.values():
        assert not field.repr or not secret.search(field.alias or ""), f"{field.alias} needs repr=False"
    settings = reading(AzureWebJobsStorage=ACCOUNT)
    for text in (json.dumps(in_force(settings)), repr(settings)):
        assert KEY not in text
        assert "a2V5a2V5" not in text
    assert in_force(settings)["SECRETS_KEY"] == in_force(settings)["AzureWebJobsStorage"] == "(secret)"


def test_the_start_tells_what_is_in_force_and_what_nothing_reads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in (LEAST | {"RETRY_DELAY": "5"}).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    app_module.get_app.cache_clear()
    try:
        with caplog.at_level(logging.INFO, "tenant_hooks"):
            app_module.get_app()
    finally:
        settings.cache_clear()
        app_module.get_app.cache_clear()
    lines = {line["event"]: line for line in map(json.loads, caplog.messages)}
    assert lines["settings.loaded"]["settings"]["RETRY_DELAYS"] == "30,120,600"
    assert lines["settings.unknown"]["setting"] == "RETRY_DELAY"
    assert lines["settings.unknown"]["meaning"] == "nothing reads it: did you mean RETRY_DELAYS?"


@pytest.mark.parametrize("name", ["AzureWebJobs.dispatch.Disabled", "AzureWebJobs_dispatch_Disabled"])
def test_functions_are_disabled_as_the_host_has_it(name: str) -> None:
    for value in ("true", "True", "1", " true "):
        assert reading(**{name: value}).disabled_functions == {"dispatch"}
    for value in ("false", "0", "", "yes"):
        assert reading(**{name: value}).disabled_functions == set()


DANGEROUS = {"DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true", "DANGEROUS_TRUST_LOCAL_ISSUER": "http://127.0.0.1:7080"}


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_dangerous_setting_ends_the_start_on_azure(name: str) -> None:
    """It was warned of, in one line among many."""
    reading(**{name: DANGEROUS[name]})
    said = complaint(LEAST | {name: DANGEROUS[name], "WEBSITE_INSTANCE_ID": "4f1c"})
    assert name in said
    assert "Delete the app setting" in said


def test_every_dangerous_setting_is_looked_at_and_one_that_is_off_ends_nothing() -> None:
    given = reading(**DANGEROUS)
    found = dangers(given.allow_private_endpoints, given.trusted_local_issuer)
    assert set(found) == {
        alias for field in Settings.model_fields.values() if (alias := str(field.alias)).startswith("DANGEROUS_")
    }
    reading(WEBSITE_INSTANCE_ID="4f1c", DANGEROUS_ALLOW_PRIVATE_ENDPOINTS="false", DANGEROUS_TRUST_LOCAL_ISSUER="")


SHARING = {"SHARING_POLL_SCHEDULE": "0 */5 * * * *", "ENTRA_TENANT_ID": "235EC2CB-0767-40b3-a1de-4da2c42b19e9"}


@pytest.mark.parametrize(
    ("cloud", "url"),
    [
        ("global", "https://manage.office.com"),
        ("gcchigh", "https://manage.office365.us"),
        ("dod", "https://manage.protection.apps.mil"),
    ],
)
def test_the_audit_log_is_that_of_the_cloud(cloud: str, url: str) -> None:
    settings = reading(ENTRA_CLOUD=cloud, **SHARING)
    assert (settings.management_url, settings.audited_tenant_id) == (url, SHARING["ENTRA_TENANT_ID"].lower())
    gcc = reading(MANAGEMENT_BASE_URL="https://manage-gcc.office.com/")
    assert gcc.management_url == "https://manage-gcc.office.com"


def test_china_has_no_audit_log_to_poll() -> None:
    assert "does not exist in the cloud of China" in complaint(LEAST | SHARING | {"ENTRA_CLOUD": "china"})
    stand_in = {"MANAGEMENT_BASE_URL": "http://127.0.0.1:7090", "MANAGEMENT_ACCESS_TOKEN": "stand-in"}
    assert reading(ENTRA_CLOUD="china", **SHARING, **stand_in).management_url == "http://127.0.0.1:7090"
    assert reading(ENTRA_CLOUD="china").management_url == ""


def test_polling_needs_a_tenant() -> None:
    assert "ENTRA_TENANT_ID" in complaint(LEAST | {"SHARING_POLL_SCHEDULE": "0 */5 * * * *"})
    assert "ENTRA_TENANT_ID" in complaint(LEAST | {**SHARING, "ENTRA_TENANT_ID": "", "TENANT_MICROSOFT_ID": "contoso"})
    named = reading(SHARING_POLL_SCHEDULE="0 */5 * * * *", TENANT_MICROSOFT_ID=SHARING["ENTRA_TENANT_ID"])
    assert named.audited_tenant_id == SHARING["ENTRA_TENANT_ID"].lower()


def test_a_wrong_schedule_of_polls_is_told_and_ends_nothing() -> None:
    assert reading(**SHARING).sharing_schedule_problem is None
    assert reading(**SHARING | {"SHARING_POLL_SCHEDULE": "hourly"}).sharing_schedule_problem is not None


@pytest.mark.parametrize(
    "url", ["http://manage.office.com", "https://manage.office.com.evil.example", "http://[::1]@x"]
)
def test_the_audit_logs_token_goes_to_microsoft_or_this_machine_alone(url: str) -> None:
    assert "MANAGEMENT_" in complaint(LEAST | {"MANAGEMENT_BASE_URL": url, "MANAGEMENT_ACCESS_TOKEN": "stand-in"})


def test_a_token_for_the_audit_log_is_for_a_stand_in_alone() -> None:
    text = complaint(LEAST | {"MANAGEMENT_ACCESS_TOKEN": "a-real-one"})
    assert "MANAGEMENT_ACCESS_TOKEN" in text
    assert "a-real-one" not in text
    assert "MANAGEMENT_ACCESS_TOKEN" in complaint(LEAST | {"MANAGEMENT_BASE_URL": "http://127.0.0.1:7090"})


def test_what_sharing_tells_can_be_chosen() -> None:
    assert reading().sharing_events == ("permission.external_share_created", "permission.anonymous_link_created")
    assert reading(SHARING_EVENTS="permission.revoked").sharing_events == ("permission.revoked",)
    assert reading(SHARING_INTERNAL_DOMAINS="A.Example, b.example").sharing_internal_domains == (
        "a.example",
        "b.example",
    )
    text = complaint(LEAST | {"SHARING_EVENTS": "permission.external_share_creatd"})
    assert "did you mean 'permission.external_share_created'?" in text
    assert "such as contoso.com" in complaint(LEAST | {"SHARING_INTERNAL_DOMAINS": "@contoso.example"})


def test_no_workspace_may_be_asked_for_by_default() -> None:
    assert reading().provisioning_kinds == ()
    assert reading(PROVISIONING_KINDS="teams, sites").provisioning_kinds == ("teams", "sites")


def test_a_kind_of_workspace_that_there_is_not_is_named_with_those_there_are() -> None:
    assert "PROVISIONING_KINDS: give some of teams, groups, sites, yammer" in complaint(
        LEAST | {"PROVISIONING_KINDS": "teams,channels"}
    )


@pytest.mark.parametrize(
    "url", ["https://contoso.sharepoint.com", "https://contoso-dev.sharepoint.us", "https://contoso.sharepoint.cn"]
)
def test_sharepoint_is_the_tenants_in_any_cloud(url: str) -> None:
    assert reading(SHAREPOINT_BASE_URL=url + "/").sharepoint_base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.sharepoint.com",
        "https://contoso.sharepoint.com.evil.example",
        "https://evil.example/contoso.sharepoint.com",
        "https://a.b.sharepoint.com",
        "https://user@contoso.sharepoint.com",
        "https://contoso.sharepoint.com/sites/x",
        "https://evil.example",
    ],
)
def test_the_token_for_sharepoint_goes_nowhere_else(url: str) -> None:
    text = complaint(LEAST | {"SHAREPOINT_BASE_URL": url})
    assert "SHAREPOINT_BASE_URL: must be the tenant's SharePoint" in text
    assert "evil" not in text


def test_a_stand_in_for_sharepoint_has_a_token_of_its_own_and_sharepoint_none() -> None:
    local = {"SHAREPOINT_BASE_URL": "http://127.0.0.1:7090", "SHAREPOINT_ACCESS_TOKEN": "stand-in"}
    assert reading(**local).sharepoint_access_token == "stand-in"
    assert "SHAREPOINT_ACCESS_TOKEN: give the one" in complaint(
        LEAST | {"SHAREPOINT_BASE_URL": "http://127.0.0.1:7090"}
    )
    real = {"SHAREPOINT_BASE_URL": "https://contoso.sharepoint.com", "SHAREPOINT_ACCESS_TOKEN": "a-real-one"}
    text = complaint(LEAST | real)
    assert "SHAREPOINT_ACCESS_TOKEN: only for a stand-in" in text
    assert "a-real-one" not in text

"""Which URLs are taken, and that each is read in one way only."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound.addresses import MAX_URL_LENGTH, AddressPolicy, Refused, Target, read_url, refused_address
from unit.outbound.test_addresses import LOCAL, STRICT

TOLD_IN = "docs/receivers.md#the-url"


def refusal(url: str, policy: AddressPolicy = STRICT) -> str:
    target = read_url(url, policy)
    assert isinstance(target, Refused), f"{url!r} is read as {target}"
    return target.reason


def dialled(url: str) -> list[str]:
    """The addresses that the host of a URL which was not refused stands for, as the system reads it."""
    target = read_url(url, STRICT)
    assert isinstance(target, Target)
    return [str(entry[4][0]) for entry in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)]


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("2130706433", "four decimal numbers"),
        ("0x7f000001", "four decimal numbers"),
        ("0x7f.1", "four decimal numbers"),
        ("0x7F.0x1", "four decimal numbers"),
        ("0177.0.0.1", "four decimal numbers"),
        ("017700000001", "four decimal numbers"),
        ("127.1", "four decimal numbers"),
        ("127.0.1", "four decimal numbers"),
        ("127.0.0.0x1", "four decimal numbers"),
        ("1.2.3.4.5", "four decimal numbers"),
        ("256.1.1.1", "four decimal numbers"),
        ("0", "four decimal numbers"),
        ("１２７.1", "four decimal numbers"),
        ("good.example@127.0.0.1", "user name"),
        ("user:password@good.example", "user name"),
        ("127.0.0.1#@good.example", "fragment"),
        ("good.example\\@127.0.0.1", "backslash"),
        ("127.0.0.1\\.good.example", "backslash"),
        ("good.example\t", "control character"),
        ("good.exa\nmple", "control character"),
        ("good.example\x00.evil.example", "control character"),
        (" good.example", "space"),
        ("good.example\u200b", "space"),
        ("good.example:99999", "cannot be read"),
        ("good.example:0", "port 0"),
        ("good.example:000", "port 0"),
        ("good.example:８０", "cannot be read"),
        ("good.example:-1", "cannot be read"),
        ("[::1", "cannot be read"),
        ("", "not a valid name"),
        (":443", "not a valid name"),
        ("-a.example", "not a valid name"),
        ("a..example", "not a valid name"),
        ("a%2eexample", "not a valid name"),
        ("*.example", "not a valid name"),
        ("xn--", "not a valid name"),
        ("a" * 64 + ".example", "not a valid name"),
        (".".join(["a" * 60] * 5), "not a valid name"),
        ("good.example,127.0.0.1", "four decimal numbers"),
        ("good.example,evil.example", "not a valid name"),
    ],
)
def test_a_host_that_could_be_read_in_two_ways_is_refused(host: str, says: str) -> None:
    assert says in refusal(f"https://{host}/hook?code=hidden")
    assert "hidden" not in refusal(f"https://{host}/hook?code=hidden")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.0.0.1.",
            "①②⑦.⓪.⓪.①",
            "１２７.０.０.１",
            "127。0。0。1",
            "[::1]",
            "[::ffff:7f00:1]",
            "[::ffff:127.0.0.1]",
        ),
        *(
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
            "[::ffff:169.254.169.254]",
            "169.254.169.254",
            "168.63.129.16",
            "[::]",
            "0.0.0.0",  # noqa: S104 (an address like the others)
        ),
        *("localhost", "localhost.", "LOCALHOST", "ⓛocalhost"),
    ],
)
def test_every_way_to_write_an_inner_address_ends_at_the_guard(host: str) -> None:
    url = f"https://{host}/"
    assert refused_address(host, dialled(url), STRICT) is not None


@pytest.mark.parametrize("host", ["[fe80::1%25eth0]", "[fe80::1%eth0]", "[2606:4700::1111%25eth0]", "[v1.fe80]"])
def test_what_stands_in_brackets_is_a_plain_ipv6_address(host: str) -> None:
    refusal(f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Good.Example/x", "good.example"),
        ("https://good.example./x", "good.example"),
        ("https://bücher.example/x", "xn--bcher-kva.example"),
        ("https://BÜCHER.example/x", "xn--bcher-kva.example"),
        ("https://under_score.example/x", "under_score.example"),
        ("https://[2606:4700:0::1111]/x", "2606:4700::1111"),
        ("https://1.1.1.1/x", "1.1.1.1"),
        ("https://1.example/x", "1.example"),
    ],
)
def test_a_name_is_resolved_in_its_one_plain_notation(url: str, host: str) -> None:
    target = read_url(url, STRICT)
    assert isinstance(target, Target)
    assert target.host == host


@pytest.mark.parametrize(
    "url",
    [
        "http://good.example/",
        "ftp://good.example/",
        "file:///etc/passwd",
        "good.example",
        "//good.example/",
        "",
        "javascript:alert(1)",
        "https:good.example",
        "https:/good.example",
    ],
)
def test_only_https_is_taken(url: str) -> None:
    assert refusal(url)


def test_http_is_taken_where_the_dangerous_setting_allows_it() -> None:
    assert read_url("http://127.0.0.1:8080/x", LOCAL) == Target("http", "127.0.0.1", 8080, "/x")
    assert "https://" in refusal("ftp://127.0.0.1/", LOCAL)
    assert "user name" in refusal("http://a@127.0.0.1/", LOCAL)


@pytest.mark.parametrize(
    ("rest", "port", "path"),
    [
        ("", 443, "/"),
        ("/", 443, "/"),
        (":443/a", 443, "/a"),
        (":8443", 8443, "/"),
        ("?code=1", 443, "/?code=1"),
        (
            "/a%2fb%2F../c/./d//e;p?x=%41&y=a+b&z=&sig=a%3D%3d==",
            443,
            "/a%2fb%2F../c/./d//e;p?x=%41&y=a+b&z=&sig=a%3D%3d==",
        ),
        ("/a?b?c/d@e:f", 443, "/a?b?c/d@e:f"),
        ("/?", 443, "/?"),
    ],
)
def test_path_and_query_stay_byte_for_byte(rest: str, port: int, path: str) -> None:
    assert read_url("https://good.example" + rest, STRICT) == Target("https", "good.example", port, path)


def test_azures_callback_url_is_taken_as_it_is() -> None:
    path = "/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers%2Frun&sv=1.0&sig=aB_-x"
    target = read_url("https://prod-12.westeurope.logic.azure.com:443" + path, STRICT)
    assert target == Target("https", "prod-12.westeurope.logic.azure.com", 443, path)


def test_what_cannot_stand_on_a_request_line_is_refused() -> None:
    assert "percent-encode" in refusal("https://good.example/é")
    assert "fragment" in refusal("https://good.example/x#y")
    assert "longer than" in refusal("https://good.example/" + "a" * MAX_URL_LENGTH)


def test_allowed_hosts_narrow_to_names_and_patterns() -> None:
    policy = AddressPolicy(hosts=("Hooks.Contoso.com", "*.azurewebsites.net"))
    for url in ("https://hooks.contoso.com/", "https://HOOKS.contoso.COM./x", "https://a.b.azurewebsites.net/"):
        assert isinstance(read_url(url, policy), Target)
    for url in (
        "https://contoso.com/",
        "https://azurewebsites.net/",
        "https://evilazurewebsites.net/",
        "https://x.azurewebsites.net.evil.example/",
    ):
        assert "ALLOWED_ENDPOINT_HOSTS" in refusal(url, policy)


@given(st.text(max_size=60), st.sampled_from(["", "https://", "http://", "https://h/", "https://[", "https://1.2.3.4"]))
def test_reading_a_url_never_fails(text: str, start: str) -> None:
    result = read_url(start + text, STRICT)
    if isinstance(result, Target):
        assert result.path.isascii()
        assert result.path.startswith("/")
        assert result.host == result.host.lower()

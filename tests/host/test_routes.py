import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.routes import InvalidTemplate, compile_route


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("v1.0/events", "/v1.0/events", {}),
        ("v1.0/events", "/V1.0/EVENTS/", {}),
        ("v1.0/events", "/v1x0/events", None),
        ("v1.0/events", "/v1.0//events", None),
        ("events/{key}", "/events/a%20b", {"key": "a b"}),
        ("events/{key}", "/events/a%2Fb", {"key": "a%2Fb"}),
        ("events/{key}", "/events", None),
        ("events/{key?}", "/events", {}),
        ("events/{key?}", "/events/x", {"key": "x"}),
        ("events/{key=all}", "/events", {"key": "all"}),
        ("files/{name}.{extension}", "/files/a.b.txt", {"name": "a.b", "extension": "txt"}),
        ("{*path}", "/", {}),
        ("{*path}", "/a/b", {"path": "a/b"}),
        ("pages/{**path}", "/pages", {}),
        ("pages/{*path}", "/pagesx", None),
        ("n/{n:int}", "/n/-5", {"n": "-5"}),
        ("n/{n:int}", "/n/2147483648", None),
        ("n/{n:long:min(10)}", "/n/2147483648", {"n": "2147483648"}),
        ("n/{n:range(1,5)}", "/n/6", None),
        ("n/{n:int?}", "/n", {}),
        ("n/{n:alpha:length(2,3)}", "/n/abc", {"n": "abc"}),
        ("n/{n:alpha:maxlength(2)}", "/n/abc", None),
        ("n/{n:minlength(3)}", "/n/abc", {"n": "abc"}),
        ("n/{n:bool}", "/n/True", {"n": "True"}),
        ("n/{n:double}", "/n/1.5", {"n": "1.5"}),
        ("n/{n:guid}", "/n/158b08cc-6a06-49f2-a724-2bc514fdcf1e", {"n": "158b08cc-6a06-49f2-a724-2bc514fdcf1e"}),
        ("n/{n:guid}", "/n/158b08cc", None),
        ("n/{n:regex(^[a-z]{{2}}$)}", "/n/ab", {"n": "ab"}),
        ("n/{n:regex(^[a-z]{{2}}$)}", "/n/abc", None),
    ],
)
def test_match(template: str, path: str, values: dict[str, str] | None) -> None:
    assert compile_route(template).match(path) == values


@pytest.mark.parametrize("template", ["a/{", "a/{b:nonsense}", "{a}/{a}", "a}b", "{n:range(1)}", "{n:min(x)}"])
def test_invalid(template: str) -> None:
    with pytest.raises(InvalidTemplate):
        compile_route(template)


segments = st.from_regex(r"[a-z0-9._-]{1,8}", fullmatch=True)


@given(st.lists(segments, min_size=1, max_size=4))
def test_literals_match_themselves_and_a_catch_all_gives_back_the_path(parts: list[str]) -> None:
    path = "/".join(parts)
    assert compile_route(path).match(f"/{path.upper()}") == {}
    assert compile_route("{*path}").match(f"/{path}") == {"path": path}
    assert compile_route("/".join(f"{{p{n}}}" for n in range(len(parts)))).match(f"/{path}") == {
        f"p{n}": part for n, part in enumerate(parts)
    }

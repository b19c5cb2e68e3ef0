"""Who is outside: the cases that a tenant's audit log has, and that nobody is made external by ignorance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.audit_records import DOMAINS
from shared.sharing.principals import Principal, principal_of

TOLD_IN = "docs/sharing.md#who-is-outside"


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("zoe@fabrikam.example", "Guest", Principal("zoe@fabrikam.example", True)),
        ("ZOE@FABRIKAM.EXAMPLE", "", Principal("ZOE@FABRIKAM.EXAMPLE", True)),
        ("leo@contoso.example", "Member", Principal("leo@contoso.example", False)),
        ("leo@mail.contoso.example", "Member", Principal("leo@mail.contoso.example", False)),
        ("LEO@Contoso.Example", "", Principal("LEO@Contoso.Example", False)),
        ("leo@notcontoso.example", "Member", Principal("leo@notcontoso.example", True)),
        ("leo@contoso.example", "Guest", Principal("leo@contoso.example", True)),
        ("pat", "Partner", Principal("pat", True)),
        ("zoe_fabrikam.example#ext#@contoso.onmicrosoft.com", "Member", Principal("zoe@fabrikam.example", True)),
        (
            "first_last_fabrikam.example#EXT#@contoso.onmicrosoft.com",
            "",
            Principal("first_last@fabrikam.example", True),
        ),
        ("zoe#ext#", "", Principal("zoe", True)),
        ("i:0#.f|membership|leo@contoso.example", "", Principal("leo@contoso.example", False)),
        (
            "i:0#.f|membership|zoe_fabrikam.example#ext#@contoso.onmicrosoft.com",
            "",
            Principal("zoe@fabrikam.example", True),
        ),
        ("c:0(.s|true", "SecurityGroup", Principal("Everyone", True)),
        (
            "c:0-.f|rolemanager|spo-grid-all-users/235ec2cb-0767-40b3-a1de-4da2c42b19e9",
            "SecurityGroup",
            Principal("Everyone except external users", False),
        ),
        ("Finance", "SecurityGroup", Principal("Finance", False)),
        ("Q|A team", "SharePointGroup", Principal("Q|A team", False)),
        ("@fabrikam.example", "", Principal("@fabrikam.example", False)),
        ("", "Guest", None),
        ("i:0#.f|membership|", "", None),
    ],
)
def test_who_is_meant_and_whether_they_are_outside(name: str, kind: str, expected: Principal | None) -> None:
    assert principal_of(name, kind, DOMAINS) == expected


@given(st.emails(), st.sampled_from(["", "Member", "SecurityGroup", "SharePointGroup"]))
def test_while_the_tenants_domains_are_unknown_an_address_makes_nobody_external(name: str, kind: str) -> None:
    found = principal_of(name, kind, frozenset())
    assert found is None or not found.is_external or "#ext#" in name.lower()

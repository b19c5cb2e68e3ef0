from e2e.conftest import (  # noqa: F401 (fixtures)
    authority,
    background,
    issuer,
    make_settings,
    make_storage,
    receivers,
)

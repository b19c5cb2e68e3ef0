"""Every path and method that is nothing else's: a 404 or 405 that can be read."""

from typing import NoReturn

from shared.api.call import Call
from shared.api.problem import Problem, not_found
from shared.api.routes import Routes


def refuse(call: Call, routes: Routes) -> NoReturn:
    path = "/" + call.request.route_params.get("path", "")
    methods = routes.methods_of(path)
    if not methods:
        raise not_found("There is nothing at this path: docs/api.md lists those there are")
    allowed = ", ".join(methods)
    raise Problem(405, "method-not-allowed", f"This path takes {allowed}", headers={"Allow": allowed})

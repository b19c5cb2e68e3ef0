"""`/v1.0/provision/templates`: what workspaces are made after."""

from shared import logs
from shared.api import provisioning_views as views
from shared.api.http.call import Request, Response, invalid
from shared.api.http.operation import Returns, Tag, operation, path
from shared.api.http.problem import bad_request, conflict, not_found
from shared.model.provisioning import TEMPLATE_ID, Template, template_problem

MOST_TEMPLATES = 200

_ID = path(
    "id", "The template's id, which the caller chooses", {"type": "string", "pattern": f"^{TEMPLATE_ID.pattern}$"}
)


@operation(
    "List the templates of workspaces",
    tag=Tag.WORKSPACES,
    answers={200: Returns("All of them, by id", views.TemplateList)},
)
def list_all(request: Request) -> Response:
    shown = [views.template_view(each) for each in request.app.workspaces.templates()]
    return Response(200, views.TemplateList(value=shown).shown())


@operation(
    "Read a template",
    tag=Tag.WORKSPACES,
    answers={200: Returns("The template", views.ShownTemplate)},
    parameters=(_ID,),
)
def get(request: Request) -> Response:
    return Response(200, views.template_view(_found(request)).shown())


@operation(
    "Make or replace a template",
    tag=Tag.WORKSPACES,
    answers={200: Returns("The template", views.ShownTemplate)},
    description="What the body does not say has its default. Requests that are under way keep the template as it was.",
    parameters=(_ID,),
    body=views.TemplateBody,
    finds=False,
    refusals=(409,),
)
def put(request: Request) -> Response:
    template_id = request.path("id")
    if not TEMPLATE_ID.fullmatch(template_id):
        raise bad_request("The id in the path must be 1 to 64 letters, digits and the signs _ -: choose another one")
    template = request.model(views.TemplateBody).as_template(template_id)
    problem = template_problem(template)
    if problem:
        raise invalid([problem])
    known = {each.id for each in request.app.workspaces.templates()}
    if template_id not in known and len(known) >= MOST_TEMPLATES:
        raise conflict(f"There are {MOST_TEMPLATES} templates, and no more are taken: delete one that is not used")
    request.app.workspaces.write_template(template)
    logs.audit(request.caller, "template.changed", templateId=template_id)
    return Response(200, views.template_view(template).shown())


@operation(
    "Delete a template",
    tag=Tag.WORKSPACES,
    answers={204: Returns("It is gone")},
    parameters=(_ID,),
)
def delete(request: Request) -> Response:
    template = _found(request)
    request.app.workspaces.remove_template(template.id)
    logs.audit(request.caller, "template.deleted", templateId=template.id)
    return Response(204)


def _found(request: Request) -> Template:
    template_id = request.path("id")
    template = request.app.workspaces.template(template_id) if TEMPLATE_ID.fullmatch(template_id) else None
    if template is None:
        raise not_found("There is no template with this id")
    return template

"""Tenant Hooks: every trigger, in the order in which an event meets them.

POST /v1.0/provision/… -> queue `provisioning` -> provision -> Microsoft 365
                                                      |-> events, like these:
POST /v1.0/events, scan_storage, poll_sharing -> queue `deliveries` -> dispatch -> receiver
                                             |-> failed: same queue, visible after 30 s, 2 min, 10 min
                                             |-> schedule spent: queue `deliveries-poison` -> exhausted -> alert log
"""

import gc

import azure.functions as func

from shared.api import (
    alerts,
    console,
    deliveries,
    endpoint_replays,
    endpoints,
    events,
    health,
    me,
    newest,
    options,
    overviews,
    previews,
    provisioning,
    provisioning_templates,
    subscriptions,
    types,
    usage,
)
from shared.api.http import openapi
from shared.api.http.auth import Role
from shared.api.http.kept import kept
from shared.api.http.routing import Routes
from shared.app import get_app
from shared.delivery import dispatcher, operational_events, poison, queue_metrics, succession
from shared.model.setting_values import DAY
from shared.provisioning import worker
from shared.storage import reencryption, retention
from shared.timers import run_each
from shared.usage import scan

STORAGE = "AzureWebJobsStorage"
ADMIN, PUBLISH, READ, SUBSCRIBE, PROVISION = Role.ADMIN, Role.PUBLISH, Role.READ, Role.SUBSCRIBE, Role.PROVISION

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # a bearer token is the key: see the roles below
http = Routes(app)
get_app()  # wrong settings end the start with a clear message, not the first request


# Registering receivers

http.route("endpoint_register", "POST", "v1.0/webhooks/endpoints", endpoints.register, ADMIN, SUBSCRIBE)
http.route("endpoint_list", "GET", "v1.0/webhooks/endpoints", endpoints.list_all, ADMIN, SUBSCRIBE)
http.route("endpoint_delete_by_url", "DELETE", "v1.0/webhooks/endpoints", endpoints.delete_by_url, ADMIN, SUBSCRIBE)
http.route("endpoint_get", "GET", "v1.0/webhooks/endpoints/{id}", endpoints.get, ADMIN, SUBSCRIBE)
http.route("endpoint_change", "PATCH", "v1.0/webhooks/endpoints/{id}", endpoints.change, ADMIN)
http.route("endpoint_delete", "DELETE", "v1.0/webhooks/endpoints/{id}", endpoints.delete, ADMIN, SUBSCRIBE)
http.route("endpoint_test", "POST", "v1.0/webhooks/endpoints/{id}/test", endpoints.test, ADMIN)
http.route("endpoint_secret", "GET", "v1.0/webhooks/endpoints/{id}/secret", endpoints.secret, ADMIN)
http.route(
    "endpoint_secret_rotate", "POST", "v1.0/webhooks/endpoints/{id}/secret/rotate", endpoints.rotate_secret, ADMIN
)
http.route("subscription_create", "POST", "v1.0/webhooks/subscriptions", subscriptions.create, ADMIN, SUBSCRIBE)
http.route(
    "subscription_create_of_family",
    "POST",
    "v1.0/webhooks/families/{family}/subscriptions",
    subscriptions.create_of_family,
    ADMIN,
    SUBSCRIBE,
)
http.route("subscription_put", "PUT", "v1.0/webhooks/subscriptions/{key}", subscriptions.put, ADMIN, SUBSCRIBE)
http.route("subscription_get", "GET", "v1.0/webhooks/subscriptions/{key}", subscriptions.get, ADMIN, SUBSCRIBE)
http.route("subscription_delete", "DELETE", "v1.0/webhooks/subscriptions/{key}", subscriptions.delete, ADMIN, SUBSCRIBE)
http.route("format_list", "GET", "v1.0/webhooks/formats", previews.list_formats, READ, SUBSCRIBE)
http.route("format_preview", "POST", "v1.0/webhooks/preview", previews.preview, ADMIN, SUBSCRIBE)
http.route("options_get", "GET", "v1.0/options", options.get, ADMIN)
http.route("options_rotate", "POST", "v1.0/options/signature-key/rotate", options.rotate, ADMIN)
http.route("type_list", "GET", "v1.0/webhooks/types", types.list_all, READ, SUBSCRIBE)
http.route("type_schema", "GET", "v1.0/webhooks/types/{type}/schema", types.schema, READ, SUBSCRIBE)


# Publishing

http.route("event_publish", "POST", "v1.0/events", events.publish_events, PUBLISH)
http.route("event_list", "GET", "v1.0/events", newest.list_events, READ)
http.route("event_match", "POST", "v1.0/events/match", previews.match, ADMIN)
http.route("event_get", "GET", "v1.0/events/{key}", events.get, READ)
http.route("event_erase", "DELETE", "v1.0/events/{key}", events.erase, ADMIN)


# Watching SharePoint's storage


@app.timer_trigger("timer", "%STORAGE_SCAN_SCHEDULE%")
def scan_storage(timer: func.TimerRequest) -> None:
    scan.scan(get_app())


http.route("storage_site_list", "GET", "v1.0/storage/sites", usage.list_sites, READ)
http.route("storage_threshold_get", "GET", "v1.0/storage/thresholds", usage.get_thresholds, ADMIN)
http.route("storage_threshold_put", "PUT", "v1.0/storage/thresholds", usage.put_thresholds, ADMIN)


# Watching what is shared

if get_app().settings.sharing_poll_schedule:  # else it is off, and costs the start nothing
    from shared.sharing import poll

    @app.timer_trigger("timer", "%SHARING_POLL_SCHEDULE%")
    def poll_sharing(timer: func.TimerRequest) -> None:
        poll.poll(get_app())


# Making workspaces

http.route("workspace_provision_teams", "POST", "v1.0/provision/teams", provisioning.provision_teams, PROVISION)
http.route("workspace_provision_groups", "POST", "v1.0/provision/groups", provisioning.provision_groups, PROVISION)
http.route("workspace_provision_sites", "POST", "v1.0/provision/sites", provisioning.provision_sites, PROVISION)
http.route("workspace_provision_yammer", "POST", "v1.0/provision/yammer", provisioning.provision_yammer, PROVISION)
http.route("workspace_request_list", "GET", "v1.0/provision/requests", provisioning.list_requests, PROVISION)
http.route("workspace_request_get", "GET", "v1.0/provision/requests/{id}", provisioning.get_request, PROVISION)
http.route("workspace_request_status", "GET", "v1.0/requests/{id}/status", provisioning.get_status, PROVISION)
http.route("workspace_request_result", "GET", "v1.0/requests/{id}/result", provisioning.get_result, PROVISION)
http.route("template_list", "GET", "v1.0/provision/templates", provisioning_templates.list_all, PROVISION)
http.route("template_get", "GET", "v1.0/provision/templates/{id}", provisioning_templates.get, PROVISION)
http.route("template_put", "PUT", "v1.0/provision/templates/{id}", provisioning_templates.put, ADMIN)
http.route("template_delete", "DELETE", "v1.0/provision/templates/{id}", provisioning_templates.delete, ADMIN)


@app.queue_trigger("msg", "provisioning", connection=STORAGE)
async def provision(msg: func.QueueMessage) -> None:
    await worker.provision(get_app(), msg.get_body(), msg.dequeue_count or 1)


@app.queue_trigger("msg", "provisioning-poison", connection=STORAGE)
async def provision_interrupted(msg: func.QueueMessage) -> None:
    await worker.poison(get_app(), msg.get_body())


# Delivering


@app.queue_trigger("msg", "deliveries", connection=STORAGE)
async def dispatch(msg: func.QueueMessage) -> None:
    await dispatcher.dispatch(get_app(), msg.get_body(), msg.dequeue_count or 1)


@app.queue_trigger("msg", "deliveries-poison", connection=STORAGE)
async def exhausted(msg: func.QueueMessage) -> None:
    await poison.exhausted(get_app(), msg.get_body(), msg.insertion_time, msg.dequeue_count or 1)


@app.timer_trigger("timer", "0 */4 * * * *")
async def sweep(timer: func.TimerRequest) -> None:
    await poison.sweep(get_app())


# Looking back

http.route("delivery_list", "GET", "v1.0/webhooks/deliveries", deliveries.list_some, READ)
http.route("delivery_newest", "GET", "v1.0/webhooks/newest-deliveries", newest.list_deliveries, READ)
http.route("delivery_get", "GET", "v1.0/webhooks/deliveries/{id}", deliveries.get, READ)
http.route("delivery_retry", "POST", "v1.0/webhooks/deliveries/{id}/retry", deliveries.retry_one, ADMIN)
http.route("delivery_request", "GET", "v1.0/webhooks/deliveries/{id}/request", previews.read_request, READ)
http.route("delivery_acknowledge", "PATCH", "v1.0/webhooks/deliveries/{id}", alerts.acknowledge, ADMIN)
http.route("alert_retry", "POST", "v1.0/webhooks/deliveries/retry", alerts.retry_all, ADMIN)
http.route("alert_acknowledge", "POST", "v1.0/webhooks/deliveries/acknowledge", alerts.acknowledge_all, ADMIN)
http.route("endpoint_replay", "POST", "v1.0/webhooks/endpoints/{id}/replay", endpoint_replays.replay_since, ADMIN)


# Looking at it

http.page("console_home", "", console.home)
http.page("console_file", "console", console.get)
http.route("overview_get", "GET", "v1.0/overview", overviews.get, READ)
http.route("me_get", "GET", "v1.0/me", me.get, ADMIN, PUBLISH, READ, SUBSCRIBE, PROVISION)


# Looking after the app


@app.timer_trigger("timer", "0 * * * * *")
def measure(timer: func.TimerRequest) -> None:
    run_each(get_app(), queue_metrics.measure, operational_events.tell_waiting, succession.tend)


@app.timer_trigger("timer", "0 30 3 * * *")
def retire(timer: func.TimerRequest) -> None:
    run_each(
        get_app(),
        lambda app: retention.drop_old_tables(app.services, app.now(), app.settings.retention),
        lambda app: retention.forget_names(app.endpoints.deleted, app.now(), app.settings.retention),
        lambda app: app.workspaces.forget_before(app.now() - app.settings.retention),
        lambda app: app.notices.drop_older(app.now() - DAY),
    )


@app.timer_trigger("timer", "0 45 3 * * *")
def reencrypt(timer: func.TimerRequest) -> None:
    reencryption.reencrypt(get_app().endpoints, get_app().options)


http.route("health_get", "GET", "health", kept(health.get, seconds=2), anybody=True)
http.route("openapi_get", "GET", "openapi.json", openapi.describing(http), anybody=True)
http.otherwise("zz_unknown")  # the host tries functions in the order of their names: this one comes last

gc.freeze()  # what is loaded stays: looking for garbage in it kept the loop for up to 90 ms

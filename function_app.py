"""Tenant Hooks: every trigger, in the order in which an event meets them.

POST /v1.0/events, scan_storage -> queue `deliveries` -> dispatch -> receiver
                                             |-> failed: same queue, visible after 30 s, 2 min, 10 min
                                             |-> schedule spent: queue `deliveries-poison` -> exhausted -> alert log
"""

import azure.functions as func

from shared.api import deliveries, endpoints, events, health, options, subscriptions, types
from shared.api import usage as storage
from shared.api.http import openapi, routing
from shared.api.http.auth import Role
from shared.api.http.call import Request, Response
from shared.api.http.routing import Routes
from shared.app import get_app
from shared.delivery import dispatcher as dispatching
from shared.delivery import poison as exhaustion
from shared.delivery import queue_metrics as measuring
from shared.storage import reencryption, retention
from shared.usage import scan as scanning

STORAGE = "AzureWebJobsStorage"

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # a bearer token is the key: see Role below
http = Routes(app)
get_app()  # wrong settings end the start with a clear message, not the first request


# Registering receivers


@http.route("POST", "v1.0/webhooks/endpoints", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_register(request: Request) -> Response:
    return endpoints.register(request)


@http.route("GET", "v1.0/webhooks/endpoints", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_list(request: Request) -> Response:
    return endpoints.list_all(request)


@http.route("DELETE", "v1.0/webhooks/endpoints", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_delete_by_url(request: Request) -> Response:
    return endpoints.delete_by_url(request)


@http.route("GET", "v1.0/webhooks/endpoints/{id}", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_get(request: Request) -> Response:
    return endpoints.get(request)


@http.route("PATCH", "v1.0/webhooks/endpoints/{id}", Role.ADMIN)
def endpoint_change(request: Request) -> Response:
    return endpoints.change(request)


@http.route("DELETE", "v1.0/webhooks/endpoints/{id}", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_delete(request: Request) -> Response:
    return endpoints.delete(request)


@http.route("POST", "v1.0/webhooks/endpoints/{id}/test", Role.ADMIN)
def endpoint_test(request: Request) -> Response:
    return endpoints.test(request)


@http.route("GET", "v1.0/webhooks/endpoints/{id}/secret", Role.ADMIN)
def endpoint_secret(request: Request) -> Response:
    return endpoints.secret(request)


@http.route("POST", "v1.0/webhooks/endpoints/{id}/secret/rotate", Role.ADMIN)
def endpoint_secret_rotate(request: Request) -> Response:
    return endpoints.rotate_secret(request)


@http.route("POST", "v1.0/webhooks/subscriptions", Role.ADMIN, Role.SUBSCRIBE)
def subscription_create(request: Request) -> Response:
    return subscriptions.create(request)


@http.route("POST", "v1.0/webhooks/families/{family}/subscriptions", Role.ADMIN, Role.SUBSCRIBE)
def subscription_create_of_family(request: Request) -> Response:
    return subscriptions.create_of_family(request)


@http.route("PUT", "v1.0/webhooks/subscriptions/{key}", Role.ADMIN, Role.SUBSCRIBE)
def subscription_put(request: Request) -> Response:
    return subscriptions.put(request)


@http.route("GET", "v1.0/webhooks/subscriptions/{key}", Role.ADMIN, Role.SUBSCRIBE)
def subscription_get(request: Request) -> Response:
    return subscriptions.get(request)


@http.route("DELETE", "v1.0/webhooks/subscriptions/{key}", Role.ADMIN, Role.SUBSCRIBE)
def subscription_delete(request: Request) -> Response:
    return subscriptions.delete(request)


@http.route("GET", "v1.0/options", Role.ADMIN)
def options_get(request: Request) -> Response:
    return options.get(request)


@http.route("POST", "v1.0/options/signature-key/rotate", Role.ADMIN)
def options_rotate(request: Request) -> Response:
    return options.rotate(request)


@http.route("GET", "v1.0/webhooks/types", Role.READ, Role.SUBSCRIBE)
def type_list(request: Request) -> Response:
    return types.list_all(request)


@http.route("GET", "v1.0/webhooks/types/{type}/schema", Role.READ, Role.SUBSCRIBE)
def type_schema(request: Request) -> Response:
    return types.schema(request)


# Publishing


@http.route("POST", "v1.0/events", Role.PUBLISH)
def event_publish(request: Request) -> Response:
    return events.publish_events(request)


@http.route("GET", "v1.0/events/{key}", Role.READ)
def event_get(request: Request) -> Response:
    return events.get(request)


@http.route("DELETE", "v1.0/events/{key}", Role.ADMIN)
def event_erase(request: Request) -> Response:
    return events.erase(request)


# Watching SharePoint's storage


@app.timer_trigger("timer", "%STORAGE_SCAN_SCHEDULE%")
def scan_storage(timer: func.TimerRequest) -> None:
    scanning.scan(get_app())


@http.route("GET", "v1.0/storage/sites", Role.READ)
def storage_site_list(request: Request) -> Response:
    return storage.list_sites(request)


@http.route("GET", "v1.0/storage/thresholds", Role.ADMIN)
def storage_threshold_get(request: Request) -> Response:
    return storage.get_thresholds(request)


@http.route("PUT", "v1.0/storage/thresholds", Role.ADMIN)
def storage_threshold_put(request: Request) -> Response:
    return storage.put_thresholds(request)


# Delivering


@app.queue_trigger("msg", "deliveries", connection=STORAGE)
async def dispatch(msg: func.QueueMessage) -> None:
    await dispatching.dispatch(get_app(), msg.get_body(), msg.dequeue_count or 1)


@app.queue_trigger("msg", "deliveries-poison", connection=STORAGE)
async def exhausted(msg: func.QueueMessage) -> None:
    await exhaustion.exhausted(get_app(), msg.get_body(), msg.insertion_time)


@app.timer_trigger("timer", "0 */5 * * * *")
async def sweep(timer: func.TimerRequest) -> None:
    await exhaustion.sweep(get_app())


# Looking back


@http.route("GET", "v1.0/webhooks/deliveries", Role.READ)
def delivery_list(request: Request) -> Response:
    return deliveries.list_some(request)


@http.route("GET", "v1.0/webhooks/deliveries/{id}", Role.READ)
def delivery_get(request: Request) -> Response:
    return deliveries.get(request)


@http.route("POST", "v1.0/webhooks/deliveries/{id}/retry", Role.ADMIN)
def delivery_retry(request: Request) -> Response:
    return deliveries.retry_one(request)


@http.route("POST", "v1.0/webhooks/endpoints/{id}/replay", Role.ADMIN)
def endpoint_replay(request: Request) -> Response:
    return endpoints.replay_since(request)


# Looking after the app


@app.timer_trigger("timer", "0 * * * * *")
def measure(timer: func.TimerRequest) -> None:
    measuring.measure(get_app())


@app.timer_trigger("timer", "0 30 3 * * *")
def retire(timer: func.TimerRequest) -> None:
    retention.drop_old_tables(get_app().services, get_app().now(), get_app().settings.retention)


@app.timer_trigger("timer", "0 45 3 * * *")
def reencrypt(timer: func.TimerRequest) -> None:
    reencryption.reencrypt(get_app().endpoints, get_app().options)


@http.route("GET", "health", anybody=True)
def health_get(request: Request) -> Response:
    return health.get(request)


@http.route("GET", "openapi.json", anybody=True)
def openapi_get(request: Request) -> Response:
    return openapi.get(request, http)


@http.otherwise
def zz_unknown(
    request: Request,
) -> Response:  # the host tries functions in the order of their names: this one comes last
    return routing.refuse(request, http)

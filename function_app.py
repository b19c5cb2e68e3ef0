"""Tenant Hooks: every trigger, in the order in which an event meets them.

POST /v1.0/events, scan_storage -> queue `deliveries` -> dispatch -> receiver
                                             |-> failed: same queue, visible after 30 s, 2 min, 10 min
                                             |-> schedule spent: queue `deliveries-poison` -> exhausted -> alert log
"""

import azure.functions as func

from shared.api import deliveries, endpoints, events, health, options, subscriptions, types
from shared.api import usage as storage
from shared.api.http import openapi
from shared.api.http import routing as unknown
from shared.api.http.auth import Role
from shared.api.http.call import Call, Reply
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
def endpoint_register(call: Call) -> Reply:
    return endpoints.register(call)


@http.route("GET", "v1.0/webhooks/endpoints", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_list(call: Call) -> Reply:
    return endpoints.list_all(call)


@http.route("DELETE", "v1.0/webhooks/endpoints", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_delete_by_url(call: Call) -> Reply:
    return endpoints.delete_by_url(call)


@http.route("GET", "v1.0/webhooks/endpoints/{id}", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_get(call: Call) -> Reply:
    return endpoints.get(call)


@http.route("PATCH", "v1.0/webhooks/endpoints/{id}", Role.ADMIN)
def endpoint_change(call: Call) -> Reply:
    return endpoints.change(call)


@http.route("DELETE", "v1.0/webhooks/endpoints/{id}", Role.ADMIN, Role.SUBSCRIBE)
def endpoint_delete(call: Call) -> Reply:
    return endpoints.delete(call)


@http.route("POST", "v1.0/webhooks/endpoints/{id}/test", Role.ADMIN)
def endpoint_test(call: Call) -> Reply:
    return endpoints.test(call)


@http.route("GET", "v1.0/webhooks/endpoints/{id}/secret", Role.ADMIN)
def endpoint_secret(call: Call) -> Reply:
    return endpoints.secret(call)


@http.route("POST", "v1.0/webhooks/endpoints/{id}/secret/rotate", Role.ADMIN)
def endpoint_secret_rotate(call: Call) -> Reply:
    return endpoints.rotate_secret(call)


@http.route("POST", "v1.0/webhooks/subscriptions", Role.ADMIN, Role.SUBSCRIBE)
def subscription_create(call: Call) -> Reply:
    return subscriptions.create(call)


@http.route("POST", "v1.0/webhooks/families/{family}/subscriptions", Role.ADMIN, Role.SUBSCRIBE)
def subscription_create_of_family(call: Call) -> Reply:
    return subscriptions.create_of_family(call)


@http.route("PUT", "v1.0/webhooks/subscriptions/{key}", Role.ADMIN, Role.SUBSCRIBE)
def subscription_put(call: Call) -> Reply:
    return subscriptions.put(call)


@http.route("GET", "v1.0/webhooks/subscriptions/{key}", Role.ADMIN, Role.SUBSCRIBE)
def subscription_get(call: Call) -> Reply:
    return subscriptions.get(call)


@http.route("DELETE", "v1.0/webhooks/subscriptions/{key}", Role.ADMIN, Role.SUBSCRIBE)
def subscription_delete(call: Call) -> Reply:
    return subscriptions.delete(call)


@http.route("GET", "v1.0/options", Role.ADMIN)
def options_get(call: Call) -> Reply:
    return options.get(call)


@http.route("POST", "v1.0/options/signature-key/rotate", Role.ADMIN)
def options_rotate(call: Call) -> Reply:
    return options.rotate(call)


@http.route("GET", "v1.0/webhooks/types", Role.READ, Role.SUBSCRIBE)
def type_list(call: Call) -> Reply:
    return types.list_all(call)


@http.route("GET", "v1.0/webhooks/types/{type}/schema", Role.READ, Role.SUBSCRIBE)
def type_schema(call: Call) -> Reply:
    return types.schema(call)


# Publishing


@http.route("POST", "v1.0/events", Role.PUBLISH)
def event_publish(call: Call) -> Reply:
    return events.publish_events(call)


@http.route("GET", "v1.0/events/{key}", Role.READ)
def event_get(call: Call) -> Reply:
    return events.get(call)


@http.route("DELETE", "v1.0/events/{key}", Role.ADMIN)
def event_erase(call: Call) -> Reply:
    return events.erase(call)


# Watching SharePoint's storage


@app.timer_trigger("timer", "%STORAGE_SCAN_SCHEDULE%")
def scan_storage(timer: func.TimerRequest) -> None:
    scanning.scan(get_app())


@http.route("GET", "v1.0/storage/sites", Role.READ)
def storage_site_list(call: Call) -> Reply:
    return storage.list_sites(call)


@http.route("GET", "v1.0/storage/thresholds", Role.ADMIN)
def storage_threshold_get(call: Call) -> Reply:
    return storage.get_thresholds(call)


@http.route("PUT", "v1.0/storage/thresholds", Role.ADMIN)
def storage_threshold_put(call: Call) -> Reply:
    return storage.put_thresholds(call)


# Delivering


@app.queue_trigger("msg", "deliveries", connection=STORAGE)
def dispatch(msg: func.QueueMessage) -> None:
    dispatching.dispatch(get_app(), msg.get_body(), msg.dequeue_count or 1)


@app.queue_trigger("msg", "deliveries-poison", connection=STORAGE)
def exhausted(msg: func.QueueMessage) -> None:
    exhaustion.exhausted(get_app(), msg.get_body(), msg.insertion_time)


@app.timer_trigger("timer", "0 */5 * * * *")
def sweep(timer: func.TimerRequest) -> None:
    exhaustion.sweep(get_app())


# Looking back


@http.route("GET", "v1.0/webhooks/deliveries", Role.READ)
def delivery_list(call: Call) -> Reply:
    return deliveries.list_some(call)


@http.route("GET", "v1.0/webhooks/deliveries/{id}", Role.READ)
def delivery_get(call: Call) -> Reply:
    return deliveries.get(call)


@http.route("POST", "v1.0/webhooks/deliveries/{id}/retry", Role.ADMIN)
def delivery_retry(call: Call) -> Reply:
    return deliveries.retry_one(call)


@http.route("POST", "v1.0/webhooks/endpoints/{id}/replay", Role.ADMIN)
def endpoint_replay(call: Call) -> Reply:
    return endpoints.replay_since(call)


# Looking after the app


@app.timer_trigger("timer", "0 * * * * *")
def measure(timer: func.TimerRequest) -> None:
    measuring.measure(get_app())


@app.timer_trigger("timer", "0 30 3 * * *")
def retire(timer: func.TimerRequest) -> None:
    retention.drop_old_tables(get_app().services, get_app().now(), get_app().retention)


@app.timer_trigger("timer", "0 45 3 * * *")
def reencrypt(timer: func.TimerRequest) -> None:
    reencryption.reencrypt(get_app().endpoints, get_app().options)


@http.route("GET", "health", anybody=True)
def health_get(call: Call) -> Reply:
    return health.get(call)


@http.route("GET", "openapi.json", anybody=True)
def openapi_get(call: Call) -> Reply:
    return openapi.get(call, http)


@http.otherwise
def zz_unknown(call: Call) -> Reply:  # the host tries functions in the order of their names: this one comes last
    return unknown.refuse(call, http)

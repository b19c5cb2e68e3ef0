"""What the connector's forms say of each field that a maker fills in."""

FIELDS = {
    "callbackUrl": "Given by the platform",
    "content": "What the event says",
    "displayName": "The tenant's name, for people",
    "enabled": "No stops the endpoint",
    "endpoint": "The URL that events are sent to",
    "format": "How an event becomes a body",
    "id": "Your own name for the tenant",
    "idempotencyKey": "The same key again is the same event: use the run's id, workflow().run.name, so that a retry "
    "of this action publishes nothing twice",
    "meta": "Time and key of the event",
    "microsoftTenantId": "The tenant's id in Microsoft Entra",
    "minSeverity": "Only events at least so severe",
    "retryDelays": "Seconds between attempts, instead of the deployment's",
    "maxPerSecond": "How many are sent in a second, at most",
    "name": "For people, to tell one endpoint from another",
    "settings": "What the wire format needs to know, such as a project key",
    "severity": "How severe it is; by default what is usual for the type",
    "sites": "Only events about sites with these URLs; * stands for any characters",
    "tenant": "The tenant that the event is about; by default the app's own",
    "tenants": "Only events of tenants with these ids",
    "timeStamp": "When it happened; by default now",
    "type": "The event's type: one of the list, or one of your own that begins with custom.",
    "types": "Event types, prefixes such as storage.*, or * for all",
}

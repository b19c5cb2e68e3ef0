"""External sharing: what the tenant's audit log says of it, told as events."""

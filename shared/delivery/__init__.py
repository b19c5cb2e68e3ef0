"""Publishing, dispatching and what becomes of deliveries that fail."""

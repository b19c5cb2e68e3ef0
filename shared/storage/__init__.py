"""Tables and queues. Knows no HTTP."""

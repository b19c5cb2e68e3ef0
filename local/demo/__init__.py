"""A demonstration of the whole app on this machine."""

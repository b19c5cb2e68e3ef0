"""How Microsoft 365 is asked: in time, throttled, and with failures in words."""

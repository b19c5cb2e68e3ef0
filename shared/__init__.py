"""Webhooks for Microsoft 365 governance events. Everything in this package is deployed."""

__version__ = "0.1.0"

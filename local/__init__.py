"""Runs Tenant Hooks on your own machine; never deployed."""

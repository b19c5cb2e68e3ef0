"""Carries approved requests from a service desk to Tenant Hooks, and what came of them back to the ticket."""

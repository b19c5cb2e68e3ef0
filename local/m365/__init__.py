"""Stand-ins for Microsoft 365, for tests and demonstrations."""

"""Storage thresholds: SharePoint's site usage and what it crosses."""

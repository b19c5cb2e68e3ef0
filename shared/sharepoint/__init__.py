"""Site usage of SharePoint and the thresholds it crosses."""

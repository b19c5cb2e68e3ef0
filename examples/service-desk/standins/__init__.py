"""What stands in, on one machine, for a ServiceNow instance, a Jira site and whatever makes workspaces."""

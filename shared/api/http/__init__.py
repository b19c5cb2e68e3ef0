"""What all resources of the API share: requests, callers, problems, routes and the description."""

"""A small Azure Functions host: runs an unmodified function_app.py with the semantics of the real one."""

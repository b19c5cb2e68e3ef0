"""Why there is nothing to POST."""


class Unsendable(Exception):
    """An attempt cannot be made as things stand; the text says why and what to change, and holds no secret."""

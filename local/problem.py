"""What stops a local command and can be put right by the person who ran it."""


class Problem(Exception):
    """Something that the person can mend; the text says what failed and what to do, and is shown as it is."""

"""What a format needs, and is not installed."""


class MissingError(Exception):
    """The text says how to install it."""

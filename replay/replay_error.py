"""What is raised where an exchange cannot be sent again. Everything that prepares one raises it; commands print it."""


class ReplayError(Exception):
    """Why, and what to do; the text is for people, and may quote the recording."""


class UnfitError(ReplayError):
    """Of a recording that cannot be sent so, whoever wants it: where there are others, it is passed over."""

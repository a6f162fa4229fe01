"""A figure as a small bar, in eighths of a character: `███▌`. Pure; called by `recorder stats`."""

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(value: float, greatest: float, width: int) -> str:
    """As long as `value` is great, `width` characters for the greatest; something is at least an eighth."""
    if value <= 0 or greatest <= 0:
        return ""
    eighths = max(1, round(8 * width * min(1.0, value / greatest)))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")

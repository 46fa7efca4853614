"""Text from elsewhere, as it may be shown on a terminal or written to a log."""


def visible(text: str, kept: str = "\t\n") -> str:
    """Without what could steer a terminal; for a log `kept` is empty, so that nobody writes a line of their own."""
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)

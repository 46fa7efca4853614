"""The place of the user interface. Nothing is served here yet."""

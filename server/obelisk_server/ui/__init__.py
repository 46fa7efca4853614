"""The user interface: pages for a browser, built from `app/` and served by the listener of the API."""

from obelisk_server.ui.pages import Pages

__all__ = ["Pages"]

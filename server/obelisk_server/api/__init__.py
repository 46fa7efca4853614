"""The HTTP API: `/v1`, `/healthz`, `/readyz`."""

from obelisk_server.api.listener import Listener
from obelisk_server.api.operations import Context
from obelisk_server.api.waits import Waits

__all__ = ["Context", "Listener", "Waits"]

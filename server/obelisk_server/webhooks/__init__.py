"""Webhooks: HTTP requests that become executions, or that components handle."""

from obelisk_server.webhooks.declared import Surroundings
from obelisk_server.webhooks.listener import WebhookListener
from obelisk_server.webhooks.mounts import Mounts

__all__ = ["Mounts", "Surroundings", "WebhookListener"]

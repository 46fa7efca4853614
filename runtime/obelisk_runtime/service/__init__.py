"""The shell around the core: load, decide, append. It knows the ports, never an adapter."""

from obelisk_runtime.service.backlog import Overloaded
from obelisk_runtime.service.batch import BATCH_MAX, IdTwice, ItemRefused, Order
from obelisk_runtime.service.cancellation import CancelResult, NotCancellable
from obelisk_runtime.service.debugging import EventNotFound, Scene
from obelisk_runtime.service.deployment import (
    BrokenBytes,
    BrokenComponent,
    BytesMissing,
    DeployedComponent,
    FunctionNotFound,
    GuestLibrary,
)
from obelisk_runtime.service.measures import INTERVAL, Interval, Measures
from obelisk_runtime.service.pausing import CannotPause, PauseResult
from obelisk_runtime.service.replay import Differs, Matches, NotAWorkflow, Replayed, Unfit
from obelisk_runtime.service.service import (
    QUEUE_COUNTED_MAX,
    Load,
    Queue,
    Service,
    Submitted,
    WebhookNotFound,
)
from obelisk_runtime.service.stubs import StubConflict, StubNotFound
from obelisk_runtime.service.terms import Terms
from obelisk_runtime.service.upgrading import ComponentNotFound, NotDeployed, Upgrade, UpgradePage, UpgradeResult
from obelisk_runtime.service.webhook_call import WEBHOOK_TAG, NoAnswer, NoRoomForGuest, WebhookCall
from obelisk_runtime.service.why import Why

__all__ = [
    "BATCH_MAX",
    "INTERVAL",
    "QUEUE_COUNTED_MAX",
    "WEBHOOK_TAG",
    "BrokenBytes",
    "BrokenComponent",
    "BytesMissing",
    "CancelResult",
    "CannotPause",
    "ComponentNotFound",
    "DeployedComponent",
    "Differs",
    "EventNotFound",
    "FunctionNotFound",
    "GuestLibrary",
    "IdTwice",
    "Interval",
    "ItemRefused",
    "Load",
    "Matches",
    "Measures",
    "NoAnswer",
    "NoRoomForGuest",
    "NotAWorkflow",
    "NotCancellable",
    "NotDeployed",
    "Order",
    "Overloaded",
    "PauseResult",
    "Queue",
    "Replayed",
    "Scene",
    "Service",
    "StubConflict",
    "StubNotFound",
    "Submitted",
    "Terms",
    "Unfit",
    "Upgrade",
    "UpgradePage",
    "UpgradeResult",
    "WebhookCall",
    "WebhookNotFound",
    "Why",
]

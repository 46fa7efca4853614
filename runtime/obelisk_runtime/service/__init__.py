"""The shell around the core: load, decide, append. It knows the ports, never an adapter."""

from obelisk_runtime.service.components.deployed import (
    BrokenBytes,
    BrokenComponent,
    BytesMissing,
    DeployedComponent,
    FunctionNotFound,
)
from obelisk_runtime.service.components.library import GuestLibrary
from obelisk_runtime.service.control.cancellation import CancelResult, NotCancellable
from obelisk_runtime.service.control.pausing import CannotPause, PauseResult
from obelisk_runtime.service.control.stubs import StubConflict, StubNotFound
from obelisk_runtime.service.dispatch.why import Why
from obelisk_runtime.service.process.measures import INTERVAL, Interval, Measures
from obelisk_runtime.service.replay.debugging import EventNotFound
from obelisk_runtime.service.replay.rehearsing import Differs, Matches, Replayed, Unfit
from obelisk_runtime.service.replay.room import TooManyReplays
from obelisk_runtime.service.replay.scene import Scene
from obelisk_runtime.service.replay.story import NotAWorkflow
from obelisk_runtime.service.replay.upgrading import ComponentNotFound, NotDeployed, Upgrade, UpgradePage, UpgradeResult
from obelisk_runtime.service.service import (
    QUEUE_COUNTED_MAX,
    Load,
    Queue,
    Service,
    WebhookNotFound,
)
from obelisk_runtime.service.submitting.backlog import Overloaded
from obelisk_runtime.service.submitting.batch import BATCH_MAX, IdTwice, ItemRefused, Order
from obelisk_runtime.service.submitting.submissions import Submitted
from obelisk_runtime.service.submitting.terms import Terms
from obelisk_runtime.service.webhooks.call import WEBHOOK_TAG, NoAnswer, NoRoomForGuest, WebhookCall

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
    "TooManyReplays",
    "Unfit",
    "Upgrade",
    "UpgradePage",
    "UpgradeResult",
    "WebhookCall",
    "WebhookNotFound",
    "Why",
]

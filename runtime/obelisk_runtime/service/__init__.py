"""The shell around the core: load, decide, append. It knows the ports, never an adapter."""

from obelisk_runtime.service.cancellation import CancelResult, NotCancellable
from obelisk_runtime.service.deployment import BrokenComponent, DeployedComponent, GuestLibrary
from obelisk_runtime.service.service import FunctionNotFound, Overloaded, Service, Submitted

__all__ = [
    "BrokenComponent",
    "CancelResult",
    "DeployedComponent",
    "FunctionNotFound",
    "GuestLibrary",
    "NotCancellable",
    "Overloaded",
    "Service",
    "Submitted",
]

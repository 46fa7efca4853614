"""Who may use the server: tokens, names that it answers to, certificates, and who did what."""

from obelisk_server.access.audit import NOBODY, Audit, Deed
from obelisk_server.access.audit_file import AuditFile
from obelisk_server.access.callers import LOCAL, Caller
from obelisk_server.access.doors import Doors
from obelisk_server.access.guard import Guard, same_origin
from obelisk_server.access.refusals import (
    BeyondToken,
    ForeignRequest,
    Refusal,
    ScopeNeeded,
    TokenRefused,
    TooManyFailures,
)
from obelisk_server.access.tokens import new_token

__all__ = [
    "LOCAL",
    "NOBODY",
    "Audit",
    "AuditFile",
    "BeyondToken",
    "Caller",
    "Deed",
    "Doors",
    "ForeignRequest",
    "Guard",
    "Refusal",
    "ScopeNeeded",
    "TokenRefused",
    "TooManyFailures",
    "new_token",
    "same_origin",
]  # fmt: skip

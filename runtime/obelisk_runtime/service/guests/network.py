"""The network of one guest call: what it may reach, placeholders of its secrets, the records of its requests."""

from collections.abc import Sequence

from obelisk_runtime.core.deployment import ComponentSettings
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.core.secrets import GrantedSecret, placeholder
from obelisk_runtime.ports.clock import IdSource
from obelisk_runtime.ports.network import NetworkGrants
from obelisk_runtime.ports.store import RequestRecord
from obelisk_runtime.service.guests.log import Records

REQUESTS_MAX = 200
"""Requests of a guest call that are recorded, beside one more with the mark that there were more."""
_PLACEHOLDER_BYTES = 16


class GuestNetwork:
    """`run` is the attempt, from 1."""

    def __init__(
        self, records: Records, ids: IdSource, settings: ComponentSettings, execution_id: ExecutionId, run: int
    ) -> None:
        self._records = records
        self._execution_id = execution_id
        self._run = run
        self._recorded = 0
        secrets = [
            GrantedSecret(name, placeholder(ids.random_bytes(_PLACEHOLDER_BYTES)).encode(), secret)
            for name, secret in settings.secrets.items()
        ]
        self.grants = NetworkGrants(settings.name, settings.allowed_hosts, settings.http, secrets)

    def placeholders(self) -> Sequence[tuple[str, str]]:
        """By the names of the secrets; only this call can use them."""
        return [(granted.name, granted.placeholder.decode()) for granted in self.grants.secrets]

    def requested(self, made: RequestMade) -> None:
        ordinal, self._recorded = self._recorded, self._recorded + 1
        if ordinal <= REQUESTS_MAX:
            made = made.redacted(self._records.redact)
            more = ordinal == REQUESTS_MAX
            self._records.write(RequestRecord(self._execution_id, self._run, ordinal, made, more))

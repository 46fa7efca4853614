"""The life of a workflow beside its host calls: who holds it, pauses it, ends it; and how much is recorded of it."""

from collections.abc import Sequence

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.entries import moved_up
from obelisk_runtime.core.history_size import entry_bytes, response_bytes
from obelisk_runtime.core.ids import path_of


class Life:
    """A mutable fold of all events, of which the host calls count by their number and size only."""

    __slots__ = ("_created", "_entries", "bytes", "decided", "origins", "parked", "projection", "warned")

    def __init__(self, log: Sequence[ev.Recorded]) -> None:
        created = log[0].event
        assert isinstance(created, ev.Created)
        self._created = created
        self._entries = [log[0]]
        """Events that are no host calls."""
        self.projection = proj.begin(created, log[0].at)
        """It knows nothing of what the guest waits for."""
        self.decided: ev.Outcome | None = None
        self.parked = False
        """Whether it was let go of to rest (`Unlocked.parked`)."""
        self.origins: list[str] = []
        """Paths of the executions it was forked from."""
        self.bytes = 0
        self.warned = False
        for entry in log[1:]:
            self.add(entry)

    def add(self, entry: ev.Recorded) -> None:
        """The next event."""
        event = entry.event
        self.projection = proj.apply(self.projection, event, entry.at)
        self.bytes += entry_bytes(event)
        if isinstance(event, ev.HistoryEvent):
            return
        self._entries.append(entry)
        match event:
            case ev.HistoryWarned():
                self.warned = True
            case ev.Unlocked():
                self.parked = event.parked
            case ev.OutcomeDecided():
                self.decided = event.outcome
            case ev.Forked():
                self.parked = False
                self.origins.append(path_of(event.origin))
            case _:
                pass

    def answered(self, response: ev.Response) -> None:
        self.projection = msgspec.structs.replace(self.projection, responses=response.position)
        self.bytes += response_bytes(response)

    def interpose(self, control: Sequence[ev.Recorded]) -> None:
        """Events of somebody else go before those that are not durable yet."""
        moved = moved_up(self._entries, control[0].version, len(control))
        self._entries = sorted([*moved, *control], key=lambda entry: entry.version)
        self.bytes += sum(entry_bytes(entry.event) for entry in control)
        before = self.projection
        life = proj.begin(self._created, self._entries[0].at)
        for entry in self._entries[1:]:
            life = proj.apply(life, entry.event, entry.at)
        version = before.version + len(control)
        self.projection = msgspec.structs.replace(life, version=version, responses=before.responses)

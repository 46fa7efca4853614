"""All that is recorded of a workflow, to be run again."""

from dataclasses import dataclass

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Store
from obelisk_runtime.service.executions.reading import read_log, read_responses


class NotAWorkflow(ObeliskError):
    """Only workflows have a history."""

    def __init__(self, execution_id: ExecutionId) -> None:
        super().__init__(f"{execution_id} is no workflow: it has no history to replay")
        self.execution_id = execution_id


@dataclass(frozen=True, slots=True)
class Story:
    """All that is recorded of a workflow, read at one version."""

    id: ExecutionId
    projection: proj.Projection
    log: list[ev.Recorded]
    responses: list[ev.Response]

    @property
    def created(self) -> ev.Created:
        created = self.log[0].event
        assert isinstance(created, ev.Created)
        return created


async def read_story(store: Store, execution_id: ExecutionId) -> Story:
    """Raises: ExecutionNotFound, NotAWorkflow, StoreUnavailable."""
    projection = await store.get(execution_id)
    if projection.kind is not ev.ExecutionKind.WORKFLOW:
        raise NotAWorkflow(execution_id)
    log = (await read_log(store, execution_id))[: projection.version]
    responses = (await read_responses(store, execution_id))[: projection.responses]
    return Story(execution_id, projection, log, responses)

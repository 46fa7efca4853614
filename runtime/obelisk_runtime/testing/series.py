"""A workflow that calls an activity in series, as the writes a service makes for it: for tests and measurements."""

from collections.abc import Callable

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import History
from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import Append, NewExecution, Store

FIBO = Ffqn.parse("testing:fibo/fibo.fibo")
FIBOA = Ffqn.parse("testing:fibo-workflow/workflow.fiboa")
DIGEST = Digest("sha256:" + "5e" * 32)
EXECUTOR = ExecutorId("executor-01JDZ8XK3V5T7Q9R2M4N6P8W0Y")


class Series:
    """One workflow. Each step is two appends: the request with its child, and the child's end with the response."""

    def __init__(self, store: Store, execution_id: ExecutionId, now: Callable[[], Instant]) -> None:
        self._store = store
        self._now = now
        self._id = execution_id
        self._history: History

    async def start(self) -> None:
        at = self._now()
        event = ev.Created(
            kind=ev.ExecutionKind.WORKFLOW, function=FIBOA, params="[10,500]", digest=DIGEST, seed=bytes(range(16))
        )
        events = _locked(event, at, 1, None)
        self._history = History(self._id, events, ())
        await self._store.create(NewExecution(self._id, events, self._history.projection))

    async def step(self, *, together: bool = True) -> None:
        """One call of the activity. `together`: it ends in the turn of the loop that asked for it."""
        history, at = self._history, self._now()
        version, seen = history.version, len(history.responses)
        child = history.call(FIBO, "[10]", at)
        created = ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=FIBO, params="[10]")
        events = _locked(created, at, 1, DIGEST)
        projection = proj.apply(proj.begin(created, at), events[1].event, at)
        request = Append(
            id=self._id,
            expected_version=version,
            events=history.take_fresh()[0],
            projection=history.projection,
            expected_responses=seen,
            children=(NewExecution(child, events, projection),),
        )
        written = self._store.append(request)
        if not together:
            await written
        response = await self._store.append(_finish(child, projection, Instant(self._now() + 1)))
        await written
        assert response is not None
        history.arrive(response)
        history.resume()

    async def finish(self) -> None:
        history = self._history
        version, seen = history.version, len(history.responses)
        history.record_life(ev.Finished(outcome=ev.Ok(value="89")), self._now())
        await self._store.append(Append(self._id, version, history.take_fresh()[0], history.projection, seen))


def _locked(created: ev.Created, at: Instant, attempt: int, digest: Digest | None) -> list[ev.Recorded]:
    event = ev.Locked(executor=EXECUTOR, attempt=attempt, digest=digest)
    return [ev.Recorded(version=0, at=at, event=created), ev.Recorded(version=1, at=at, event=event)]


def _finish(child: ExecutionId, projection: proj.Projection, at: Instant) -> Append:
    outcome = ev.Ok(value="89")
    finished = ev.Finished(outcome=outcome)
    return Append(
        id=child,
        expected_version=projection.version,
        events=(ev.Recorded(version=projection.version, at=at, event=finished),),
        projection=proj.apply(projection, finished, at),
        response=ev.Response(position=0, at=at, id=child, result=ev.ChildFinished(outcome=outcome)),
    )

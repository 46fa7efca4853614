"""What guests wait for: instants of their world's clock, and things that change."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.wasi.state import Resource


class Changes:
    """Wakes those who wait for something to change; they look again then."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def add(self, future: "asyncio.Future[None]") -> None:
        """To be done at the next change."""
        self._waiting.append(future)

    def discard(self, future: "asyncio.Future[None]") -> None:
        if future in self._waiting:
            self._waiting.remove(future)


class Subject(Protocol):
    """Something that becomes ready, and may cease to be."""

    @property
    def changes(self) -> Changes:
        """Told of whenever `ready` may have become true."""
        ...

    def ready(self) -> bool:
        """Whether an operation would be answered at once. Asking may begin what makes it ready."""
        ...


class Pollable(Resource):
    """One that is always ready."""

    __slots__ = ()

    def ready(self, world: GuestWorld) -> bool:
        del world
        return True


class ClockPollable(Pollable):
    __slots__ = ("deadline",)

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        """Monotonic nanoseconds from which on it is ready; 0 is ready from the start."""

    def ready(self, world: GuestWorld) -> bool:
        return self.deadline == 0 or self.deadline <= world.monotonic()


class SubjectPollable(Pollable):
    __slots__ = ("subject",)

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def ready(self, world: GuestWorld) -> bool:
        del world
        return self.subject.ready()


async def until_ready(*subjects: Subject) -> None:
    """Until one of them is ready."""
    while not any(subject.ready() for subject in subjects):
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for subject in subjects:
            subject.changes.add(woken)
        try:
            await woken
        finally:
            for subject in subjects:
                subject.changes.discard(woken)


async def until_any(world: GuestWorld, pollables: Sequence[Pollable]) -> None:
    """Until one is ready; none is now."""
    clocks = [pollable for pollable in pollables if isinstance(pollable, ClockPollable)]
    subjects = [pollable.subject for pollable in pollables if isinstance(pollable, SubjectPollable)]
    if not subjects:
        await _until_earliest(world, clocks)
    elif not clocks:
        await until_ready(*subjects)
    else:
        waits = asyncio.create_task(_until_earliest(world, clocks)), asyncio.create_task(until_ready(*subjects))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()


async def _until_earliest(world: GuestWorld, clocks: Sequence[ClockPollable]) -> None:
    """The world is asked once, for the earliest, since for a workflow that is a durable delay."""
    now = world.monotonic()
    earliest = min(clock.deadline for clock in clocks)
    await world.wait(max(0, earliest - now))
    for clock in clocks:
        if clock.deadline == earliest:
            # The wait decides, not the clock: a coarser clock may still be a little before the deadline.
            clock.deadline = 0

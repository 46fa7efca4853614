"""How many requests there were, how they were answered, and how long that took."""

from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

from obelisk_runtime.ports.figures import Durations

OPERATION = web.RequestKey("operation", str)
"""Under this key a handler leaves in the request what it was about: one of few words."""
OTHER = "other"


@dataclass(slots=True)
class HttpFigures:
    """Since the server started."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """By operation and status."""
    durations: dict[str, Durations] = field(default_factory=dict[str, Durations])
    """By operation, from the head of the request to the end of the answer."""

    def answered(self, request: web.BaseRequest, status: int, seconds: float) -> None:
        operation = request.get(OPERATION, OTHER)
        self.answers[operation, status] += 1
        if operation not in self.durations:
            self.durations[operation] = Durations()
        self.durations[operation].add(seconds)

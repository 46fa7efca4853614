"""What can be measured, by the name that chooses it."""

from collections.abc import Callable, Mapping

import fairness
import guests
import memory
import pages
import recovery
import retention
import speed
import streaming
import webhooks
from measuring import Scale
from report import Figure
from serving import Servers

Item = Callable[[Servers, Scale], list[Figure]]
ITEMS: Mapping[str, Item] = {
    "W1": speed.series,
    "W2": speed.concurrent,
    "W3": speed.many,
    "LAT": speed.latency,
    "W4": recovery.killed,
    "W5": memory.asleep,
    "DB": speed.size,
    "RP": recovery.replay,
    "UI": speed.listed,
    "PAGE": pages.shown,
    "RET": retention.deleted,
    "WASI": guests.world,
    "START": guests.started,
    "HTTP": streaming.streamed,
    "FAIR": fairness.latency,
    "HOOK": webhooks.handled,
}

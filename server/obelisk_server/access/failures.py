"""How often an address showed a wrong token lately. Both tables are bounded: the oldest entries go first."""

from collections import OrderedDict

FAILURES_MAX = 10
"""In a window; then the address is refused until the window ends."""
WINDOW = 60 * 1_000_000
"""Microseconds, from the first failure."""
ADDRESSES_MAX = 10_000


class Failures:
    def __init__(self) -> None:
        self._windows: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """(begin, failures) by address."""
        self._accepted: OrderedDict[tuple[str, str], None] = OrderedDict()
        """(address, name of a token) that were let in: who shares a proxy with an attacker is not shut out."""

    def blocked_seconds(self, address: str, now: int) -> int:
        """How long the address must wait; 0: not at all."""
        begin, count = self._windows.get(address, (now, 0))
        left = begin + WINDOW - now
        return 0 if count < FAILURES_MAX or not 0 < left <= WINDOW else -(-left // 1_000_000)

    def failed(self, address: str, now: int) -> None:
        begin, count = self._windows.pop(address, (now, 0))
        self._windows[address] = (begin, count + 1) if 0 <= now - begin < WINDOW else (now, 1)
        if len(self._windows) > ADDRESSES_MAX:
            self._windows.popitem(last=False)

    def accepted(self, address: str, name: str) -> None:
        self._accepted[address, name] = None
        self._accepted.move_to_end((address, name))
        if len(self._accepted) > ADDRESSES_MAX:
            self._accepted.popitem(last=False)

    def knows(self, address: str, name: str) -> bool:
        return (address, name) in self._accepted

"""Deterministic random values of a workflow, from the seed in its `created` event.

A stream is BLAKE2b over (seed, label, counter), 64 bytes a block: the same seed and label give the same bytes, in any
process, for ever.
"""

from hashlib import blake2b

_BLOCK = 64
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def child_seed(seed: bytes, child: str) -> bytes:
    """The seed of a child workflow: 16 bytes that depend on its parent's seed and its own id."""
    return blake2b(child.encode(), key=seed, digest_size=16).digest()


class SeededStream:
    """An endless stream of bytes."""

    __slots__ = ("_block", "_counter", "_key")

    def __init__(self, seed: bytes, label: str) -> None:
        self._key = seed + label.encode()
        self._counter = 0
        self._block = b""

    def take(self, count: int) -> bytes:
        while len(self._block) < count:
            block = blake2b(self._counter.to_bytes(8, "little"), key=self._key[:_BLOCK]).digest()
            self._block += block
            self._counter += 1
        taken, self._block = self._block[:count], self._block[count:]
        return taken

    def below(self, bound: int) -> int:
        """Uniform in [0, bound), by rejection; bound from 1 to 2**64."""
        bits = (bound - 1).bit_length()
        size = (bits + 7) // 8
        while True:
            value = int.from_bytes(self.take(size), "little") & ((1 << bits) - 1)
            if value < bound:
                return value

    def text(self, length: int) -> str:
        """Letters and digits."""
        return "".join(_ALPHABET[self.below(len(_ALPHABET))] for _ in range(length))

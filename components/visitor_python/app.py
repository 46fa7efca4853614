import os
import secrets
import sys
import time
from dataclasses import replace

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.visitor import Order, Rest, Surroundings, Unreadable_Refused


class Visitor(exports.Visitor):
    def look(self) -> Surroundings:
        return Surroundings(sys.argv, sorted(os.environ.items()))

    def nap(self, milliseconds: int) -> Rest:
        began, start = time.time(), time.monotonic_ns()
        time.sleep(milliseconds / 1000)
        return Rest(int(began), (time.monotonic_ns() - start) // 1_000_000)

    def draw(self, length: int) -> bytes:
        return secrets.token_bytes(length)

    def say(self, out: str, err: str) -> None:
        print(out)
        print(err, file=sys.stderr)

    def read(self, path: str) -> str | None:
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123  as most programs do it
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Err(Unreadable_Refused(str(error))) from error

    def mirror(self, order: Order) -> Order:
        if not order.lines:
            raise Err("there are no lines")
        return replace(order, lines=order.lines[::-1], note=None, balance=-order.balance)

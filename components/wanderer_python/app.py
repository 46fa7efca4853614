import secrets
import time

from wit_world import exports
from wit_world.exports.wanderer import Step
from wit_world.imports import fibo, workflow_support


class Wanderer(exports.Wanderer):
    def wander(self, steps: int) -> list[Step]:
        return [self.step(number, last=number == steps) for number in range(1, steps + 1)]

    def step(self, number: int, *, last: bool) -> Step:
        milliseconds = time.time_ns() // 1_000_000
        drawn = workflow_support.random_u64(0, 1000) if last else secrets.randbits(64)
        print(f"step {number} at {milliseconds}: {drawn}")
        time.sleep(0.01)
        with workflow_support.join_set_create() as join_set:
            fibo.fibo_submit(join_set, number)
            answer = fibo.fibo_await_next(join_set)
        assert not isinstance(answer, Exception)
        return Step(milliseconds, drawn, answer.value)

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import testing_fibo_fibo as fibo
from wit_world.imports import testing_fibo_obelisk_ext_fibo as fibo_ext
from wit_world.imports import workflow_support


class Workflow(exports.Workflow):
    def fiboa(self, n: int, iterations: int) -> int:
        print(f"fiboa({n}, {iterations})")
        last = 0
        for _ in range(iterations):
            last = fibo.fibo(n)
        return last

    def fiboa_concurrent(self, n: int, iterations: int) -> int:
        last = 0
        with workflow_support.join_set_create() as join_set:
            for _ in range(iterations):
                fibo_ext.fibo_submit(join_set, n)
            for _ in range(iterations):
                response = fibo_ext.fibo_await_next(join_set)
                if isinstance(response, Err):
                    raise response
                last = response.value
        return last

from componentize_py_types import Err
from wit_world import exports


class Greeting(exports.Greeting):
    def greet(self, name: str) -> str:
        if not name:
            raise Err("nobody to greet")
        print(f"greeting {name}")
        return f"Hello, {name}!"

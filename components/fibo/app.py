from wit_world import exports


class Fibo(exports.Fibo):
    def fibo(self, n: int) -> int:
        print(f"fibo({n})")
        return fibonacci(n)


def fibonacci(n: int) -> int:
    return 1 if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

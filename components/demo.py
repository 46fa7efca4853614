"""The demonstration of `make demo`: build two components, serve them, run a workflow of 500 activity calls.

On a terminal the server stays up until Ctrl-C, with hints what to try; else it is stopped. It is told to stop once, by
this program alone: it runs in a process group of its own, which a terminal's Ctrl-C does not reach.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
OBELISK = Path(sys.executable).with_name("obelisk")
COMPONENTS = ("fibo", "fibo_workflow")
FUNCTION, PARAMS = "fiboa", [10, 500]
READY = "serving on "
STOP_SECONDS_MAX = 30

HINTS = """
The server runs at {url} (process {pid}); open that in a browser to look on. In another terminal, in this folder:

    .venv/bin/obelisk execution list
    .venv/bin/obelisk execution submit fiboa '[10, 20000]' --follow

To see that nothing is lost, kill the server while that workflow runs, start it again, and look on:

    kill -9 {pid}
    .venv/bin/obelisk server run &
    .venv/bin/obelisk execution list
    .venv/bin/obelisk execution follow ID

Ctrl-C stops the server.
"""


def main() -> int:
    built = subprocess.run([sys.executable, "components/build.py", *COMPONENTS], cwd=REPOSITORY, check=False)
    if built.returncode != 0:
        return built.returncode
    with subprocess.Popen(
        [OBELISK, "server", "run"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, process_group=0
    ) as server:
        try:
            return show(server)
        except KeyboardInterrupt:
            return 0
        finally:
            stop(server)


def show(server: "subprocess.Popen[str]") -> int:
    """Run the workflow once the server is ready; on a terminal, wait for the server's end. The exit code."""
    url = url_when_ready(server)
    if url is None:
        return server.wait()
    code = run_workflow(url)
    if code == 0 and sys.stdin.isatty():
        print(HINTS.format(url=url, pid=server.pid), flush=True)
        code = server.wait()
        if code == -signal.SIGKILL:
            print("The server was killed. Start it again with: .venv/bin/obelisk server run")
            return 0
    return code


def url_when_ready(server: "subprocess.Popen[str]") -> str | None:
    """Where the server listens; None if it has ended instead."""
    assert server.stdout is not None
    return next((line.removeprefix(READY).strip() for line in server.stdout if line.startswith(READY)), None)


def run_workflow(url: str) -> int:
    """Submit the workflow, show its progress, print its result and how long it took. The exit code."""
    command = [OBELISK, "execution", "submit", FUNCTION, json.dumps(PARAMS), "--follow", "--server", url]
    print(f"\n$ {' '.join(['obelisk', *command[1:4], repr(command[4]), '--follow'])}", flush=True)
    started = time.monotonic()
    submitted = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - started
    if submitted.returncode == 0:
        n, calls = PARAMS
        result = json.loads(submitted.stdout)["ok"]
        print(f"\n{FUNCTION}({n}, {calls}) = {result}: {calls} durable calls in {seconds:.2f} s", flush=True)
    return submitted.returncode


def stop(server: "subprocess.Popen[str]") -> None:
    """Ask for an orderly end, and wait for it."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())

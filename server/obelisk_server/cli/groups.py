"""The groups of commands. Each command is imported when it is called or asked for its own help."""

from collections.abc import Iterable

from obelisk_server.cli import Lazy, LazyGroup


def _group(name: str, explanation: str, commands: Iterable[tuple[str, str, str, str]]) -> LazyGroup:
    """`commands`: name, module of this package, attribute there, and what it does in a few words."""
    lazy = {command: Lazy(f"{__package__}.{module}", attribute, text) for command, module, attribute, text in commands}
    return LazyGroup(name=name, help=explanation, lazy=lazy)


server = _group(
    "server",
    "Run the server, check what it would run, or ask how it is.",
    [
        ("run", "server", "run", "Check everything, then serve until SIGTERM or Ctrl-C"),
        ("verify", "server", "verify", "Check obelisk.toml and every component; touch nothing"),
        ("reload", "server", "reload", "Let a running server take its obelisk.toml again"),
        ("health", "health", "health", "Say how a running server is"),
    ],
)

execution = _group(
    "execution",
    "Submit, follow, look at and cancel executions.",
    [
        ("submit", "submit", "submit", "Run a function"),
        ("submit-batch", "batch", "submit_batch", "Run functions, one a line of a file: all of them, or none"),
        ("follow", "submit", "follow_execution", "Show progress until it ends, then its result"),
        ("list", "listing", "list_executions", "List executions, newest first"),
        ("counts", "listing", "counts", "Say how many there are, by status and by result"),
        ("get", "get", "get", "Show one: state, parameters, result, and what is below it over time"),
        ("events", "tails", "events", "Show the event log"),
        ("responses", "tails", "responses", "Show what its children and delays answered, in order"),
        ("logs", "tails", "logs", "Show what its guest wrote"),
        ("requests", "tails", "requests", "Show the HTTP requests that its attempts made"),
        ("why", "control", "why", "Say why it does not run now"),
        ("cancel", "control", "cancel", "Cancel an activity, a delay, or a cancellable workflow"),
        ("terminate", "control", "terminate", "End an execution, also a workflow that is not cancellable"),
        ("pause", "control", "pause", "Let nothing take it up until it is resumed"),
        ("resume", "control", "resume", "Go on with one that is paused"),
        ("stub", "control", "stub", "Supply the result of a stub execution"),
        ("bulk", "groups", "bulk", "Cancel, pause, resume, delete or replay all that a filter matches"),
        ("debug", "debug", "debug", "Show where a workflow stood at one event"),
        ("replay", "versions", "replay", "Run a workflow's history again and compare; write nothing"),
        ("upgrade", "versions", "upgrade", "Move a workflow to the component that is deployed now"),
        ("fork", "trees", "fork", "Begin a new one that reuses a part of a history"),
        ("hold", "trees", "hold", "Keep one, with its whole tree, from being deleted when it is old"),
        ("release", "trees", "release", "Let it be deleted when it is old"),
        ("export", "trees", "export", "Write whole trees as JSON Lines"),
        ("import", "trees", "import_file", "Take in what `export` wrote"),
    ],
)

bulk = _group(
    "bulk",
    "Cancel, pause, resume or delete all executions that a filter matches, after a dry run; or replay them.",
    [
        ("cancel", "bulk", "cancel", "Cancel activities, and cancellable workflows"),
        ("pause", "bulk", "pause", "Let nothing take them up until they are resumed"),
        ("resume", "bulk", "resume", "Go on with those that are paused"),
        ("delete", "bulk", "delete", "Delete finished ones with all that is below them"),
        ("replay", "versions", "replay_many", "Run histories of workflows again and compare; write nothing"),
    ],
)

function = _group(
    "function",
    "Functions that can be called.",
    [
        ("list", "catalogue", "list_functions", "List every function with its type"),
        ("get", "catalogue", "get_function", "Show a function: its component, parameters and result"),
        ("wit", "catalogue", "function_wit", "Print the WIT of the component that exports a function"),
    ],
)

component = _group(
    "component",
    "Components: deployed ones, files, and those in OCI registries (oci://host/repository:tag).",
    [
        ("list", "catalogue", "list_components", "List every deployed component"),
        ("get", "catalogue", "get_component", "Show a deployed component, and its callers"),
        ("build", "component_build", "build", "Build components from folders with their source"),
        ("upgrade", "versions", "upgrade_component", "Move executions to the deployed version"),
        ("inspect", "component_fetch", "inspect", "Show what a component imports and exports, without pulling it"),
        ("wit", "component_fetch", "wit", "Print the world of a component as WIT"),
        ("pull", "component_fetch", "pull", "Pull components into the cache, or into a file"),
        ("verify", "component_fetch", "verify", "Check digest, signature and validity of a component"),
        ("push", "component_publish", "push", "Publish a component"),
        ("sign", "component_publish", "sign", "Sign a published component"),
        ("add", "component_setup", "add", "Write a section for a component into obelisk.toml"),
        ("lock", "component_setup", "lock", "Write the digests of components into obelisk.toml"),
        ("cache", "component_cache", "cache", "Pulled components on this machine"),
    ],
)

db = _group(
    "db",
    "Delete old executions, back up, check and migrate the store.",
    [
        ("prune", "pruning", "prune", "Delete finished trees of executions"),
        ("backup", "db", "backup", "Copy the store to a new file, also while a server runs"),
        ("check", "db", "check", "Compare each execution of a store with its log"),
        ("migrate", "db", "migrate", "Bring the store to the schema of this release"),
    ],
)

token = _group("token", "Tokens that clients show to a server.", [("new", "token", "new", "Make a token")])

config = _group(
    "config",
    "About obelisk.toml.",
    [("schema", "config", "schema", "Print the JSON Schema of obelisk.toml, for editors")],
)

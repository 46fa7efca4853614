"""Groups of commands that need much of a server, or of the runtime: each command is imported when it is called."""

from obelisk_server.cli import Lazy, LazyGroup

_FETCH = "obelisk_server.cli.component_fetch"
_PUBLISH = "obelisk_server.cli.component_publish"
_SETUP = "obelisk_server.cli.component_setup"

component = LazyGroup(
    name="component",
    help="Components: deployed ones, files, and those in OCI registries (oci://host/repository:tag).",
    lazy={
        "list": Lazy("obelisk_server.cli.catalogue", "list_components", "List every deployed component"),
        "get": Lazy("obelisk_server.cli.catalogue", "get_component", "Show a deployed component, and its callers"),
        "build": Lazy("obelisk_server.cli.component_build", "build", "Build components from folders with their source"),
        "upgrade": Lazy("obelisk_server.cli.versions", "upgrade_component", "Move executions to the deployed version"),
        "inspect": Lazy(_FETCH, "inspect", "Show what a component imports and exports, without pulling it"),
        "wit": Lazy(_FETCH, "wit", "Print the world of a component as WIT"),
        "pull": Lazy(_FETCH, "pull", "Pull components into the cache, or into a file"),
        "verify": Lazy(_FETCH, "verify", "Check digest, signature and validity of a component"),
        "push": Lazy(_PUBLISH, "push", "Publish a component"),
        "sign": Lazy(_PUBLISH, "sign", "Sign a published component"),
        "add": Lazy(_SETUP, "add", "Write a section for a component into obelisk.toml"),
        "lock": Lazy(_SETUP, "lock", "Write the digests of components into obelisk.toml"),
        "cache": Lazy("obelisk_server.cli.component_cache", "cache", "Pulled components on this machine"),
    },
)

db = LazyGroup(
    name="db",
    help="Delete old executions, back up and check the store.",
    lazy={
        "prune": Lazy("obelisk_server.cli.pruning", "prune", "Delete finished trees of executions"),
        "backup": Lazy("obelisk_server.cli.db", "backup", "Copy the store to a new file, also while a server runs"),
        "check": Lazy("obelisk_server.cli.db", "check", "Compare each execution of a store with its log"),
    },
)

token = LazyGroup(
    name="token",
    help="Tokens that clients show to a server.",
    lazy={"new": Lazy("obelisk_server.cli.token", "new", "Make a token")},
)

config = LazyGroup(
    name="config",
    help="About obelisk.toml.",
    lazy={"schema": Lazy("obelisk_server.cli.config", "schema", "Print the JSON Schema of obelisk.toml, for editors")},
)

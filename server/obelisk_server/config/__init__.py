"""obelisk.toml: read, checked as a whole, and turned into the small values of `obelisk_runtime.core.deployment`."""

from obelisk_server.config.load import (
    ServerConfig,
    json_schema,
    load_config,
    load_registry,
    parse_config,
    read_config,
    tls_of,
)
from obelisk_server.config.models import LogFormat
from obelisk_server.config.problems import ConfigProblem, InvalidConfig
from obelisk_server.config.values import Listen

__all__ = [
    "ConfigProblem", "InvalidConfig", "Listen", "LogFormat", "ServerConfig", "json_schema", "load_config",
    "load_registry", "parse_config", "read_config", "tls_of",
]  # fmt: skip

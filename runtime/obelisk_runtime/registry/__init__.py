"""Where the bytes of components come from: paths of files."""

from obelisk_runtime.registry.files import COMPONENT_BYTES_MAX, ComponentUnavailable, find_component, read_component

__all__ = ["COMPONENT_BYTES_MAX", "ComponentUnavailable", "find_component", "read_component"]

"""Where the bytes of components come from: paths of files, and OCI registries (`registry.oci`, imported when used)."""

from obelisk_runtime.registry.errors import ComponentUnavailable, InvalidReference, UnpinnedLocation
from obelisk_runtime.registry.files import COMPONENT_BYTES_MAX, find_component, read_component
from obelisk_runtime.registry.reference import REGISTRY_PATTERN, SCHEME, Reference, is_reference
from obelisk_runtime.registry.settings import RegistryLimits, RegistrySettings, SignaturePolicy

__all__ = [
    "COMPONENT_BYTES_MAX", "REGISTRY_PATTERN", "SCHEME", "ComponentUnavailable", "InvalidReference", "Reference",
    "RegistryLimits", "RegistrySettings", "SignaturePolicy", "UnpinnedLocation", "find_component", "is_reference",
    "read_component",
]  # fmt: skip

"""Components in files."""

from pathlib import Path

from obelisk_runtime.registry.errors import ComponentUnavailable

COMPONENT_BYTES_MAX = 256 * 1024 * 1024


def find_component(location: str, folder: Path) -> Path:
    """The absolute path of the component at a location; a relative one is relative to `folder`.

    Raises: ComponentUnavailable.
    """
    path = (folder / location).absolute()
    if path.is_dir():
        raise ComponentUnavailable(f"{path} is a folder; give the path of a .wasm file")
    if not path.exists():
        raise ComponentUnavailable(f"{path} does not exist; build the component or correct the path")
    if not path.is_file():
        raise ComponentUnavailable(f"{path} is not a file; give the path of a .wasm file")
    return path


def read_component(path: Path) -> bytes:
    """Blocking. Raises: ComponentUnavailable."""
    try:
        size = path.stat().st_size
        if size > COMPONENT_BYTES_MAX:
            raise ComponentUnavailable(f"{path} has {size} bytes; the limit is {COMPONENT_BYTES_MAX}")
        return path.read_bytes()
    except OSError as error:
        raise ComponentUnavailable(f"{path} cannot be read: {error.strerror}") from error

"""The long description of the package: README.md, whose links to other files would lead nowhere on a package index."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"\[([^\[\]]+)\]\((?!https?:)([^)\s]+)\)")
"""To another file of the repository."""


def long_description(readme: str, source: str | None) -> str:
    """With links that begin with `source`, the address where files are shown; without one, only their texts."""
    return LINK.sub(r"\1" if source is None else rf"[\1]({source.rstrip('/')}/\2)", readme)


class LongDescription(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        """`Source` of `[project.urls]` says where files are shown, such as https://example.org/obelisk/blob/main."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = long_description(readme, metadata.get("urls", {}).get("Source"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

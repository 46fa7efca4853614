"""Changes to the text of an obelisk.toml that leave its comments and its order alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from obelisk_runtime.core.errors import ObeliskError


class NotEditable(ObeliskError):
    """The text is not one that can be changed; nothing was."""


@dataclass(frozen=True, slots=True)
class NewSection:
    """A component to be added; the author's wishes are for the operator to review."""

    kind: str
    name: str
    location: str
    allowed_hosts: tuple[Mapping[str, Any], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])


def locations(text: str) -> dict[str, str]:
    """Name of a component -> its location as written. Raises: NotEditable."""
    return {str(table.get("name", "")): str(table["location"]) for table in _components(_parse(text))}


def with_locations(text: str, changed: Mapping[str, str]) -> str:
    """With other locations in place of those in `changed`. Raises: NotEditable."""
    document = _parse(text)
    for table in _components(document):
        location = str(table["location"])
        if changed.get(location, location) != location:
            table["location"] = changed[location]
    return tomlkit.dumps(document)


def with_section(text: str, section: NewSection) -> str:
    """With one more component at the end. Raises: NotEditable."""
    if section.name in locations(text):
        raise NotEditable(f"there is a component of the name {section.name!r} already; choose another with --name")
    table: Any = tomlkit.table()
    table["name"] = section.name
    table["location"] = section.location
    if section.kind == "webhook":
        routes: Any = tomlkit.array()
        routes.append(_inline({"path": f"/{section.name}/*"}))
        table["routes"] = routes
    if section.allowed_hosts or section.env:
        table.add(tomlkit.comment("Proposed by the author of the component: review before the server runs it."))
    if section.allowed_hosts:
        hosts: Any = tomlkit.array()
        for host in section.allowed_hosts:
            hosts.append(_inline(host))
        table["allowed_hosts"] = hosts.multiline(len(section.allowed_hosts) > 1)
    if section.env and section.kind != "workflow":
        table["env"] = _inline(section.env)
    document: Any = tomlkit.document()
    document[section.kind] = tomlkit.aot()
    document[section.kind].append(table)
    added = tomlkit.dumps(document)
    return f"{text.rstrip()}\n\n{added}".lstrip()


def _inline(values: Mapping[str, Any]) -> Any:
    table: Any = tomlkit.inline_table()
    table.update(values)
    return table


def _parse(text: str) -> Any:
    """A document of tomlkit, whose types say little."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise NotEditable(f"this is not TOML: {error}") from error


def _components(document: Any) -> Iterator[Any]:
    """Every `[[section]]` with a location."""
    for item in document.values():
        if isinstance(item, AoT):
            tables: list[Any] = list(item)  # pyright: ignore[reportUnknownArgumentType] - of tables
            yield from (table for table in tables if isinstance(table.get("location"), str))

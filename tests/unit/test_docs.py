"""The pages say what the code says: their tables, links, commands, requests and configurations."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import reference
from hatch_metadata import long_description
from obelisk_server.api.listener import OPERATIONS
from obelisk_server.api.operations import Routes
from obelisk_server.cli import root
from obelisk_server.config import json_schema, parse_config

REPOSITORY = reference.REPOSITORY
READ_ALONE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "components/README.md")
PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for path in (*(REPOSITORY / name for name in READ_ALONE), *reference.pages())
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (?!    )(.+)$", re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ANCHORED = re.compile(r"^#+ (.*)$", re.MULTILINE)
PLAIN_PATH = re.compile(r"^(?:(GET|POST) )?(/(?:v1/|metrics|openapi\.json|healthz|readyz)[\w/{}.-]*)$")
TARGET = re.compile(r"\bmake ([a-z]+)\b(?=[^`]*`)")
ENVIRON = {"MY_TOKEN": "a value of it", "GITHUB_WEBHOOK_SECRET": "a value of it"}
ROUTES = Routes(OPERATIONS)


class Found(NamedTuple):
    """Something that a page claims."""

    page: str
    text: str


def each(pattern: re.Pattern[str], pages: dict[str, str] = PAGES) -> Iterator[Found]:
    for page, text in pages.items():
        for match in pattern.finditer(text):
            yield Found(page, " ".join(match[1].split()))


def prose(text: str) -> str:
    return INDENTED.sub("", FENCED.sub("", text))


SPANS = list(each(SPAN, {page: prose(text) for page, text in PAGES.items()}))


def blocks(language: str) -> list[Found]:
    return [
        Found(page, found[1]) for page, text in PAGES.items() for found in FENCED.findall(text) if found[0] == language
    ]


def typed_lines() -> Iterator[Found]:
    """What a reader is told to type."""
    for page, text in blocks(""):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield Found(page, line[2:])
    yield from (found for found in each(INDENTED) if re.match(r"(\.venv/bin/)?obelisk |make ", found.text))


# Tables


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert reference.written(text) == text, "run `make docs`"


def test_every_table_of_the_code_is_in_a_page() -> None:
    shown = [name for page in reference.pages() for _, name, *_ in reference.BLOCK.findall(page.read_text("utf-8"))]
    assert sorted(set(reference.TABLES) - set(shown)) == [], "add <!-- NAME --> and <!-- end --> to a page of docs/"
    assert len(shown) == len(set(shown)), "it is in one page"


def test_every_section_of_obelisk_toml_has_a_heading() -> None:
    headings = " ".join(ANCHORED.findall(PAGES["docs/configuration.md"]))
    assert [name for name in json_schema()["properties"] if f"[{name}]" not in headings] == []


def test_everything_in_a_table_is_explained() -> None:
    silent = [row for table in reference.TABLES.values() for row in table().splitlines() if row.endswith("|  |")]
    assert silent == [], "give it a description, a help text or a docstring where it is defined"


# Links


def anchors(text: str) -> set[str]:
    """As GitHub makes them."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in ANCHORED.findall(text))
    return set(headings)


def test_links_lead_somewhere() -> None:
    broken: list[Found] = []
    for found in each(LINK):
        file, _, anchor = found.text.partition("#")
        target = (REPOSITORY / found.page).parent / file if file else REPOSITORY / found.page
        if re.match(r"https?:", found.text):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(found)
    assert broken == []


# Commands


def wrong_with(words: list[str]) -> str | None:
    """Of what follows `obelisk` in a text; it may leave out arguments."""
    command, rest = walk(words)
    options = {name for item in command.params for name in (*item.opts, *item.secondary_opts)} | {"--help"}
    unknown = [word for word in rest if word.startswith("-") and word != "-" and word.partition("=")[0] not in options]
    if unknown:
        return f"has no {', '.join(unknown)}"
    if isinstance(command, click.Group) and rest and rest[0].islower():
        return f"has no command {rest[0]}"
    return None


def walk(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = root
    while isinstance(command, click.Group) and words:
        below = command.get_command(click.Context(command), words[0])
        if below is None:
            break
        command, words = below, words[1:]
    return command, words


def test_commands_in_the_text_exist_and_have_these_options() -> None:
    named = [found for found in SPANS if found.text.startswith("obelisk ")]
    assert len(named) > 100
    wrong = {found: wrong_with(shlex.split(found.text)[1:]) for found in named}
    assert {found: why for found, why in wrong.items() if why} == {}


def test_commands_to_type_are_accepted() -> None:
    typed = [(found, words) for found in typed_lines() for words in commands_in(found.text)]
    assert len(typed) >= 15
    wrong = {found: refusal(words) for found, words in typed}
    assert {found: why for found, why in wrong.items() if why} == {}


def commands_in(line: str) -> Iterator[list[str]]:
    """The words behind `obelisk` in each command of a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip(";&|<>()"):
            words.append(word)
        elif words:
            if words[0].rpartition("/")[2] == "obelisk":
                yield words[1:]
            words = []


def refusal(words: list[str]) -> str | None:
    """What the parser of the command says; files need not be there."""
    command, rest = walk(words)
    if isinstance(command, click.Group):
        return wrong_with(words)
    context = click.Context(command, info_name=command.name)
    try:
        given, left, _ = command.make_parser(context).parse_args(rest)
        for item in command.params:
            value = given.get(item.name or "")
            if item.required and value in (None, (), []):
                return f"needs {item.human_readable_name}"
            if value is not None and not isinstance(item.type, click.Path | click.File):
                item.type_cast_value(context, value)
    except click.UsageError as error:
        return error.format_message()
    return f"does not take {left}" if left else None


def test_make_targets_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {found.text.split()[1] for found in (*SPANS, *typed_lines()) if re.match(r"make [a-z]+", found.text)}
    assert named - targets == set()


# Requests


def test_requests_in_the_text_are_operations() -> None:
    named = [(found, match) for found in SPANS if (match := PLAIN_PATH.match(found.text))]
    assert len(named) > 10
    there = {
        (method, operation.endpoint.path) for operation in OPERATIONS for method in (operation.endpoint.method, None)
    }
    assert [found for found, match in named if (match[1], match[2].replace("ID", "{id}")) not in there] == []


def test_requests_to_type_are_operations() -> None:
    typed = [found for found in typed_lines() if "localhost:8080/" in found.text]
    assert typed
    for found in typed:
        path = found.text.partition("localhost:8080")[2].split()[0].partition("?")[0]
        operations = ROUTES.find(path)
        assert operations is not None, found
        assert ("POST" if " -d " in found.text else "GET") in operations[0], found


def test_metrics_named_are_told() -> None:
    names = {name for name, *_ in reference.metric_rows()}
    named = {found.text for found in SPANS if re.fullmatch(r"obelisk_[a-z_]+", found.text)}
    assert named - names - {"obelisk_runtime", "obelisk_server"} == set()


# Configurations and code


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: f"{block.page} {block.text.split()[0]}")
def test_configurations_are_right(block: Found, tmp_path: Path) -> None:
    for name in re.findall(r'"([\w./-]+\.(?:wasm|pem|pub))"', block.text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in re.findall(r'host = "(\w+)"', block.text):
        (tmp_path / name).mkdir()
    parse_config(block.text, tmp_path / "obelisk.toml", ENVIRON)


def test_code_is_code() -> None:
    for block in blocks("python"):
        ast.parse(block.text)


# The description on a package index


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "See the pages or [elsewhere](https://example.org)."),
        (
            "https://example.org/main/",
            "See [the pages](https://example.org/main/docs/a.md#b) or [elsewhere](https://example.org).",
        ),
    ],
)
def test_links_to_files_lead_to_the_source_or_are_only_texts(source: str | None, expected: str) -> None:
    readme = "See [the pages](docs/a.md#b) or [elsewhere](https://example.org)."
    assert long_description(readme, source) == expected

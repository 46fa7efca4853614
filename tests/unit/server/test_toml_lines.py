import tomllib

import pytest

from obelisk_server.config.toml_lines import KeyPath, TomlLines

TEXT = '''# a comment with [brackets] and key = 1
top = 1

[server]
listen = "a # b"   # [not.a.header]
[[activity]]
name = "one"
env = { A = "x", B = "y" }
retries.max = 3
[activity.retries]
[[activity]]
name = """
[server]
listen = "in a text"
"""
numbers = [
  1,
  # between
  2,
]
  [activity.env]
  "quoted key" = "v"
[[a.b]]
c = 1
[[a.b]]
c = 2
[[a.b.d]]
e = 3
'''.replace("[activity.retries]\n", "")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("server",), 4),
        (("server", "listen"), 5),
        (("activity", 0), 6),
        (("activity", 0, "name"), 7),
        (("activity", 0, "env", "B"), 8),
        (("activity", 0, "retries", "max"), 9),
        (("activity", 1), 10),
        (("activity", 1, "name"), 11),
        (("activity", 1, "numbers"), 15),
        (("activity", 1, "env"), 20),
        (("activity", 1, "env", "quoted key"), 21),
        (("a", "b", 0, "c"), 23),
        (("a", "b", 1, "c"), 25),
        (("a", "b", 1, "d", 0, "e"), 27),
    ],
)
def test_the_line_of_a_key_is_found(path: KeyPath, line: int) -> None:
    tomllib.loads(TEXT)
    assert TomlLines(TEXT).line_of(path) == line


def test_a_key_that_is_not_there_has_the_line_of_its_table() -> None:
    assert TomlLines(TEXT).line_of(("server", "missing")) == 4
    assert TomlLines(TEXT).line_of(("activity", 1, "retries", "max")) == 10


def test_a_table_that_is_not_there_has_no_line() -> None:
    assert TomlLines(TEXT).line_of(("storage", "url")) is None


def test_windows_line_ends_count_once() -> None:
    assert TomlLines("a = 1\r\nb = 2\r\n").line_of(("b",)) == 2

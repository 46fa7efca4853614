import io

from obelisk_server.cli.progress import Bars, Steps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_bar_for_each_transfer() -> None:
    out = Terminal()
    with Bars(out) as bars:
        first, second = bars.bar("a"), bars.bar("bcd")
        first(0, 2048)
        second(5, 10)
        first(2048, 2048)
    lines = out.getvalue().split("\n")
    assert lines[0].endswith("a  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0 %  2.0 KiB")
    assert lines[2].endswith("bcd  ███████████████░░░░░░░░░░░░░░░   50 %  10 B")
    assert lines[3].startswith("\x1b[2F\x1b[2Ka    ██████████████████████████████  100 %")


def test_a_bar_is_drawn_again_only_when_it_has_moved() -> None:
    out = Terminal()
    with Bars(out) as bars:
        bar = bars.bar("a")
        for received in range(0, 100_000, 10):
            bar(received, 100_000)
    assert out.getvalue().count("\n") == 100


def test_a_pipe_gets_a_line_when_a_transfer_ends() -> None:
    out = io.StringIO()
    with Bars(out) as bars:
        bar = bars.bar("a")
        for received in (0, 1 << 20, 3 << 20, 3 << 20):
            bar(received, 3 << 20)
    assert out.getvalue() == "a: 3.0 MiB\n"


def test_steps_are_a_bar_on_a_terminal_that_leaves_its_line_to_what_else_is_printed() -> None:
    out = Terminal()
    with Steps(out) as steps:
        steps.show("building a", 0, 2)
        steps.clear()
        out.write("a is built\n")
        steps.show("building b", 1, 2)
    seen = [line.rpartition("\x1b[2K")[2] for line in out.getvalue().split("\n")]
    assert seen == ["a is built", ""]
    assert f"{'█' * 15}{'░' * 15}  building b" in out.getvalue()


def test_steps_are_lines_in_a_pipe() -> None:
    out = io.StringIO()
    with Steps(out) as steps:
        for number, name in enumerate("ab"):
            steps.show(f"building {name}", number, 2)
            steps.clear()
    assert out.getvalue() == "building a\nbuilding b\n"

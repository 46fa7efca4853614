"""The distribution, built and installed alone: `pytest tests/packaging/wheel.py`. It needs a package index."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

REPOSITORY = Path(__file__).parents[2]
WIT = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "wit").rglob("*.wit")}
UI = "server/obelisk_server/ui"
"""Its sources are in `app`, not in the wheel, and its pages in `built`."""
PAGES = "obelisk_server/ui/built/"
STARTERS = {
    path.relative_to(REPOSITORY / "server").as_posix()
    for path in (REPOSITORY / "server/obelisk_server/starters").rglob("*.txt")
}
PACKAGES = {
    path.relative_to(root).as_posix()
    for root in (REPOSITORY / "runtime", REPOSITORY / "server")
    for path in (*root.rglob("*.py"), *root.rglob("py.typed"))
    if not path.is_relative_to(REPOSITORY / UI / "app")
}
INSTALLER = "uv" if importlib.util.find_spec("uv") else "pip"
"""uv is quicker, and not there where it does not find the index (see the Makefile)."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--installer", INSTALLER, "--outdir", folder, REPOSITORY]
    subprocess.run(build, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def obelisk(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a virtual environment that holds the wheel and what it depends on."""
    environment = tmp_path_factory.mktemp("venv")
    (wheel,) = built.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip("install", python, "--quiet", wheel)
    pip("check", python)
    return environment / "bin" / "obelisk"


def pip(command: str, python: Path, *arguments: str | Path) -> None:
    """For another Python, which need not have pip."""
    tool = ["uv", "pip", command, "--python", python] if INSTALLER == "uv" else ["pip", "--python", python, command]
    subprocess.run([sys.executable, "-m", *tool, *arguments], check=True, capture_output=True)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """A folder that is still empty after the test."""
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def run(obelisk: Path, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of a command without an environment but a search path."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [obelisk, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=240
    )
    return done.returncode, done.stdout, done.stderr


def test_wheel_holds_both_packages_the_wit_files_and_the_starters_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    pages = {name.removeprefix(PAGES) for name in names if name.startswith(PAGES)}
    assert names - {PAGES + page for page in pages} == PACKAGES | STARTERS | {f"obelisk_runtime/{name}" for name in WIT}
    assert {page.rpartition(".")[2] for page in pages} == {"html", "svg", "js", "css"}
    assert "index.html" in pages


def test_source_distribution_holds_what_the_readme_speaks_of(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    needed = {"Makefile", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "obelisk.toml", ".ci/run"}
    needed |= {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "docs").glob("*.*")}
    assert needed | {"components/build.py", "components/demo.py", "tests/unit/test_tidy.py"} <= names
    assert not [name for name in names if name.startswith(("build/", ".venv/", ".obelisk/"))]


def test_description_has_no_link_that_leads_nowhere_on_a_package_index(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
        (licence,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
        assert archive.read(licence) == (REPOSITORY / "LICENSE").read_bytes()
    fields, _, description = metadata.partition("\n\n")
    assert "\nDescription-Content-Type: text/markdown" in fields
    assert "\nLicense-Expression: Apache-2.0" in fields
    assert description.startswith("# Obelisk\n")
    assert [link for link in re.findall(r"\]\(([^)]*)\)", description) if not link.startswith("https://")] == []


def test_version_is_that_of_the_distribution(obelisk: Path, built: Path, empty: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert run(obelisk, empty, "--version") == (0, f"obelisk {wheel.name.split('-')[1]}\n", "")


@pytest.mark.parametrize(
    "group", [(), ("server",), ("execution",), ("execution", "submit"), ("function",), ("component",), ("config",)]
)
def test_every_group_of_commands_shows_its_help(obelisk: Path, empty: Path, group: tuple[str, ...]) -> None:
    code, out, err = run(obelisk, empty, *group, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(('obelisk', *group))}")


@pytest.mark.parametrize("command", ["verify", "run"])
def test_server_without_obelisk_toml_names_what_is_missing(obelisk: Path, empty: Path, command: str) -> None:
    code, out, err = run(obelisk, empty, "server", command)
    assert (code, out) == (8, "")
    assert "obelisk.toml" in err
    assert "Traceback" not in err


def test_pages_are_served_from_the_wheel(obelisk: Path, tmp_path: Path) -> None:
    (tmp_path / "obelisk.toml").write_text('[server]\nlisten = "127.0.0.1:0"\n')
    command = [obelisk, "server", "run"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            index = urlopen(address + "/executions").read().decode()
            (script,) = re.findall(r'src="(/assets/[^"]+\.js)"', index)
            assert urlopen(address + script).headers["Cache-Control"].endswith("immutable")
        finally:
            server.terminate()


def test_new_folder_builds_and_runs(obelisk: Path, tmp_path: Path) -> None:
    assert run(obelisk, tmp_path, "new", "shop", "--language", "wat")[0] == 0
    folder = tmp_path / "shop"
    assert run(obelisk, folder, "component", "build", "greeting", "welcome")[0] == 0
    config = folder / "obelisk.toml"
    config.write_text(config.read_text().replace(":8080", ":0"))
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with subprocess.Popen(
        [obelisk, "server", "run"], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            submit = ("execution", "submit", "welcome", '["Ann"]', "--follow", "--server", address)
            assert run(obelisk, folder, *submit)[:2] == (0, '{"ok":"Hello, Ann!"}\n')
        finally:
            server.terminate()


def test_client_command_without_a_server_says_how_to_start_one(obelisk: Path, empty: Path) -> None:
    code, out, err = run(obelisk, empty, "execution", "list", "--server", "http://127.0.0.1:1")
    assert (code, out) == (5, "")
    assert "obelisk server run" in err


def test_schema_of_obelisk_toml_is_printed(obelisk: Path, empty: Path) -> None:
    code, out, err = run(obelisk, empty, "config", "schema")
    assert (code, err) == (0, "")
    assert '"activity"' in out

"""Programs that are packed: by PyInstaller with an interpreter, and as a zip archive."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trustme

from handler_core import list_handlers
from handler_core.testing.echo_server import running_server

from .environments import Environment

pytestmark = pytest.mark.timeout(900)

MODELS = [info.name for info in list_handlers()]


# It names no plugin. Much of what a handler does imports a module by its name.
PROGRAM = """
    import sys
    from importlib.util import find_spec
    from handler_core import Callback, get_handler, list_handlers

    def main():
        name, port, authority = sys.argv[1:]
        print(*[info.name for info in list_handlers()])
        print(*[each for each in ("PyInstaller", "handler_core.cli") if find_spec(each)])
        with get_handler(name) as handler:
            result = handler.callback_object()
            handler.dispatch_callback(Callback("test", result.set, ("ran",)))
            print(handler.name, result.get(timeout=30))

            for end in handler.create_socket_pair():
                end.close()
            queue = handler.queue_impl()
            queue.put("queue")
            address = ("127.0.0.1", int(port))
            with handler.create_connection(address, 30, use_ssl=True, ca=authority) as connection:
                connection.sendall(b"TLS")
                handler.select([connection], [], [], 30)
                print(queue.get(), connection.recv(3).decode())

    if __name__ == "__main__":
        main()
"""

# What somebody else has written: a model in a package that imports a part of itself by name, and a
# wrapper in a module. The package has a hook for PyInstaller too, which no program needs.
FILES = {
    "my_package/__init__.py": """
        import importlib

        Mine = importlib.import_module("my_package.a_part").Mine
    """,
    "my_package/a_part.py": """
        from handler_core_threading import SequentialThreadingHandler

        class Mine(SequentialThreadingHandler):
            name = "mine"
    """,
    "my_package/__pyinstaller/__init__.py": "import PyInstaller",
    "my_package/__pyinstaller/hook-my_package.py": "import PyInstaller",
    "my_module.py": """
        from handler_core import hookimpl

        class MyWrapper:
            @hookimpl(wrapper=True)
            def start(self):
                print("wrapped")
                return (yield)
    """,
    "pyproject.toml": """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"

        [project]
        name = "my-plugins"
        version = "1.0"

        [project.entry-points."handler_core.handlers"]
        mine = "my_package:Mine"

        [project.entry-points."handler_core.wrappers"]
        my_wrapper = "my_module:MyWrapper"

        [tool.hatch.build.targets.wheel]
        only-include = ["my_package", "my_module.py"]
    """,
}


def write(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return path


def install_mine(environment: Environment) -> None:
    """Install what somebody else has written."""
    project = environment.folder / "mine"
    for name, source in FILES.items():
        write(project / name, source)
    environment.install(project)


def install_damaged(environment: Environment) -> Path:
    """Install plugins that cannot run; return an archive of one more, to put on the path."""
    site = site_of(environment)
    write(site / "ends" / "__init__.py", "raise SystemExit('it ends whoever imports it')")
    # pip has left the first. The metadata of the second has another name than its folder.
    for folder, name, value in (
        ("~eft", "left", "left:Handler"),
        ("renamed", "lost", "lost:Handler"),
        ("ends", "ends", "ends:Handler"),
        ("malformed", "malformed", "no module"),
    ):
        write_metadata(site / f"{folder}-1.0.dist-info", name, value)
    archived = environment.folder / "zipped"
    write(archived / "zipped.py", "Handler = None")
    write_metadata(archived / "zipped-1.0.dist-info", "zipped", "zipped:Handler")
    return Path(shutil.make_archive(str(archived), "zip", archived))


def write_metadata(folder: Path, name: str, value: str) -> None:
    write(folder / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    write(folder / "entry_points.txt", f"[handler_core.handlers]\n{name} = {value}\n")


def site_of(environment: Environment) -> Path:
    """Return the folder in which the distributions of the environment are."""
    (site,) = environment.folder.glob("venv/lib/*/site-packages")
    return site


def packed(environment: Environment, *options: str, **variables: str) -> Path:
    """Pack the program with PyInstaller; return the executable file."""
    program = write(environment.folder / "packed_program.py", PROGRAM)
    command = ("python", "-m", "PyInstaller", "--noconfirm", *options, program)
    # PyInstaller keeps a cache, which is that of the user otherwise.
    variables["PYINSTALLER_CONFIG_DIR"] = str(environment.folder / "cache")
    environment.run(*command, **variables)
    return environment.folder / "dist" / "packed_program" / "packed_program"


def run_packed(
    *program: str | Path, model: str, status: int = 0, **variables: str
) -> tuple[list[str], str]:
    """Run a packed program; return the lines that it printed, and its standard error."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    with (
        certificate.tempfile() as file,
        authority.cert_pem.tempfile() as trusted,
        running_server(certificate=file) as server,
    ):
        ended = subprocess.run(
            [*program, model, str(server.address[1]), trusted],
            env={"EVENTLET_TESTS": "1", **variables},  # eventlet does not warn then
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == status, ended.stderr
    return ended.stdout.splitlines(), ended.stderr


@pytest.fixture(scope="module")
def program(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the program where wrappers, plugins of somebody else and damaged ones are installed."""
    environment = Environment(tmp_path_factory.mktemp("packed"), built)
    wrappers = ("handler-core-opentelemetry", "handler-core-prometheus")
    environment.install("handler-core[threading]", *wrappers, "pyinstaller")
    install_mine(environment)
    return packed(environment, PYTHONPATH=str(install_damaged(environment)))


@pytest.mark.parametrize("model", MODELS)
def test_a_program_that_pyinstaller_packs_has_its_model(
    environment: Environment, model: str
) -> None:
    """Nothing else is installed, so it has what only this model needs."""
    environment.install(f"handler-core[{model}]", "pyinstaller")
    lines, errors = run_packed(packed(environment), model=model)
    assert lines == [model, "", f"{model} ran", "queue TLS"]
    assert errors == ""


def test_a_packed_program_has_the_model_of_somebody_else(program: Path) -> None:
    lines, errors = run_packed(program, model="mine")
    # The entry point of the model ``malformed`` names no module. It is there as where it was built.
    assert lines == ["malformed mine threading", "", "mine ran", "queue TLS"]
    assert errors == ""


def test_a_packed_program_has_the_installed_wrappers(program: Path) -> None:
    wrappers = "opentelemetry,prometheus,my_wrapper"
    lines, errors = run_packed(program, model="threading", HANDLER_CORE_WRAPPERS=wrappers)
    assert lines[2:] == ["wrapped", "threading ran", "queue TLS"]
    assert errors == ""


def test_a_packed_program_says_what_to_pack(program: Path) -> None:
    _, errors = run_packed(program, model="trio", status=1)
    assert "no handler named 'trio' is installed; this program is frozen: " in errors
    assert "install handler-core-trio where it is built, and build it again" in errors
    assert "--copy-metadata handler-core-trio --collect-submodules handler_core_trio" in errors
    assert "installed: malformed, mine, threading" in errors
    assert "pip install" not in errors


def test_the_advice_of_a_packed_program_is_right(environment: Environment) -> None:
    """Where PyInstaller has not used the hook."""
    environment.install("handler-core[threading]", "pyinstaller")
    (metadata,) = site_of(environment).glob("handler_core-*.dist-info/entry_points.txt")
    metadata.write_text(metadata.read_text().replace("pyinstaller40", "switched_off"))
    _, errors = run_packed(packed(environment), model="threading", status=1)
    assert "this program is frozen: install handler-core-threading where it is built" in errors
    options = errors.partition("PyInstaller with ")[2].partition(";")[0].split()
    lines, errors = run_packed(packed(environment, *options), model="threading")
    assert lines[0] == "threading"
    assert lines[2:] == ["threading ran", "queue TLS"]
    assert errors == ""

    program = packed(
        environment,
        *("--copy-metadata", "handler-core-threading"),
        *("--exclude-module", "handler_core_threading"),
    )
    _, errors = run_packed(program, model="threading", status=1)
    assert "HandlerLoadError: plugin 'threading'" in errors
    assert "this program is frozen: install handler-core-threading where it is built" in errors
    assert "--collect-submodules handler_core_threading " in errors


def test_a_zip_archive_with_all_that_it_needs(environment: Environment) -> None:
    archived = environment.folder / "archived"
    environment.install("--target", archived, "handler-core[threading]")
    write(archived / "packed_program.py", PROGRAM)
    archive = environment.folder / "program.pyz"
    environment.run(
        *("python", "-m", "zipapp", archived, "--main", "packed_program:main"),
        *("--output", archive),
    )
    python = (sys.executable, "-I", "-S", "-W", "error")
    lines, errors = run_packed(*python, archive, model="threading")
    assert lines == ["threading", "handler_core.cli", "threading ran", "queue TLS"]
    assert errors == ""

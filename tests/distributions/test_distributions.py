"""The distributions as a user gets them: built, checked, and installed into empty environments."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from handler_core import list_handlers
from handler_core.execution._compiled import MODULES

from .environments import PROJECTS, ROOT, VERSION, Environment, metadata_of, required_by

pytestmark = pytest.mark.timeout(900)

MODELS = [info.name for info in list_handlers()]
WRAPPERS = ["opentelemetry", "prometheus"]


def name_of(project: Path) -> str:
    return str(metadata_of(project)["name"])


def stem_of(project: Path) -> str:
    """Return what the names of a project's files begin with."""
    return f"{name_of(project).replace('-', '_')}-{VERSION}"


def files_of(project: Path, built: Path) -> tuple[set[str], set[str]]:
    """Return the files in the wheel and in the sdist of a project."""
    with zipfile.ZipFile(built / f"{stem_of(project)}-py3-none-any.whl") as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(built / f"{stem_of(project)}.tar.gz") as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return in_wheel, in_sdist


def tracked(project: Path, *paths: str) -> set[str]:
    """Return the files of a project that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", *paths], cwd=project, stdout=subprocess.PIPE, text=True, check=True
    )
    return set(listed.stdout.splitlines())


def test_there_is_an_extra_for_each_model() -> None:
    extras = metadata_of(ROOT)["optional-dependencies"]
    for model in MODELS:
        (requirement,) = extras[model]  # type: ignore[index]
        assert Requirement(requirement).name == f"handler-core-{model}"


def test_twine_finds_nothing_wrong(built: Path) -> None:
    files = sorted(built.iterdir())
    stems = {stem_of(project) for project in PROJECTS}
    for_all = {f"{stem}{end}" for stem in stems for end in (".tar.gz", "-py3-none-any.whl")}
    compiled = {path.name for path in files} - for_all
    assert len(files) - len(compiled) == len(for_all)
    assert all(name.startswith(f"handler_core-{VERSION}-cp3") for name in compiled)
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == len(files)


REPOSITORY = "https://github.com/handler-core/handler-core"
SITE = "https://handler-core.readthedocs.io/en/stable/"


@pytest.mark.parametrize("project", PROJECTS, ids=name_of)
def test_the_links_on_the_page_of_the_index_lead_somewhere(project: Path, built: Path) -> None:
    """Its reader has no checkout, so it names pages of the site, and files of the repository."""
    stem = stem_of(project)
    with zipfile.ZipFile(built / f"{stem}-py3-none-any.whl") as archive:
        page = archive.read(f"{stem}.dist-info/METADATA").decode()
    assert "# handler-core" in page
    links = re.findall(r"\]\((.+?)\)", page)
    assert [link for link in links if not link.startswith("https://")] == []
    paths = [
        *re.findall(rf"\]\({REPOSITORY}/(?:blob|tree)/main/(.+?)\)", page),
        *(f"docs/{path}.md" for path in re.findall(rf"\]\({SITE}([\w/-]+)\.html", page)),
        *(f"docs/{path}" for path in re.findall(rf"\]\({SITE}(_static/.+?)\)", page)),
    ]
    drawn = re.findall(rf"\]\({SITE}_images/(.+?)\)", page)
    ours = [link for link in links if link.startswith((REPOSITORY, SITE))]
    assert len(paths) + len(drawn) == len(ours)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in drawn if not [*ROOT.glob(f"docs/[!_]*/{name}")]] == []


@pytest.mark.parametrize("project", PROJECTS, ids=name_of)
def test_no_file_is_missing_and_none_is_stray(project: Path, built: Path) -> None:
    package = name_of(project).replace("-", "_")
    in_wheel, in_sdist = files_of(project, built)
    modules = tracked(project, package)
    others = set()
    if project == ROOT:
        modules |= {"_handler_core_pytest.py"}
        others |= {"CHANGELOG.md", "hatch_build.py"}
    else:
        others |= tracked(project, "tests")
    assert f"{package}/py.typed" in modules
    info = f"{package}-{VERSION}.dist-info/"
    sources = {name for name in modules if not name.endswith((".pxd", ".pyx"))}
    assert {name for name in in_wheel if not name.startswith(info)} == sources
    expected = {*modules, *others, "README.md", "LICENSE", "pyproject.toml", "PKG-INFO"}
    # hatchling always adds .gitignore.
    assert in_sdist - {".gitignore"} == expected


USES_THE_CORE = """
from handler_core import Callback, get_handler
from handler_core.execution._compiled import build

with get_handler("threading") as handler:
    result, ran = handler.async_result(), handler.async_result()
    result.link(lambda result: ran.set(result.get()))
    handler.dispatch_callback(Callback("set", result.set, (build(),)))
    print(ran.get(timeout=60))
"""


def compiled_wheel(built: Path, folder: Path) -> Path:
    """Return the core's wheel for this Python: one of a release, or built from the sdist."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if os.environ.get("HANDLER_CORE_TEST_DIST"):
        folder = built
    else:
        with tarfile.open(built / f"handler_core-{VERSION}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, "."],
            cwd=folder / f"handler_core-{VERSION}",
            env=os.environ | {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "true"},
            check=True,
            capture_output=True,
        )
    (wheel,) = folder.glob(f"handler_core-{VERSION}-{python}-{python}-*_{platform.machine()}.whl")
    return wheel


def test_a_wheel_with_compiled_modules(
    built: Path, environment: Environment, tmp_path: Path
) -> None:
    wheel = compiled_wheel(built, tmp_path)
    with zipfile.ZipFile(wheel) as archive:  # auditwheel has put folders into it
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert {name for name in names if name.endswith(".so")} == {
        module.replace(".", "/") + EXTENSION_SUFFIXES[0] for module in MODULES
    }
    assert {name for name in names if not name.endswith(".so")} == {
        name for name in files_of(ROOT, built)[0] if not name.endswith(".pxd")
    }
    environment.install(f"handler-core[cli] @ {wheel.as_uri()}", "handler-core-threading")
    for variable, name, said in (
        ("0", "compiled", "the core runs as compiled code"),
        ("1", "Python source", "the core runs from its Python source: HANDLER_CORE_PURE asks"),
    ):
        ran = environment.run("python", "-c", USES_THE_CORE, HANDLER_CORE_PURE=variable)
        assert ran == f"{name}\n"
        assert said in environment.run("handler-core", "list", HANDLER_CORE_PURE=variable)


def brings_only_what_it_needs(environment: Environment, requirement: str, name: str) -> None:
    """Install other people's distributions first. Then the requirement may add only our own."""
    ours, others = required_by(name)
    environment.install(*others)
    before = environment.added()
    environment.install(requirement)
    assert environment.added() - before == ours


def test_the_core_alone(environment: Environment) -> None:
    brings_only_what_it_needs(environment, "handler-core", "handler-core")
    said = environment.run(
        "python",
        "-c",
        "import handler_core\n"
        "try:\n"
        "    handler_core.get_handler('threading')\n"
        "except handler_core.HandlerNotFoundError as error:\n"
        "    print(error)\n"
        "print(handler_core.list_handlers())\n",
    )
    assert 'pip install "handler-core[threading]"' in said
    assert said.endswith("[]\n")


@pytest.mark.parametrize("model", MODELS)
def test_a_model_by_its_extra(model: str, environment: Environment) -> None:
    brings_only_what_it_needs(environment, f"handler-core[{model}]", f"handler-core-{model}")
    where, name = environment.run(
        "python",
        "-c",
        "import handler_core\n"
        f"with handler_core.get_handler({model!r}) as handler:\n"
        "    print(handler_core.__file__)\n"
        "    print(handler.name)\n",
    ).splitlines()
    assert where.startswith(str(environment.folder))
    assert name == model

    environment.install("handler-core[cli,testing]")
    environment.run("handler-core", "check", model)  # the suite, but for what takes minutes
    table = environment.run("handler-core", "demo", model, "--requests", "2000")
    assert model in table


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_is_found_by_every_model(wrapper: str, environment: Environment) -> None:
    brings_only_what_it_needs(environment, f"handler-core-{wrapper}", f"handler-core-{wrapper}")
    environment.install("handler-core[all]")
    for model in MODELS:
        said = environment.run(
            "python",
            "-W",
            "ignore",
            "-c",
            "from handler_core import Callback, get_handler\n"
            f"with get_handler({model!r}, wrappers=[{wrapper!r}]) as handler:\n"
            "    handler.dispatch_callback(Callback('test', print, ('ran',)))\n",
        )
        assert said == "ran\n"


def test_wrapped_models_keep_the_contract(environment: Environment) -> None:
    """All wrappers are nested, so a line that one of them breaks is broken here too."""
    environment.install(*(f"handler-core-{wrapper}" for wrapper in WRAPPERS))
    environment.install("handler-core[all,testing]")

    def run_suite(model: str) -> str:
        return environment.run(
            *("python", "-m", "pytest", "-q"),
            *("--pyargs", "handler_core.testing", "--handler", model),
            HANDLER_CORE_WRAPPERS=",".join(WRAPPERS),
        )

    with ThreadPoolExecutor() as pool:  # one model of threads, and one of greenlets in a loop
        for passed in pool.map(run_suite, ["threading", "asyncio"]):
            assert " passed" in passed


def test_all_models_by_one_extra(environment: Environment) -> None:
    environment.install("handler-core[all,cli]")
    table = environment.run("handler-core", "list")
    assert table.count(" works") == len(MODELS)
    assert [model for model in MODELS if model not in table] == []


def test_a_new_plugin_is_built_installed_and_found(
    environment: Environment, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Follow the author's guide, with nothing from this checkout."""
    environment.install("handler-core[cli,testing,threading]", "build", "twine")
    environment.run("handler-core", "new", "pool")
    project = environment.folder / "handler-core-pool"
    environment.run("python", "-m", "pip", "install", "--quiet", "-e", ".", cwd=project)
    assert " passed" in environment.run("pytest", "-k", "c1 or c20", cwd=project)

    module = project / "handler_core_pool" / "__init__.py"
    shutil.copy(ROOT / "docs" / "examples" / "pool" / "first.py", module)
    said = environment.run("pytest", "-k", "c4 and idle", cwd=project, status=1)
    assert "C4 The interpreter exits: this line of the contract is broken" in said

    shutil.copy(ROOT / "docs" / "examples" / "pool" / "final.py", module)
    assert " passed" in environment.run("pytest", cwd=project)
    environment.run("handler-core", "check", "pool", cwd=project)
    table = environment.run("handler-core", "demo", "pool", "threading", cwd=project)
    assert "failed" not in table
    table = environment.run(
        "handler-core", "bench", "pool", "threading", "--rounds", "1", cwd=project
    )
    assert "failed" not in table

    environment.run("python", "-m", "build", cwd=project)
    made = sorted((project / "dist").iterdir())
    assert [path.name for path in made] == [
        "handler_core_pool-0.1.0-py3-none-any.whl",
        "handler_core_pool-0.1.0.tar.gz",
    ]
    environment.run("twine", "check", "--strict", *made)

    elsewhere = Environment(tmp_path_factory.mktemp("elsewhere"), built)
    elsewhere.install(made[0])
    assert {"handler-core", "handler-core-pool"} <= elsewhere.added()
    said = elsewhere.run(
        "python",
        "-c",
        "from handler_core import Callback, get_handler\n"
        "with get_handler('pool') as handler:\n"
        "    handler.dispatch_callback(Callback('test', print, ('ran',)))\n",
    )
    assert said == "ran\n"

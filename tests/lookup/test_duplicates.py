"""One distribution that is on the path more than once is one plugin. The first copy counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from fake_plugins import COMPLETE, Site

from handler_core import HandlerValidationError, get_handler, list_handlers
from handler_core.lookup._find_wrappers import get_wrapper, list_wrappers

WRAPPER = """
    from handler_core import hookimpl

    class Complete:
        @hookimpl(wrapper=True)
        def start(self):
            return (yield)
"""
KINDS = ["handlers", "wrappers"]
SOURCES = {"handlers": COMPLETE, "wrappers": WRAPPER}
LISTS: dict[str, Callable[[], Any]] = {"handlers": list_handlers, "wrappers": list_wrappers}
GETS: dict[str, Callable[[str], object]] = {"handlers": get_handler, "wrappers": get_wrapper}


class Copies:
    """Two folders on the path, and a plugin ``twice`` that may be in both."""

    def __init__(self, kind: str, first: Site, second: Site) -> None:
        self.kind = kind
        self.first = first
        self.second = second

    def install(self, site: Site, distribution: str = "twice-dist", version: str = "1.0") -> Path:
        """Install the plugin; return the folder of its metadata."""
        module = f"of_{site.folder.name}"
        site.module(module, SOURCES[self.kind])
        entries = {"twice": f"{module}:Complete"}
        before = set(site.folder.iterdir())
        if self.kind == "handlers":
            site.distribution(distribution, handlers=entries, version=version)
        else:
            site.distribution(distribution, wrappers=entries, version=version)
        (folder,) = set(site.folder.iterdir()) - before
        return folder

    def get(self) -> object:
        return GETS[self.kind]("twice")

    def listed(self) -> list[str]:
        """Return where the plugins of that name are, as the list has them."""
        return [info.value for info in LISTS[self.kind]() if info.name == "twice"]

    def is_one(self, site: Site) -> None:
        """Check that there is one plugin, the one of that folder."""
        module = f"of_{site.folder.name}"
        assert type(self.get()).__module__ == module
        assert self.listed() == [f"{module}:Complete"]


@pytest.fixture(params=KINDS)
def copies(request: pytest.FixtureRequest, site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    folders = [site.folder / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    for folder in reversed(folders):
        monkeypatch.syspath_prepend(str(folder))
    first, second = (Site(folder) for folder in folders)
    yield Copies(request.param, first, second)
    first.forget()
    second.forget()


def renamed(folder: Path, name: str) -> Path:
    return folder.rename(folder.with_name(name))


@pytest.mark.parametrize("name", ["~wice_dist-1.0.dist-info", "~~.ice_dist-1.0.dist-info", "~-ce"])
def test_a_leftover_of_pip_before_the_plugin(copies: Copies, name: str) -> None:
    renamed(copies.install(copies.first), name if "." in name else f"{name}-1.0.dist-info")
    copies.install(copies.second)
    copies.is_one(copies.second)


def test_a_leftover_of_pip_behind_the_plugin(copies: Copies) -> None:
    copies.install(copies.first)
    renamed(copies.install(copies.second), "~wice_dist-1.0.dist-info")
    copies.is_one(copies.first)


def test_a_leftover_of_pip_alone_is_no_plugin(copies: Copies) -> None:
    renamed(copies.install(copies.first), "~wice_dist-1.0.dist-info")
    assert copies.listed() == []
    with pytest.raises(LookupError, match="twice"):
        copies.get()


def test_a_leftover_in_the_folder_of_the_plugin(copies: Copies) -> None:
    metadata = copies.install(copies.first)
    shutil.copytree(metadata, metadata.with_name("~wice_dist-1.0.dist-info"))
    copies.is_one(copies.first)


@pytest.mark.parametrize("file", ["METADATA", "entry_points.txt"])
def test_a_damaged_leftover_says_nothing(
    copies: Copies, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    leftover = renamed(copies.install(copies.first), "~wice_dist-1.0.dist-info")
    (leftover / file).write_bytes(b"\xff\xfe [\n")
    copies.install(copies.second)
    copies.is_one(copies.second)
    assert not caplog.records


def test_a_leftover_beside_a_damaged_distribution(copies: Copies) -> None:
    """Distributions are then read one by one, and the leftover has the name of the plugin."""
    renamed(copies.install(copies.first), "~wice_dist-1.0.dist-info")
    copies.first.distribution("damaged", handlers={"damaged": "no:No"})
    (copies.first.folder / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    copies.install(copies.second)
    copies.is_one(copies.second)


def test_two_versions_of_a_distribution(copies: Copies) -> None:
    copies.install(copies.first, version="0.9")
    copies.install(copies.second, version="1.0")
    copies.is_one(copies.first)


def test_a_checkout_beside_an_installed_copy(copies: Copies) -> None:
    checkout = renamed(copies.install(copies.first), "twice_dist.egg-info")
    (checkout / "METADATA").rename(checkout / "PKG-INFO")
    copies.install(copies.second)
    copies.is_one(copies.first)


@pytest.mark.parametrize("name", ["twice-dist-1.0.dist-info", "Other_Name-1.0.dist-info"])
def test_copies_whose_folders_have_different_names(copies: Copies, name: str) -> None:
    renamed(copies.install(copies.first, "Twice.Dist"), name)
    copies.install(copies.second, "twice-dist")
    copies.is_one(copies.first)


def test_an_egg(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    egg = copies.first.folder / "twice_dist-1.0-py3.egg"
    egg.mkdir()
    metadata = copies.install(copies.first).rename(egg / "EGG-INFO")
    (metadata / "METADATA").rename(metadata / "PKG-INFO")
    copies.install(copies.second)
    monkeypatch.syspath_prepend(str(egg))
    copies.is_one(copies.first)


def zipped(site: Site) -> str:
    """Return an archive of a folder, as a wheel is one, and empty the folder."""
    archive = shutil.make_archive(str(site.folder), "zip", site.folder)
    shutil.rmtree(site.folder)
    return archive


def test_a_zipped_wheel_before_an_installed_copy(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.install(copies.first)
    copies.install(copies.second)
    monkeypatch.syspath_prepend(zipped(copies.first))
    copies.is_one(copies.first)


def test_a_zipped_wheel_behind_an_installed_copy(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.install(copies.first)
    copies.install(copies.second)
    monkeypatch.setattr(sys, "path", [*sys.path, zipped(copies.second)])
    copies.is_one(copies.first)


def test_an_editable_install_behind_a_copy(
    copies: Copies, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata is in one folder, and a ``.pth`` file there names the folder of the module."""
    copies.install(copies.first, version="0.9")
    copies.install(copies.second)
    checkout = site.folder / "checkout"
    checkout.mkdir()
    (copies.second.folder / "of_second.py").rename(checkout / "of_second.py")
    monkeypatch.setattr(sys, "path", [*sys.path, str(checkout)])
    copies.is_one(copies.first)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if not each.endswith("first")])
    copies.is_one(copies.second)


def test_one_folder_by_two_ways(
    copies: Copies, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.install(copies.second)
    link = site.folder / "lib64"
    link.symlink_to(copies.second.folder, target_is_directory=True)
    monkeypatch.syspath_prepend(str(link))
    monkeypatch.syspath_prepend(str(copies.second.folder))
    monkeypatch.syspath_prepend(f"{copies.second.folder}/")
    copies.is_one(copies.second)


def test_two_distributions_that_claim_a_name_are_named(copies: Copies) -> None:
    copies.install(copies.first, "one-dist")
    copies.install(copies.second, "other-dist")
    assert len(copies.listed()) == 2
    with pytest.raises(HandlerValidationError, match=r"of one-dist 1\.0 and .* of other-dist 1\.0"):
        copies.get()


def test_a_copy_does_not_hide_another_claim(copies: Copies, site: Site) -> None:
    renamed(copies.install(copies.first, "one-dist"), "a_name-1.0.dist-info")
    copies.install(copies.second, "other-dist")
    third = Site(site.folder)
    third.distribution("one-dist", **{copies.kind: {"twice": "of_first:Complete"}})  # type: ignore[arg-type]
    with pytest.raises(HandlerValidationError) as caught:
        copies.get()
    assert str(caught.value).count("one-dist") == 1
    assert str(caught.value).count("other-dist") == 1


def test_distributions_without_metadata_are_different_ones(copies: Copies) -> None:
    for site, name in ((copies.first, "one-dist"), (copies.second, "other-dist")):
        (copies.install(site, name) / "METADATA").unlink()
    assert len(copies.listed()) == 2
    with pytest.raises(HandlerValidationError, match="claimed by"):
        copies.get()


def test_a_distribution_that_claims_a_name_twice(copies: Copies) -> None:
    metadata = copies.install(copies.first)
    with (metadata / "entry_points.txt").open("a") as file:
        file.write("twice = of_first:Other\n")
    with pytest.raises(HandlerValidationError, match="claimed by"):
        copies.get()


def test_a_look_up_beside_a_leftover_parses_no_metadata(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed(copies.install(copies.first), "~wice_dist-1.0.dist-info")
    copies.install(copies.second)
    parsed = []
    monkeypatch.setattr(
        importlib_metadata.Distribution,
        "metadata",
        property(lambda self: parsed.append(self)),
    )
    copies.get()
    assert parsed == []


def test_the_command_has_one_plugin(copies: Copies, site: Site) -> None:
    renamed(copies.install(copies.first), "~wice_dist-1.0.dist-info")
    renamed(copies.install(copies.second), "a_name-1.0.dist-info")
    copies.install(site)
    path = f"{copies.first.folder}:{copies.second.folder}:{site.folder}"
    for command in ("list", "info"):
        name = ["twice"] if command == "info" else []
        done = subprocess.run(
            [sys.executable, "-m", "handler_core", command, *name],
            env={"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("twice-dist") == 1

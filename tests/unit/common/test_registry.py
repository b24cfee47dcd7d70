"""A family of two toys in a package on disk, and plug-ins from distributions on disk."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.registry import FamilySettings, Registry

NUMBERS = itertools.count()
FAMILY = """
from affectline.common.registry import FamilySettings, Registry

class ToySettings(FamilySettings):
    registry = Registry("toy", "{package}", "affectline.test_toys", default="ball")
    toy: str
    owner: str = "nobody"
"""
MEMBER = """
from typing import Literal
from {package}._family import ToySettings

class Settings(ToySettings):
    toy: Literal["{name}"] = "{name}"
    size: float
    \"\"\"Diameter in {{mm}}.\"\"\"

class Toy:
    settings_model = Settings
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The settings model of a family with the members ``ball`` and ``kite``."""
    package = f"toys_{next(NUMBERS)}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "_family.py").write_text(FAMILY.format(package=package))
    for name in ("ball", "kite"):
        (folder / f"{name}.py").write_text(MEMBER.format(package=package, name=name))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__(f"{package}._family").__dict__["_family"].ToySettings
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


def add_distribution(folder: Path, entry_points: str) -> None:
    about = folder / "more_toys-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: more-toys\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[affectline.test_toys]\n{entry_points}\n")


def problems(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    return [(one["loc"], one["msg"]) for one in error.errors()]


def test_settings_become_those_of_the_member_that_they_name(family: Any) -> None:
    kite = family.model_validate({"toy": "kite", "size": "2"})
    assert type(kite) is family.registry.settings_model("kite")
    assert kite.model_dump() == {"toy": "kite", "owner": "nobody", "size": 2.0}
    assert family.model_validate(kite) is kite
    assert family.model_validate({"size": 1}).toy == "ball"  # the default
    assert family.registry.load("kite").settings_model is type(kite)


def test_a_model_that_contains_the_family_dumps_and_reads_them_whole(family: Any) -> None:
    class Box(BaseModel):
        toys: tuple[family, ...] = ()

    box = Box.model_validate({"toys": [{"toy": "kite", "size": 2}, {"size": 1, "owner": "anna"}]})
    assert Box.model_validate(box.model_dump(mode="json")) == box
    assert Box.model_validate_json(box.model_dump_json()) == box
    assert box.model_dump(exclude_unset=True)["toys"][1] == {"size": 1.0, "owner": "anna"}


@pytest.mark.parametrize(
    ("given", "where", "text"),
    [
        ({"toy": "top"}, "toy", "there is no toy 'top': there are 'ball', 'kite'"),
        ({"toy": 3}, "toy", "should be one of 'ball', 'kite'"),
        ({"toy": "kite"}, "size", "the toy kite needs it"),
        (
            {"toy": "kite", "size": 1, "tail": 2}, "tail",
            "the toy kite has no such setting; it has owner, size",
        ),
        ({"toy": "kite", "size": "x"}, "size", "Input should be a valid number"),
    ],
)  # fmt: skip
def test_errors_name_the_member_and_the_place(
    family: Any, given: dict[str, Any], where: str, text: str
) -> None:
    class Box(BaseModel):
        toys: tuple[family, ...] = ()

    with pytest.raises(ValidationError) as caught:
        Box.model_validate({"toys": [given]})
    ((place, said),) = problems(caught.value)
    assert place == ("toys", 0, where)
    assert said.startswith(text)


def test_what_is_no_mapping_is_refused_and_what_is_missing_comes_last(family: Any) -> None:
    with pytest.raises(ValidationError, match="should be a mapping"):
        family.model_validate(["kite"])
    with pytest.raises(ValidationError) as caught:
        family.model_validate({"toy": "kite", "colour": "red"})
    assert [place for place, _ in problems(caught.value)] == [("colour",), ("size",)]


def test_members_are_imported_when_they_are_asked_for(family: Any) -> None:
    assert family.registry.names() == family.registry.own_names() == ["ball", "kite"]
    assert f"{family.registry.package}.kite" not in sys.modules
    family.model_validate({"toy": "ball", "size": 1})
    assert f"{family.registry.package}.kite" not in sys.modules


def test_an_entry_point_adds_a_member(family: Any, tmp_path: Path) -> None:
    package = family.registry.package
    (tmp_path / f"{package}_top.py").write_text(MEMBER.format(package=package, name="top"))
    add_distribution(tmp_path, f"top = {package}_top:Toy")
    assert family.registry.names() == ["ball", "kite", "top"]
    assert family.model_validate({"toy": "top", "size": 1}).toy == "top"
    assert family.registry.broken_plugins() == {}
    assert list(family.registry.settings_models()) == ["ball", "kite", "top"]
    del sys.modules[f"{package}_top"]


def test_broken_plug_ins_are_named_when_they_are_asked_for(family: Any, tmp_path: Path) -> None:
    (tmp_path / "faulty_toy.py").write_text("1 / 0\n")
    add_distribution(
        tmp_path,
        "absent = nowhere:Toy\nfaulty = faulty_toy:Toy\n"
        "other = json:JSONDecoder\nkite = nowhere:Toy",
    )
    registry = family.registry
    assert family.model_validate({"toy": "kite", "size": 1}).toy == "kite"  # ours stays ours
    broken = registry.broken_plugins()
    assert broken.keys() == {"absent", "faulty", "other"}
    assert "the toy 'absent' of more-toys cannot be loaded (ModuleNotFoundError" in broken["absent"]
    assert "ZeroDivisionError: division by zero" in broken["faulty"]
    assert "has no class with a settings_model whose toy is 'other'" in broken["other"]
    assert list(registry.settings_models()) == ["ball", "kite"]
    with pytest.raises(ValidationError, match="ZeroDivisionError"):
        family.model_validate({"toy": "faulty"})


def test_a_module_of_ours_without_a_class_is_an_error(family: Any, tmp_path: Path) -> None:
    (tmp_path / family.registry.package / "empty.py").touch()
    with pytest.raises(AffectlineError, match=r"empty has no class .* toy is 'empty'"):
        family.registry.load("empty")


def test_families_do_not_mix(family: Any) -> None:
    class OtherSettings(FamilySettings):
        registry = Registry("other", family.registry.package, "affectline.test_others")

    kite = family.model_validate({"toy": "kite", "size": 1})
    with pytest.raises(ValidationError, match="mapping"):
        OtherSettings.model_validate(kite)

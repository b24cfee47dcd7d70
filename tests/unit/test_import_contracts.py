"""import-linter's contracts say where every module belongs."""

from fnmatch import fnmatchcase

import pytest

from tests.architecture import contracts, modules_to_name

CHILDREN = dict(modules_to_name())


def placed_modules() -> set[str]:
    """Modules, or patterns of modules, that contracts name.

    A pattern is for modules that are added without another line, such as drivers and messages.
    """
    found: set[str] = set()
    for contract in contracts():
        if contract["type"] == "independence":
            found |= set(contract["modules"])
        elif contract["type"] == "forbidden":
            found |= {source for source in contract["source_modules"] if source.endswith(".*")}
        elif contract["type"] == "layers":
            layers = " ".join(contract["layers"]).replace("|", " ").replace(":", " ")
            names = [name.strip("()") for name in layers.split()]
            containers = [f"{one}." for one in contract.get("containers", [])] or [""]
            found |= {container + name for container in containers for name in names}
    return found


PLACED = placed_modules()


@pytest.mark.parametrize("package", CHILDREN)
def test_every_module_is_in_a_layer(package: str) -> None:
    for module in CHILDREN[package]:
        assert any(fnmatchcase(module, pattern) for pattern in PLACED), (
            f"no contract in pyproject.toml says where {module} belongs"
        )


def test_layers_of_a_package_name_all_of_it() -> None:
    open_packages = {pattern.removesuffix(".*") for pattern in PLACED if pattern.endswith(".*")}
    for contract in contracts():
        containers = set(contract.get("containers", []))
        assert contract.get("exhaustive") or containers <= open_packages, contract["name"]


def test_contracts_have_names_of_their_own() -> None:
    names = [contract["name"] for contract in contracts()]
    assert len(set(names)) == len(names)

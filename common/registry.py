"""Extension points: classes that are selected by name, each with its own settings model.

A family (sensor drivers, detectors, exporters, report sections) has a `Registry` and a settings
model that all members' models extend. A member is one module in the family's package, with the
member's name; another distribution adds one by an entry point. Neither is listed anywhere else:

    class BiometricsSettings(FamilySettings):
        registry = Registry("driver", "affectline.services.biometrics.drivers",
                            "affectline.drivers")
        driver: str
        subject: Name = "person"

    # services/biometrics/drivers/ble.py
    class BleSettings(BiometricsSettings):
        driver: Literal["ble"] = "ble"
        address: str | None = None
        \"\"\"Address of the strap.\"\"\"

    class BleHeartRate(Driver):
        settings_model = BleSettings

`BiometricsSettings` in another model, or ``BiometricsSettings.model_validate({"driver": "ble"})``,
returns a `BleSettings`. Modules are imported when they are needed, so they must import quickly:
third-party packages belong inside functions. Names are given as text so that `common` imports
nothing from the services.
"""

import ast
import copy
import importlib
import inspect
import itertools
import pkgutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from affectline.common.errors import AffectlineError, first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Registry:
    """Finds the members of one family.

    Args:
        key: The setting that names the member, such as ``driver``; also used in error messages.
        package: Package of the built-in members, one module each.
        group: Entry-point group by which other distributions add members.
        default: The member to use if the settings name none.
        settings: Module with the settings models of built-in members whose own modules import
            large packages, which not every process that reads settings needs.
    """

    key: str
    package: str
    group: str
    default: str | None = None
    settings: str | None = None

    def names(self) -> list[str]:
        """All members, the built-in ones first, without importing them."""
        return [*self.own_names(), *sorted(self._plugins())]

    def own_names(self) -> list[str]:
        """The built-in members: the package's modules, except those that begin with ``_``.

        ``_plus_`` in a module's name is ``+`` in the member's.
        """
        package = importlib.import_module(self.package)
        names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
        return [name.replace("_plus_", "+") for name in names if not name.startswith("_")]

    def load(self, name: str) -> type[Any]:
        """The class of a member.

        Raises:
            AffectlineError: There is no such member, or the plug-in that adds it is broken.
        """
        if name in self.own_names():
            module = importlib.import_module(f"{self.package}.{name.replace('+', '_plus_')}")
            for found in _classes(module):
                if self._name_of(found) == name:
                    return found
            raise self._not_a_member(module.__name__, name)
        plugin = self._plugins().get(name)
        if plugin is None:
            known = ", ".join(map(repr, self.names()))
            raise AffectlineError(f"there is no {self.key} {name!r}", f"there are {known}")
        return self._load_plugin(plugin)

    def settings_model(self, name: str) -> type["FamilySettings"]:
        """The settings model of a member; raises the same errors as `load`."""
        if self.settings and name in self.own_names():
            for found in _classes(importlib.import_module(self.settings)):
                if self._named_by(found) == name:
                    own: type[FamilySettings] = found
                    return own
        model: type[FamilySettings] = self.load(name).settings_model
        return model

    def settings_models(self) -> dict[str, type["FamilySettings"]]:
        """The settings models of all members that can be loaded, by name."""
        broken = self.broken_plugins()
        return {name: self.settings_model(name) for name in self.names() if name not in broken}

    def broken_plugins(self) -> dict[str, str]:
        """Errors of the plug-ins that cannot be loaded, by name."""
        found: dict[str, str] = {}
        for name, plugin in self._plugins().items():
            try:
                self._load_plugin(plugin)
            except AffectlineError as error:
                found[name] = str(error)
        return found

    def parse(self, value: object) -> "FamilySettings":
        """Validate settings with the model of the member that they name.

        Raises:
            ValidationError: They name no member, or do not fit it.
        """
        if isinstance(value, FamilySettings) and value.registry is self:
            return value
        if not isinstance(value, Mapping):
            raise self._invalid((), "should be a mapping of settings", value)
        name = value.get(self.key, self.default)
        if not isinstance(name, str):
            known = ", ".join(map(repr, self.names()))
            raise self._invalid((self.key,), f"should be one of {known}", name)
        try:
            model = self.settings_model(name)
        except AffectlineError as error:
            raise self._invalid((self.key,), str(error), name) from error
        try:
            return model.model_validate(dict(value))
        except ValidationError as error:
            raise self._explain(error, name, model) from error

    def _explain(
        self, error: ValidationError, name: str, model: type["FamilySettings"]
    ) -> ValidationError:
        """Name the member in errors about missing and unknown settings; missing ones come last."""
        details: list[InitErrorDetails] = []
        for one in sorted(error.errors(), key=lambda one: one["type"] == "missing"):
            text = one["msg"].removeprefix("Value error, ")
            if len(one["loc"]) == 1 and one["type"] == "missing":
                text = f"the {self.key} {name} needs it"
            elif len(one["loc"]) == 1 and one["type"] == "extra_forbidden":
                known = ", ".join(f for f in model.model_fields if f != self.key) or "none"
                text = f"the {self.key} {name} has no such setting; it has {known}"
            details.append(_detail(one["loc"], text, one["input"]))
        return ValidationError.from_exception_data(model.__name__, details)

    def _invalid(self, where: tuple[str, ...], text: str, value: object) -> ValidationError:
        return ValidationError.from_exception_data(self.key, [_detail(where, text, value)])

    def _plugins(self) -> dict[str, "EntryPoint"]:
        """Members of other distributions; they cannot replace built-in ones."""
        from importlib.metadata import entry_points  # takes 30 ms; most processes do not need it

        own = self.own_names()
        return {p.name: p for p in entry_points(group=self.group) if p.name not in own}

    def _load_plugin(self, plugin: "EntryPoint") -> type[Any]:
        where = f"the {self.key} {plugin.name!r} of {plugin.dist.name if plugin.dist else '?'}"
        try:
            found: type[Any] = plugin.load()
        except Exception as error:  # third-party code may fail in any way
            raise AffectlineError(
                f"{where} cannot be loaded ({type(error).__name__}: {first_line(error)})",
                "update or remove the package that adds it",
            ) from error
        if self._name_of(found) != plugin.name:
            raise self._not_a_member(where, plugin.name)
        return found

    def _not_a_member(self, where: str, name: str) -> AffectlineError:
        return AffectlineError(
            f"{where} has no class with a settings_model whose {self.key} is {name!r}",
            "see docs/extending.md",
        )

    def _name_of(self, found: object) -> str | None:
        return self._named_by(getattr(found, "settings_model", None))

    def _named_by(self, model: object) -> str | None:
        """The name of the member that a settings model belongs to."""
        if not (isinstance(model, type) and issubclass(model, FamilySettings)):
            return None
        if getattr(model, "registry", None) is not self or self.key not in model.model_fields:
            return None
        name: str | None = model.model_fields[self.key].default
        return name


class FamilySettings(BaseModel):
    """Settings of a member of a family; the family's own model has its `registry`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: ClassVar[Registry]

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        if "registry" not in vars(cls):
            return handler(source)
        # The family's model represents the union of its members', looked up when one is needed
        return core_schema.no_info_plain_validator_function(
            cls.registry.parse, serialization=core_schema.simple_ser_schema("any")
        )


def documented_fields(model: type[FamilySettings]) -> "dict[str, FieldInfo]":
    """The fields of a settings model, with the texts below them as descriptions.

    Reading the source is the slowest part, so it is done only for help and
    documents, not in every process with pydantic's ``use_attribute_docstrings``.
    """
    texts: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, FamilySettings):
            texts |= _attribute_texts(owner)
    fields = {name: copy.copy(field) for name, field in model.model_fields.items()}
    for name, field in fields.items():
        field.description = field.description or texts.get(name)
    return fields


def _attribute_texts(owner: type[Any]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - for the type checker
    texts = {}
    for node, following in itertools.pairwise(definition.body):
        match node, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                texts[name] = inspect.cleandoc(str(text))
    return texts


def _classes(module: ModuleType) -> Iterator[type[Any]]:
    for found in vars(module).values():
        if isinstance(found, type) and found.__module__ == module.__name__:
            yield found


def _detail(where: tuple[int | str, ...], text: str, value: object) -> InitErrorDetails:
    return {"type": PydanticCustomError("setting", text), "loc": where, "input": value}

"""Every service, by its name; a declaration is imported when it is asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from affectline.common.runtime.spec import ServiceSpec

# In the order in which a pipeline starts them: the hub, who writes, who works, who publishes.
KINDS: Final = (
    "hub", "sink", "recorder", "detector", "classifier", "fusion", "lsl", "remote", "dashboard",
    "collect", "capture", "biometrics", "replay",
)  # fmt: skip


class ServiceSpecs(Mapping[str, "ServiceSpec"]):
    """The declarations of services, each in the module ``spec`` of its room.

    A process imports its own declaration only, so it starts fast and needs no packages that only
    other services use.

    Args:
        kinds: Names of the services.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = kinds

    def __getitem__(self, kind: str) -> "ServiceSpec":
        if kind not in self._kinds:
            raise KeyError(kind)
        spec: ServiceSpec = import_module(f"affectline.services.{kind}.spec").SPEC
        return spec

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __contains__(self, kind: object) -> bool:
        return kind in self._kinds


SPECS: Final = ServiceSpecs(KINDS)

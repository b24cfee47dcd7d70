"""The bill of materials, in CycloneDX: ``make sbom`` writes it.

It lists what an installation of Affectline with all extras consists of: every package of the
run-time locks with its hashes and licence, and every model that is shipped.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from affectline.common.model.shipped_digests import MODELS, SHIPPED_DIGESTS
from tests.supply.licences import Licence, listed, used
from tests.supply.locks import Pin, project, read_lock, run_time_locks

SCHEMA: Final = "CycloneDX 1.6"


def pins() -> tuple[Pin, ...]:
    """The packages of all run-time locks, each release once."""
    found = {
        (pin.name, pin.version): pin for name, _ in run_time_locks() for pin in read_lock(name)
    }
    return tuple(found[key] for key in sorted(found))


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _package(pin: Pin, licence: Licence, wanting: list[str]) -> Component:
    address = PackageURL("pypi", None, pin.name, pin.version)
    properties = [Property(name="affectline:wanted-by", value=", ".join(wanting))]
    if pin.marker:
        properties.append(Property(name="affectline:only-where", value=str(pin.marker)))
    if licence.brings:
        properties.append(Property(name="affectline:brings-along", value=licence.brings))
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(address)),
        comment="any file of the release that a lock allows",
        hashes=[_sha256(one.removeprefix("sha256:")) for one in pin.hashes],
    )
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(address),
        purl=address,
        scope=ComponentScope.REQUIRED if wanting == ["runtime"] else ComponentScope.OPTIONAL,
        licenses=[LicenseFactory().make_from_string(licence.expression)],
        external_references=[files],
        properties=properties,
    )


def _models() -> Iterator[Component]:
    for folder, digests in SHIPPED_DIGESTS.items():
        manifest = json.loads((MODELS / folder / "manifest.json").read_text(encoding="utf-8"))
        for file, digest in digests.items():
            if file == "manifest.json":
                continue
            yield Component(
                name=folder if file == "model.tflite" else f"{folder}/{file}",
                version=digest[:8],
                type=ComponentType.MACHINE_LEARNING_MODEL,
                bom_ref=f"model:{folder}/{file}",
                hashes=[_sha256(digest)],
                licenses=[LicenseFactory().make_from_string(manifest.get("licence", "MIT"))],
            )


def _required(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    """What a package with extras asks for on any platform, as far as it is installed here."""
    try:
        requires = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for one in map(Requirement, requires):
        said = str(one.marker or "")
        if "extra ==" not in said or any(f'extra == "{extra}"' in said for extra in extras):
            yield one


def _graph(asked: Iterable[Requirement]) -> dict[str, set[str]]:
    """By name, what each package needs that is reached from what is asked for."""
    needs: dict[str, set[str]] = {}
    done: dict[str, set[str]] = {}
    waiting = list(asked)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in done and one.extras <= done[name]:
            continue
        done.setdefault(name, set()).update(one.extras)
        found = list(_required(name, done[name]))
        needs[name] = {canonicalize_name(other.name) for other in found}
        waiting += found
    return needs


def _root() -> Component:
    about = project()["project"]
    return Component(
        name=about["name"],
        version=about["version"],
        type=ComponentType.APPLICATION,
        bom_ref="affectline",
        description=about["description"],
        licenses=[LicenseFactory().make_from_string(about["license"])],
    )


def bill() -> Bom:
    """The bill of materials."""
    licences, wanting = listed(), used()
    packages = [_package(pin, licences[pin.name], wanting[pin.name]) for pin in pins()]
    models, root = list(_models()), _root()
    content = json.dumps([str(one.bom_ref) for one in (*packages, *models)])
    bom = Bom(
        components=[*packages, *models], serial_number=uuid5(NAMESPACE_URL, f"affectline {content}")
    )
    bom.metadata.component = root
    by_name: dict[str, list[Component]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    about = project()["project"]
    lists = (about["dependencies"], *about["optional-dependencies"].values())
    asked = [Requirement(one) for several in lists for one in several]
    graph = _graph(asked)
    # What packages of another platform ask for cannot be seen here: the project asks for it.
    unseen = set(by_name).difference(*graph.values())
    own = unseen | {canonicalize_name(one.name) for one in asked}
    bom.register_dependency(root, [*models, *_named(own, by_name)])
    for package in packages:
        bom.register_dependency(package, _named(graph.get(package.name, ()), by_name))
    return bom


def _named(names: Iterable[str], by_name: Mapping[str, list[Component]]) -> list[Component]:
    return [one for name in sorted(names) for one in by_name.get(name, ())]


def main() -> None:
    """Write it to the file that the command line names."""
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    bom = bill()
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}: {SCHEMA}, {len(bom.components)} components\n")


if __name__ == "__main__":
    main()

"""Two hosts with a cable between them: network namespaces of this one."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from affectline.common.clock import SKEW_VARIABLE
from tests.pipelines import AFFECTLINE

HOSTS: Final = ("affectline-a", "affectline-b")
HUB: Final = "10.213.77.1"
"""Address of the first."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def connected_hosts() -> Iterator[None]:
    """The two hosts, as long as this lasts; skips the test where there can be none."""
    if not shutil.which("ip"):
        pytest.skip("two hosts: there is no ip command (iproute2)")
    first, second = HOSTS
    with ExitStack() as stack:
        for host in HOSTS:
            try:
                ip("netns", "add", host)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"two hosts: {error.stderr.decode().strip()}")
            stack.callback(ip, "netns", "delete", host)
        ip("link", "add", "affect-a", "netns", first, "type", "veth",
           "peer", "affect-b", "netns", second)  # fmt: skip
        for host, end, address in ((first, "affect-a", HUB), (second, "affect-b", "10.213.77.2")):
            ip("-n", host, "address", "add", f"{address}/24", "dev", end)
            ip("-n", host, "link", "set", end, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield


@contextmanager
def on(
    host: str, *command: str, skew_ms: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A command of ours on one of the hosts."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", host, *AFFECTLINE, *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {SKEW_VARIABLE: str(skew_ms)} | dict(environment or {}),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()

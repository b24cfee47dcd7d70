"""The containers, for real: built, brought up, heard, scaled, wounded and taken down again.

The host knows nothing of the project here: it listens with plain pyzmq and msgpack.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgpack
import pytest
import yaml
import zmq

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = (
    "hub", "capture", "detector", "classifier", "biometrics", "fusion", "recorder", "dashboard",
    "sink",
)  # fmt: skip
LIMIT_BYTES: Final = 610_000_000
"""What the image may add to its base."""

Condition = Callable[[str, dict[str, Any]], bool]


def run(*command: str, env: Mapping[str, str] | None = None, timeout_s: float = 120) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | dict(env or {}), timeout=timeout_s,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: {(done.stdout + done.stderr)[-4000:]}"
    return done.stdout


def skip_unless(works: str, *command: str, timeout_s: float = 30) -> None:
    """Skip the test where a command does not succeed, and tell its own words."""
    if not shutil.which(command[0]):
        pytest.skip(f"{works}: there is no {command[0]} command")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{works}: {' '.join(command)} does not end")
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it says nothing"]
        pytest.skip(f"{works}: {' '.join(command)}: {words[-1]}")


def wait_until(what: str, condition: Callable[[], bool], patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        time.sleep(0.3)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Stack:
    """One compose project with ports, an image and volumes of its own."""

    def __init__(self, keys: Path) -> None:
        self.keys = keys
        self.project = f"affectline-test-{uuid4().hex[:8]}"
        self.ingress, self.outlet, self.metrics, self.dashboard = free_ports(4)
        self._env = {
            "AFFECTLINE_IMAGE": self.project,
            "AFFECTLINE_KEYS": str(keys),
            "AFFECTLINE_PORT": str(self.ingress),
            "AFFECTLINE_OUTLET_PORT": str(self.outlet),
            "AFFECTLINE_METRICS_PORT": str(self.metrics),
            "AFFECTLINE_DASHBOARD_PORT": str(self.dashboard),
        }

    def compose(self, *arguments: str, timeout_s: float = 120) -> str:
        command = ("docker", "compose", "--project-name", self.project, *arguments)
        return run(*command, env=self._env, timeout_s=timeout_s)

    def up(self, *arguments: str, timeout_s: float = 180) -> None:
        try:
            self.compose("up", "--detach", "--wait", *arguments, timeout_s=timeout_s)
        except AssertionError as error:
            pytest.fail(f"{error}\n{self.compose('logs', '--tail', '20')}")

    def make_keys(self) -> None:
        """Those of the pipeline, and of an operator on the host, as docs/containers.md says."""
        own = ("--user", "0", "--entrypoint", "sh")
        self.with_keys(*own, self.project, "-c", "chown 10001 /keys")
        for name, role in (("parts", "pipeline"), ("desk", "operator")):
            self.with_keys(self.project, "keys", "new", name, "--role", role)
        read = ("-c", "cd /keys/clients/desk && cat hub.key client.key_secret")
        text = self.with_keys(*own, self.project, *read)
        found = re.findall(r'(?:public|secret)-key = "(.*)"', text)
        self.hub_key, self.public_key, self.secret_key = (key.encode() for key in found)

    def with_keys(self, *arguments: str) -> str:
        mount = ("--volume", f"{self.keys}:/keys", "--env", "AFFECTLINE_KEYS=/keys")
        return run("docker", "run", "--rm", *mount, *arguments)

    def connect(self, peer: "zmq.Socket[bytes]", port: int) -> None:
        """Connect a socket of the host's operator."""
        peer.curve_serverkey, peer.curve_publickey = self.hub_key, self.public_key
        peer.curve_secretkey = self.secret_key
        peer.connect(f"tcp://127.0.0.1:{port}")

    def shell(self, service: str, script: str) -> str:
        """Run a script in a service's first container."""
        return self.compose("exec", "--no-TTY", service, "sh", "-c", script)

    def inspect(self, service: str) -> list[dict[str, Any]]:
        """What the engine knows of a service's containers."""
        found: list[dict[str, Any]] = []
        for container in self.compose("ps", "--all", "--quiet", service).split():
            found += json.loads(run("docker", "inspect", container))
        return found

    def health(self, service: str) -> str:
        return str(self.inspect(service)[0]["State"]["Health"]["Status"])

    def pid(self, service: str) -> int:
        """The service's own process, as it is called in its container."""
        newest: dict[str, int] = {}

        def heard(_topic: str, message: dict[str, Any]) -> bool:
            newest["pid"] = message["pid"]
            return True

        self.listen(f"health/{service}", heard)
        return newest["pid"]

    def listen(self, prefix: str, condition: Condition, patience_s: float = 60) -> None:
        """Subscribe until a message fulfils the condition."""
        deadline = time.monotonic() + patience_s
        with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
            self.connect(subscriber, self.outlet)
            subscriber.subscribe(prefix)
            while (left_s := deadline - time.monotonic()) > 0:
                if subscriber.poll(int(left_s * 1000)):
                    topic, header, *_ = subscriber.recv_multipart()
                    if condition(topic.decode(), msgpack.unpackb(header)):
                        return
        logs = self.compose("logs", "--tail", "20")
        pytest.fail(f"nothing on {prefix} was as expected in {patience_s:g} s\n{logs}")

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "1")


@pytest.fixture(scope="module")
def base() -> str:
    """The image that ours starts from, on an engine that answers."""
    skip_unless("no Docker engine answers", "docker", "info")
    skip_unless("no compose v2", "docker", "compose", "version")
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    image = os.environ.get("AFFECTLINE_BASE") or found[1]
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode:
        skip_unless("the base image is not to be had", "docker", "pull", image, timeout_s=180)
    return image


@pytest.fixture(scope="module")
def stack(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, built and up."""
    stack = Stack(tmp_path_factory.mktemp("keys"))
    try:
        stack.compose("build", "hub", timeout_s=800)
        stack.make_keys()
        stack.up()
        yield stack
    finally:
        stack.down()
        subprocess.run(["docker", "image", "rm", stack.project], capture_output=True, check=False)
    label = f"label=com.docker.compose.project={stack.project}"
    for kind in ("container", "volume", "network"):
        every = ("--all",) if kind == "container" else ()
        assert not run("docker", kind, "ls", *every, "--quiet", "--filter", label), kind


def shows_a_face(message: dict[str, Any]) -> bool:
    return any(face["label"] for face in message["faces"])


def test_frames_are_answered(stack: Stack) -> None:
    stack.listen("emotion/sample", lambda _, message: shows_a_face(message))


def test_image_is_small(stack: Stack, base: str) -> None:
    sizes = run("docker", "image", "inspect", "--format", "{{.Size}}", stack.project, base)
    own, below = (int(size) for size in sizes.split())
    assert own - below <= LIMIT_BYTES


def test_nothing_is_published_beyond_this_machine(stack: Stack) -> None:
    published = {
        (service, inner, binding["HostIp"], int(binding["HostPort"]))
        for service in SERVICES
        for container in stack.inspect(service)
        for inner, bindings in container["NetworkSettings"]["Ports"].items()
        for binding in bindings or ()
    }
    assert published == {
        ("hub", "5555/tcp", "127.0.0.1", stack.ingress),
        ("hub", "5556/tcp", "127.0.0.1", stack.outlet),
        ("hub", "5560/tcp", "127.0.0.1", stack.metrics),
        ("dashboard", "8080/tcp", "127.0.0.1", stack.dashboard),
    }


@pytest.mark.parametrize("service", SERVICES)
def test_processes_have_no_powers(stack: Stack, service: str) -> None:
    status = stack.shell(service, "id -u; touch /app/new 2>&1; cat /proc/self/status")
    user, refusal, *lines = status.splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert user == "10001"
    assert "Read-only file system" in refusal
    assert (fields["CapBnd"].strip("0"), fields["NoNewPrivs"]) == ("", "1")


@pytest.mark.parametrize("service", SERVICES)
def test_memory_and_processes_have_limits(stack: Stack, service: str) -> None:
    """The engine enforces them, and nobody is near them."""
    (container, *_) = stack.inspect(service)
    limits = container["HostConfig"]
    assert 0 < limits["Memory"] == limits["MemorySwap"] <= 2**30
    assert 0 < limits["PidsLimit"] <= 256
    script = (  # version 2 of the kernel's groups, or version 1
        "cd /sys/fs/cgroup; cat memory.current pids.current 2>/dev/null || "
        "cat memory/memory.usage_in_bytes pids/pids.current"
    )
    memory, processes = map(int, stack.shell(service, script).split())
    assert memory < limits["Memory"] / 2
    assert processes < limits["PidsLimit"] / 2


def test_metrics_tell_of_every_service(stack: Stack) -> None:
    def all_are_ready() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics}/metrics") as answer:
            page = answer.read().decode()
        ready = re.findall(r'^affectline_ready\{service="([a-z]+)[^"]*"\} 1\.0$', page, re.M)
        return sorted(ready) == sorted(SERVICES)

    wait_until("every service is ready in the metrics", all_are_ready)


def test_the_page_asks_for_its_token(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.dashboard}/"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url)
    token = re.search(r"\?token=(\S+)", stack.compose("logs", "--no-color", "dashboard"))
    assert token, "it was printed once"
    file = "sessions/.dashboard-token"
    kept = stack.shell("dashboard", f"stat -c %a {file}; cat {file}")
    assert kept.split() == ["600", token[1]]
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(f"{url}?token={token[1]}") as answer:
        assert "affectline-dashboard" in answer.read().decode()


def test_a_marker_from_the_host_reaches_the_session_on_the_volume(stack: Stack) -> None:
    marker = {"message": "Marker", "session": "drive", "at": time.time_ns(), "label": "lorry"}
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        stack.connect(publisher, stack.ingress)
        assert publisher.poll(30_000), "the hub does not listen"
        publisher.send_multipart([b"marker/drive", msgpack.packb(marker)])
        wait_until(
            "the marker is on the volume",
            lambda: "lorry" in stack.shell("sink", "cat sessions/*/markers.csv"),
        )
    assert len(stack.shell("sink", "cat sessions/*/emotions.csv").splitlines()) > 1


def test_without_a_key_nobody_on_the_host_hears_anything(stack: Stack) -> None:
    stack.listen("emotion/sample", lambda _, message: True)
    with zmq.Context() as context, context.socket(zmq.SUB) as stranger:
        stranger.connect(f"tcp://127.0.0.1:{stack.outlet}")
        stranger.subscribe("")
        assert not stranger.poll(3000)


def test_a_key_is_revoked_and_let_in_without_a_restart(stack: Stack) -> None:
    stack.with_keys(stack.project, "keys", "revoke", "desk")
    wait_until(
        "it is no longer allowed", lambda: "keys have changed" in stack.compose("logs", "hub")
    )
    with zmq.Context() as context, context.socket(zmq.SUB) as desk:
        desk.setsockopt(zmq.LINGER, 0)
        stack.connect(desk, stack.outlet)
        desk.subscribe("")
        assert not desk.poll(3000)
    stack.with_keys(
        stack.project, "keys", "allow", "desk", stack.public_key.decode(), "--role", "operator"
    )
    wait_until(
        "it is let in again",
        lambda: stack.compose("logs", "hub").count("keys have changed") == 2,
    )
    stack.listen("emotion/sample", lambda _, message: True)


def test_the_processes_get_only_the_keys_that_they_need(stack: Stack) -> None:
    at_hub = stack.shell("hub", "cd /run/keys && find . -name '*.key*' | sort").split()
    assert at_hub == ["./allowed/desk.key", "./allowed/parts.key", "./hub.key_secret"]
    at_sink = stack.shell("sink", "cd /run/keys && find . -name '*.key*' | sort").split()
    assert at_sink == ["./client.key_secret", "./hub.key"]


def test_three_classifiers_share_the_work(stack: Stack) -> None:
    stack.up("--no-build", "--no-recreate", "--scale", "classifier=3")
    begun: dict[str, int] = {}
    busy: set[str] = set()

    def all_three_answer(topic: str, message: dict[str, Any]) -> bool:
        answers = message["counters"]["out"]
        if answers > begun.setdefault(topic, answers):
            busy.add(topic)
        return len(busy) == 3

    stack.listen("health/classifier/", all_three_answer)
    assert len(stack.inspect("classifier")) == 3


def test_a_killed_detector_comes_back(stack: Stack) -> None:
    # docker kill would count as a stop by hand, and nobody would start it again.
    stack.shell("detector", f"kill -KILL {stack.pid('detector')}")
    killed_at = time.time_ns()
    stack.listen(
        "emotion/sample",
        lambda _, message: message["published_at"] > killed_at and shows_a_face(message),
    )
    assert [container["RestartCount"] for container in stack.inspect("detector")] == [1]
    wait_until("the detector is healthy again", lambda: stack.health("detector") == "healthy")


def test_a_hanging_process_is_found_unhealthy(stack: Stack) -> None:
    pid = stack.pid("sink")
    stack.shell("sink", f"kill -STOP {pid}")
    wait_until("the sink is unhealthy", lambda: stack.health("sink") == "unhealthy")
    stack.shell("sink", f"kill -CONT {pid}")
    wait_until("the sink is healthy again", lambda: stack.health("sink") == "healthy")


def described(*files: str) -> dict[str, Any]:
    """What compose makes of the files where nobody has set a variable."""
    skip_unless("no compose v2", "docker", "compose", "version")
    named = [word for file in files for word in ("--file", file)]
    unset = {name: "" for name in os.environ if name.startswith("AFFECTLINE_")}
    text = run("docker", "compose", *named, "config", "--format", "json", env=unset)
    services: dict[str, Any] = json.loads(text)["services"]
    return services


def test_ports_are_the_usual_ones_by_default() -> None:
    services = described("docker-compose.yml")
    ports = [(port["host_ip"], port["published"]) for port in services["hub"]["ports"]]
    assert ports == [("127.0.0.1", "5555"), ("127.0.0.1", "5556"), ("127.0.0.1", "5560")]
    (page,) = services["dashboard"]["ports"]
    assert (page["host_ip"], page["published"]) == ("127.0.0.1", "8080")


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.classifiers.yml"])
def test_every_process_has_limits(file: str) -> None:
    text = (ROOT / file).read_text()
    for name, service in yaml.safe_load(text)["services"].items():
        for limit in ("mem_limit", "memswap_limit", "pids_limit"):
            assert limit in service, f"{name}: {limit}"


def test_only_the_override_wants_a_camera() -> None:
    plain = described("docker-compose.yml")
    assert not any("devices" in service for service in plain.values())
    with_camera = described("docker-compose.yml", "docker-compose.camera.yml")
    assert "/dev/video0" in json.dumps(with_camera["capture"]["devices"])
    assert "camera=0" in with_camera["capture"]["command"]
    assert "camera" in with_camera["detector"]["command"]
    assert with_camera["capture"]["restart"] == plain["capture"]["restart"]

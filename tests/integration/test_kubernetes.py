"""The Helm chart is sound, valid for Kubernetes, and its commands make a pipeline that runs."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from affectline.common.settings.hub import HubSettings
from affectline.common.settings.pipeline import load
from affectline.common.wire.messages import Emotion
from tests.kubernetes import CHART, ROOT, find_helm, render
from tests.pipelines import AFFECTLINE, free_port, listening

EVERYTHING = (
    "--set", "classifier.autoscaling.enabled=true", "--set", "recorder.enabled=true",
    "--set", "dashboard.enabled=true", "--set", "sessions.storageClass=fast",
)  # fmt: skip
needs_helm = pytest.mark.skipif(
    find_helm() is None, reason="needs Helm: python -m tests.kubernetes gets it"
)


def validate(resource: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(resource, "1.33", strict=True)


@needs_helm
def test_the_chart_has_no_fault() -> None:
    done = subprocess.run(
        [find_helm() or "", "lint", "--strict", str(CHART), *EVERYTHING],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
@pytest.mark.parametrize("options", [(), EVERYTHING], ids=["by default", "with everything"])
def test_what_it_makes_is_valid(options: tuple[str, ...]) -> None:
    made = render(*options)
    for resource in made:
        validate(resource)
    kinds = [one["kind"] for one in made]
    assert kinds.count("Deployment") == (8 if options else 6)
    assert ("HorizontalPodAutoscaler" in kinds) is bool(options)
    for pod in (one["spec"]["template"]["spec"] for one in made if one["kind"] == "Deployment"):
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["resources"]["limits"]["memory"]


@needs_helm
def test_classifiers_are_replicas_and_nothing_else_is() -> None:
    streams = "streams=[{name: sample, source: sample}, {name: door, source: 'rtsp://door/1'}]"
    made = render("--set", "classifier.replicas=5", "--set-json", as_json(streams))
    replicas = {
        one["metadata"]["name"]: one["spec"]["replicas"]
        for one in made
        if one["kind"] == "Deployment"
    }
    assert replicas.pop("lab-classifier") == 5
    assert set(replicas.values()) == {1}
    assert {"lab-capture-door", "lab-detector-door", "lab-detector-sample"} <= set(replicas)


@needs_helm
def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render("--set", "classifier.replica=3")
    assert "replica" in refused.value.stderr


def pods(*options: str) -> dict[str, dict[str, Any]]:
    """The pod templates of all deployments, by the deployments' names."""
    return {
        one["metadata"]["name"].removeprefix("lab-"): one["spec"]["template"]
        for one in render(*options)
        if one["kind"] == "Deployment"
    }


def find_restarted(before: tuple[str, ...], after: tuple[str, ...]) -> set[str]:
    """The processes whose pods an upgrade replaces."""
    old, new = pods(*before), pods(*after)
    assert set(old) == set(new)
    return {name for name in old if old[name] != new[name]}


@needs_helm
def test_what_reads_a_setting_or_a_stream_is_restarted_when_it_changes() -> None:
    streams = "streams=[{{name: sample, source: sample}}, {{name: door, source: 'rtsp://door/{}'}}]"
    one, two = ((*EVERYTHING, "--set-json", as_json(streams.format(number))) for number in (1, 2))
    assert find_restarted(one, one) == set()
    assert find_restarted(one, two) == {"capture-door", "sink", "recorder", "dashboard"}
    faster = find_restarted(one, (*one, "--set", "settings.fusion.rate=5"))
    assert faster == set(pods(*one))


@needs_helm
def test_processes_that_share_a_volume_of_one_node_run_on_one_node() -> None:
    def find_tied(*options: str) -> set[str]:
        return {name for name, pod in pods(*options).items() if "affinity" in pod["spec"]}

    writers = {
        name
        for name, pod in pods(*EVERYTHING).items()
        if any("persistentVolumeClaim" in volume for volume in pod["spec"]["volumes"])
    }
    assert writers == {"sink", "recorder", "dashboard"} == find_tied(*EVERYTHING)
    for pod in (pods(*EVERYTHING)[name] for name in writers):
        (term,) = pod["spec"]["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        wanted = term["labelSelector"]["matchLabels"]
        assert wanted.items() <= pod["metadata"]["labels"].items(), "each one may be the first"
    assert not find_tied(*EVERYTHING, "--set", "sessions.accessMode=ReadWriteMany")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render(*EVERYTHING, "--set", "sessions.accessMode=ReadWriteOncePod")
    assert "only the sink can use it" in refused.value.stderr


@needs_helm
def test_no_pod_reaches_the_page_unless_it_is_named() -> None:
    def find_policy(*options: str) -> dict[str, Any]:
        made = {one["metadata"]["name"]: one for one in render(*options) if "Policy" in one["kind"]}
        spec: dict[str, Any] = made["lab-dashboard"]["spec"]
        return spec

    peer = "networkPolicy.dashboardFrom=[{podSelector: {matchLabels: {app: ingress}}}]"
    closed, opened = find_policy(*EVERYTHING), find_policy(*EVERYTHING, "--set-json", as_json(peer))
    assert closed["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "dashboard"
    assert (closed["policyTypes"], closed["ingress"]) == (["Ingress"], [])
    assert opened["ingress"] == [{"from": [{"podSelector": {"matchLabels": {"app": "ingress"}}}]}]


@needs_helm
def test_the_image_is_the_one_that_the_page_builds() -> None:
    page = (ROOT / "docs/scale.md").read_text()
    (install,) = re.findall(r"^    helm install lab \S+ (.*)$", page, re.MULTILINE)
    images = {pod["spec"]["containers"][0]["image"] for pod in pods(*install.split()).values()}
    assert images == set(re.findall(r"^    docker build -t (\S+) \.$", page, re.MULTILINE))
    assert images == set(re.findall(r"^    docker push (\S+)$", page, re.MULTILINE))
    services = {one["metadata"]["name"] for one in render(*EVERYTHING) if one["kind"] == "Service"}
    assert set(re.findall(r"port-forward svc/(\S+)", page)) <= services


@needs_helm
@pytest.mark.slow
def test_its_commands_make_a_pipeline_that_runs(tmp_path: Path) -> None:
    port = free_port()
    made = render()
    (secret,) = [one for one in made if one["kind"] == "Secret"]
    settings = yaml.safe_load(secret["stringData"]["settings.yaml"])
    assert settings["hub"]["host"] == "lab-hub"
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({**settings, "hub": {"host": "127.0.0.1", "port": port}}))
    assert [source.name for source in load(path).sources] == ["sample"]
    with ExitStack() as stack:
        for deployment in (one for one in made if one["kind"] == "Deployment"):
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            arguments = [
                {"0.0.0.0:5555": f"127.0.0.1:{port}"}.get(one, one) for one in container["args"]
            ]
            arguments[arguments.index("--config") + 1] = str(path)
            for _ in range(deployment["spec"]["replicas"]):
                stack.enter_context(process(arguments, tmp_path))
        listener = stack.enter_context(listening(HubSettings(port=port)))
        deadline, answered = time.monotonic() + 60, 0
        while answered < 20 and time.monotonic() < deadline:
            listener.wait(timeout_s=0.5)
            for message in (packet.message for packet in listener.receive()):
                is_answer = isinstance(message, Emotion) and message.model is not None
                answered += is_answer
    assert answered >= 20


def as_json(setting: str) -> str:
    """``name=`` and YAML, as ``name=`` and JSON."""
    name, _, text = setting.partition("=")
    return f"{name}={json.dumps(yaml.safe_load(text))}"


@contextmanager
def process(arguments: list[str], folder: Path) -> Iterator[None]:
    running = subprocess.Popen([*AFFECTLINE, *arguments], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(timeout=20)


def test_the_pods_of_the_ray_job_are_valid() -> None:
    job = yaml.safe_load((ROOT / "configs/kubernetes/archive-rayjob.yaml").read_text())
    assert re.search(
        r"analyse s3://\S+ --out s3://\S+ --engine ray --resume", job["spec"]["entrypoint"]
    )
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **group["template"]}
        validate(pod)


def compose(*files: str, **variables: str) -> dict[str, Any]:
    """What compose makes of files."""
    import os
    import shutil

    if (
        shutil.which("docker") is None
        or subprocess.run(
            ["docker", "compose", "version"], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("no compose v2")
    named = [part for file in files for part in ("-f", str(ROOT / file))]
    command = ["docker", "compose", *named, "config", "--format", "json"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **variables}
    )
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def test_classifiers_on_another_host_know_the_hub_and_reach_its_ports() -> None:
    hub = compose("docker-compose.yml", "docker-compose.hub.yml", AFFECTLINE_LAN="192.168.1.20")
    there = {port["target"] for port in hub["hub"]["ports"] if port["host_ip"] == "192.168.1.20"}
    settings = HubSettings()
    needed = {settings.ingress, settings.bus, settings.work_out, settings.clock}
    assert there == {int(address.rpartition(":")[2]) for address in needed}
    (classifier,) = compose(
        "docker-compose.classifiers.yml", AFFECTLINE_HUB="192.168.1.20"
    ).values()
    assert classifier["command"][:3] == ["classifier", "--hub", "192.168.1.20"]


@pytest.mark.parametrize("keys", ["keys2", "./keys2", "/keys2"])
def test_keys_may_be_in_any_folder(keys: str) -> None:
    (allowed,) = compose("docker-compose.yml", AFFECTLINE_KEYS=keys)["hub"]["volumes"]
    assert (allowed["type"], allowed["source"]) == ("bind", str(ROOT / keys / "allowed"))

"""Runs a pipeline, attacks it, and compares its output with the expected output."""

import csv
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, Self

import psutil
import yaml

from affectline.common.clock import monotonic, now_ns
from affectline.common.runtime.keys import VARIABLE, Credentials, KeyHolder, KeyRole, KeyStore
from affectline.common.settings.hub import SECURITY
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion
from tests.attacks.attacks import Attack, Attacker
from tests.attacks.results import AttackResult, RunResult
from tests.chaos.film import RATE, write_film
from tests.pipelines import Pipeline, up
from tests.studies import write_table

ROLES: Final[dict[str, KeyRole]] = {"wall": "listener", "strap": "sensor", "desk": "operator"}
"""Keys that the hub accepts. The sensor's is for one person, who is not in the run."""
STREAM, TABLE, SUBJECT = "film", "sensors.csv", "anna"
FIRST_AT: Final = 25
"""The attacks begin when this frame is answered."""
SECONDS: Final = 40
"""Length of the film, which must last until a group's attacks are over."""
PATIENCE_S: Final = 20.0
"""How long to wait for the hub's health after an attack; it is reported once a second."""
OWN: Final = frozenset({
    "epoch", "captured_at", "received_at", "detected_at", "classified_at", "published_at", "at",
    "blink_at",
})  # fmt: skip
"""Columns that differ between runs anyway."""
LOOK_S: Final = 0.02


def write_settings(folder: Path, seconds: float, pace: str) -> Path:
    """Write a film, a table of its sensors, and the settings of a lossless run over both."""
    folder.mkdir(parents=True, exist_ok=True)
    film = folder / "film.mp4"
    if not film.exists():
        write_film(film, round(seconds * RATE))
        write_table(folder / TABLE, seconds)
    columns = {
        "heart_rate_bpm": {"signal": "heart_rate", "unit": "/min"},
        "eda_us": {"signal": "skin_conductance", "unit": "uS"},
    }
    sensor = {
        "driver": "csv", "subject": SUBJECT, "file": str(folder / TABLE), "time_column": "time_s",
        "columns": columns,
    }  # fmt: skip
    settings = folder / f"{pace}.yaml"
    made = {
        "sources": [{"name": STREAM, "source": str(film)}],
        "delivery": "lossless",
        "pace": pace,
        "biometrics": [sensor],
    }
    settings.write_text(yaml.safe_dump(made))
    return settings


class Expected:
    """A film and a table, and what a run without attacks writes for them.

    Args:
        folder: An empty folder for the film, the table and the run.
        seconds: Length of the film and the table.
    """

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        settings = write_settings(folder, seconds, "fast")
        done = up("--config", str(settings), "--out", str(folder / "alone"), "--json")
        assert done.returncode == 0, done.stderr
        self.rows = read_rows(folder / "alone" / "emotions.csv")
        self.samples = read_rows(folder / "alone" / "samples.csv")
        self.settings = write_settings(folder, seconds, "realtime")


def read_rows(path: Path) -> Counter[tuple[str, ...]]:
    """Return a table's rows, without columns that differ anyway and rows that peers may add."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("subject", SUBJECT) == SUBJECT]
    # How many messages the samples come in depends on the pace
    own = OWN | ({"seq"} if path.stem == "samples" else set())
    return Counter(tuple(row[name] for name in row if name not in own) for row in rows)


class Keys:
    """The keys of a hub that requires them, and of its clients.

    Args:
        folder: An empty folder for the keys.
    """

    def __init__(self, folder: Path) -> None:
        self._store = KeyStore(folder)
        for name, role in ROLES.items():
            pair, _ = self._store.make_client(name, role)
            subjects = ("bo",) if role == "sensor" else ()
            self._store.allow(
                KeyHolder(name=name, public_key=pair.public_key, role=role, subjects=subjects)
            )
        hub = self._store.hub_pair()
        assert hub
        self.hub_key = hub.public_key
        self.environment = {VARIABLE: str(folder), SECURITY: "required"}
        """Environment of a pipeline whose hub uses these keys."""

    def of(self, name: str, address: str) -> Credentials:
        """Return a client's key, for the hub at this address."""
        return KeyStore(self._store.folder / "clients" / name).credentials(address)


def attack(
    group: str,
    attacks: Iterable[Attack],
    folder: Path,
    expected: Expected,
    key: str | None = None,
) -> RunResult:
    """Run a pipeline and attack it, one attack after the other.

    Args:
        group: Name of the group of attacks.
        attacks: The attacks to run.
        folder: An empty folder.
        expected: The film and table to analyse, and the expected output.
        key: The attacker's key, one of `ROLES`; empty: no key, although the hub requires one; None:
            the hub requires no keys.
    """
    settings, keys = expected.settings, Keys(folder / "keys") if key is not None else None
    environment = keys.environment if keys else {}
    prefixes = ("emotion/", "health/hub", "health/sink", "stream/")
    options = ("--config", str(settings))
    with Pipeline(folder / "out", *options, prefixes=prefixes, environment=environment) as pipeline:
        watcher = Watcher(pipeline)
        watcher.listen_until_frame(FIRST_AT)
        watcher.listen_to_hub()
        address = f"127.0.0.1:{watcher.hub.port}"
        credentials = keys.of(key, address) if keys and key else None
        hub_key = keys.hub_key if keys else ""
        results = [_attack_once(one, watcher, credentials, hub_key) for one in attacks]
        summary = pipeline.finish(timeout_s=120)
    assert (summary["lost"], summary["skipped"], summary["restarts"]) == (0, 0, {}), summary
    rows, samples = (read_rows(folder / "out" / f"{name}.csv") for name in ("emotions", "samples"))
    return RunResult(
        group=group,
        rows=expected.rows.total(),
        right=(expected.rows & rows).total(),
        wrong=(rows - expected.rows).total(),
        samples=expected.samples.total(),
        right_samples=(expected.samples & samples).total(),
        wrong_samples=(samples - expected.samples).total(),
        attacks=results,
    )


def _attack_once(
    one: Attack, watcher: "Watcher", credentials: Credentials | None, hub_key: str
) -> AttackResult:
    before = dict(watcher.counters)
    attacker = Attacker(watcher.hub, watcher.newest, credentials, hub_key)
    with closing(attacker), MemoryWatch(watcher.hub_pid) as memory:
        one.run(attacker)
        until = monotonic() + PATIENCE_S
        watcher.listen_to_hub()
        while not (risen := watcher.risen_since(before, one.counters)) and one.counters:
            assert monotonic() < until, f"{one.name}: none of {one.counters} was counted"
            watcher.listen_to_hub()
        if sum(risen.values()) < attacker.sent and one.counters:  # more may be in flight
            watcher.listen_to_hub()
            risen = watcher.risen_since(before, one.counters)
    return AttackResult(
        name=one.name,
        summary=one.summary,
        sent=attacker.sent,
        closed=attacker.closed,
        stolen=attacker.stolen,
        refused=risen,
        grown_mb=round(memory.grown_mb, 1),
    )


class Watcher:
    """Listens to a pipeline, as any tool may.

    Args:
        pipeline: The pipeline to listen to.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.hub = pipeline.hub
        self.counters: dict[str, int] = {}
        """Counters of the hub, and those of other services, prefixed with their names."""
        self.newest: Emotion
        self.hub_pid = -1

    def listen_until_frame(self, seq: int) -> None:
        """Listen until a frame is answered."""
        self._observe(self._pipeline.wait_for_frame(seq, timeout_s=60))
        self.hub_pid = self._pipeline.pids()["hub"]

    def risen_since(self, before: dict[str, int], names: Iterable[str]) -> dict[str, int]:
        """Return by how much counters have risen, without those that have not."""
        risen = {name: self.counters.get(name, 0) - before.get(name, 0) for name in names}
        return {name: count for name, count in risen.items() if count}

    def listen_to_hub(self) -> None:
        """Listen until the hub has reported what it has counted so far."""
        now = now_ns()
        for packet in self._pipeline.messages(PATIENCE_S):
            self._observe(packet.message)
            match packet.message:
                case Health(service="hub", at=at) if at > now:
                    return
        raise AssertionError(f"the hub reported no health; {self._pipeline.log()}")

    def _observe(self, message: Message) -> None:
        if isinstance(message, Emotion):
            self.newest = message
        elif isinstance(message, Health):
            of_whom = "" if message.service == "hub" else f"{message.service}: "
            self.counters |= {f"{of_whom}{name}": n for name, n in message.counters.items()}


class MemoryWatch(threading.Thread):
    """Measures how large a process becomes.

    Args:
        pid: The process's id.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._before = self._most = self._process.memory_info().rss
        self._stopping = threading.Event()

    @property
    def grown_mb(self) -> float:
        """The largest growth since the beginning."""
        return (self._most - self._before) / 1e6

    def run(self) -> None:
        """Measure until told to stop."""
        with suppress(psutil.NoSuchProcess):
            while not self._stopping.wait(LOOK_S):
                self._most = max(self._most, self._process.memory_info().rss)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()

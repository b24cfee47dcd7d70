"""Results of a run in which every target is met, to be changed by tests."""

from typing import Any

from tests.benchmarks.results import (
    Baseline,
    CommandTimes,
    DashboardLoad,
    FirstEmotion,
    Floor,
    FullHdSource,
    GrowthPoint,
    HourPage,
    Live,
    Lossless,
    Machine,
    Memory,
    Micro,
    RecordCost,
    ReplayRate,
    ReportCost,
    Results,
    Spread,
    Throughput,
)
from tests.benchmarks.targets import BESIDE

CPU_MS = {"capture": 1.5, "hub": 0.5, "detector": 3.0, "classifier": 2.5, "sink": 0.4}


def spread(value: float) -> Spread:
    return Spread.of([value])


def machine(**changes: Any) -> Machine:
    given: dict[str, Any] = {
        "cpu": "Abacus", "simd": {"avx_vnni": False, "avx512_vnni": True}, "cores": 2,
        "memory_gb": 24.0, "kernel": "Linux", "python": "3.11", "packages": {}, "commit": "abc",
        "date": "2026-11-29 21:00", "load_before": 0.0,
    }  # fmt: skip
    return Machine.model_validate(given | changes)


def baseline(rate: float) -> Baseline:
    values = {
        "rate": rate, "cpu_ms": 300.0, "cores": 1.3, "other_cores": 0.0, "detect_ms": 70.0,
        "classify_ms": 120.0, "first_s": 5.0, "peak_mb": 800.0,
    }  # fmt: skip
    spreads = {name: spread(value) for name, value in values.items()}
    versions = {"tensorflow": "2", "fer": "25"}
    return Baseline.model_validate({"frames": 70, "versions": versions, **spreads})


def live(streams: int = 1, **changes: Any) -> Live:
    stages = {"detect": 3.0, "classify": 3.0, "publish": 0.5}
    given: dict[str, Any] = {
        "streams": streams, "classifiers": 1, "offered": 472 * streams, "answered": 472 * streams,
        "skipped": 0, "p50": 7.0, "p95": 12.0, "p99": 20.0, "max_ms": 40.0, "stages": stages,
        "stages_p99": stages, "slow": 0, "slow_at_first": 0, "cores": 0.5, "other_cores": 0.0,
        "cpu_ms": CPU_MS, "shares": [1.0] * streams,
    }  # fmt: skip
    return Live.model_validate(given | changes)


def lossless(**changes: Any) -> Lossless:
    given: dict[str, Any] = {
        "frames": 14_400, "film_s": 600.0, "rate": 210.0, "whole_rate": 205.0, "cpu_ms": CPU_MS,
        "faces": 1.0, "rss_mb": [400.0] * 10,
    }  # fmt: skip
    return Lossless.model_validate(given | changes)


def point(at: float, **figures: float) -> GrowthPoint:
    return GrowthPoint(at=at, figures=figures)


def growth() -> dict[str, list[GrowthPoint]]:
    """Cost that grows evenly."""
    return {
        "streams": [
            point(n, cpu_ms=8.0, p50_ms=7.0, p99_ms=10.0 * n, skipped_percent=max(0, n - 4) * 5.0,
                  rss_mb=350.0 + 50 * n, pss_mb=250.0 + 30 * n)
            for n in (1, 2, 4, 6)
        ],
        "faces": [
            point(n, cpu_ms=10.0 + n, rate=300.0 / (2 + n / 4), detector_ms=4 + 0.5 * n,
                  classifier_ms=2 + 0.5 * n, faces=n, frames=300)
            for n in (1, 2, 4, 8)
        ],
        "sizes": [
            point(size, cpu_ms=6 + 8 * size, capture_ms=1 + 6 * size, detector_ms=3 + size)
            for size in (0.2304, 0.9216, 2.0736, 8.2944)
        ],
        "lengths": [
            point(1 / 3, rss_mb=400.0, frames=472), point(10, rss_mb=408.0, frames=14_400),
            point(120, rss_mb=404.0, frames=1800),
        ],
        "sessions": [point(n, seconds=0.5 + 0.004 * n) for n in (1, 10, 100, 1000)],
    }  # fmt: skip


def results(**changes: Any) -> Results:
    """Everything was measured and is well, but for these changes."""
    best = Throughput(
        classifiers=1, rate=spread(210.0), whole_rate=spread(120.0), cores=spread(1.8),
        other_cores=spread(0.0), cpu_ms={kind: spread(ms) for kind, ms in CPU_MS.items()},
        observer_ms=spread(0.3), frames=472,
    )  # fmt: skip
    streams = [
        live(n, rss_mb=350.0 + 50 * n, pss_mb=250.0 + 30 * n) for n in (1, 2, 3)
    ]  # fmt: skip
    micro = [
        Micro(name=name, value=2.0, unit="ms")
        for name in ("model, threads: 1", "model, threads: 2", "model as served")
    ]
    page = DashboardLoad(
        dashboard=True, pages=1, stalled=0, server_percent=5.0, rate=25.0, classified=1.0,
        p50=8.0, p95=12.0, shown=[25.0], cores=1.0,
    )  # fmt: skip
    full_hd = [
        FullHdSource(name=name, live=live(size=(1920, 1080)), lossless=lossless(rate=70.0))
        for name in ("film", "camera, YUYV", "camera, MJPEG")
    ]
    given = Results(
        machine=machine(), clip="clip.mp4", size=(640, 360), clip_frames=472,
        paper=baseline(5.0), fer=baseline(20.0), ours=[best],
        live=[live(), live(beside=BESIDE), live(4), live(6), *streams],
        memory=Memory(rss=420.0, pss=300.0, processes={"capture": (90.0, 60.0, 50.0)}),
        first=FirstEmotion(received=spread(1.1), reported=spread(0.9)), micro=micro,
        duration_s=660.0, dashboard_load=[page], long_film=lossless(),
        record=RecordCost(added_ms=spread(0.4), recorder_ms=spread(0.3), mb_per_s=1.2),
        full_hd=full_hd,
        commands=CommandTimes(nothing_ms=spread(14), import_ms=spread(25), help_ms=spread(90)),
        replay=ReplayRate(frames=6000, seconds=6.0, whole_s=8.0),
        report=ReportCost(seconds=6.0, cpu_s=5.0, peak_mb=300.0, results=90_000),
        hour_page=HourPage(ready_s=4.0, p50_ms=16.7, p95_ms=20.0, max_ms=40.0),
        floor=Floor(
            decode_ms=0.5, networks_ms=2.0, detector_ms=3.0, model_ms=2.0, batch_ms=1.6, batch=8,
            copy_ms=0.005, message_bytes=40_000,
        ),
        growth=growth(),
    )  # fmt: skip
    return given.model_copy(update=changes)

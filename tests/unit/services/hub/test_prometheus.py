"""What Prometheus is told of processes."""

from affectline.common.wire.health import ClockOffset, Health
from affectline.services.hub.prometheus import (
    FORGET_S,
    MOST_SERVICES,
    SILENCE_S,
    HealthMetrics,
)


def figures(metrics: HealthMetrics, name: str) -> list[float]:
    found = {metric.name: metric for metric in metrics.collect()}
    return [sample.value for sample in found[name].samples]


def health(at: int = 0) -> Health:
    clock = ClockOffset(offset_ms=-250.0, uncertainty_ms=0.5, corrected_ms=-250.0)
    return Health(service="capture/front", pid=1, at=at, state="ready", clock=clock)


def test_a_silent_service_is_not_ready_whatever_its_clock_says() -> None:
    seconds = 100.0
    metrics = HealthMetrics(lambda: seconds)
    metrics.update(health(at=2**62))  # its clock is a century ahead
    assert figures(metrics, "affectline_ready") == [1.0]
    seconds += SILENCE_S
    assert figures(metrics, "affectline_ready") == [0.0]
    assert figures(metrics, "affectline_health_age_seconds") == [SILENCE_S]
    seconds += FORGET_S
    assert figures(metrics, "affectline_ready") == []


def test_offset_and_uncertainty_of_a_clock_are_told() -> None:
    metrics = HealthMetrics()
    metrics.update(health())
    assert figures(metrics, "affectline_clock_offset_seconds") == [-0.25]
    assert figures(metrics, "affectline_clock_uncertainty_seconds") == [0.0005]


def test_made_up_services_are_neither_kept_nor_in_the_way() -> None:
    seconds = 100.0
    metrics = HealthMetrics(lambda: seconds)
    assert metrics.update(health())
    for number in range(20_000):
        metrics.update(health().model_copy(update={"service": f"flood/n{number}"}))
    assert len(metrics) == MOST_SERVICES
    assert metrics.update(health())  # those that are there stay
    assert not metrics.update(health().model_copy(update={"service": "late"}))
    seconds += FORGET_S
    metrics.update(health())
    seconds += 1
    assert metrics.update(health().model_copy(update={"service": "late"}))
    assert len(metrics) == 2

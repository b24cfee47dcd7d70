"""What Prometheus is told of processes."""

from affectline.common.wire.health import ENDED, ClockOffset, Health
from affectline.services.hub.prometheus import (
    FORGET_S,
    MOST_SERVICES,
    SILENCE_S,
    HealthMetrics,
    render,
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


def test_what_has_ended_is_forgotten_at_once_and_what_failed_is_not() -> None:
    metrics = HealthMetrics()
    metrics.update(health())
    metrics.update(health().model_copy(update={"service": "recorder/p07"}))
    metrics.update(health().model_copy(update={"service": "recorder/p07", "detail": ENDED}))
    assert figures(metrics, "affectline_ready") == [1.0]
    assert metrics.update(health().model_copy(update={"detail": ENDED}))
    assert figures(metrics, "affectline_ready") == []
    metrics.update(health())
    assert figures(metrics, "affectline_ready") == [1.0], "it was started again"


def test_what_may_fall_is_a_gauge() -> None:
    metrics = HealthMetrics()
    counters = {"in": 5, "viewers": 2, "takes": 7, "wrong_tokens": 1}
    metrics.update(health().model_copy(update={"counters": counters}))
    text = render(metrics)[0].decode()
    assert 'affectline_now{gauge="viewers",service="capture/front"} 2.0' in text
    assert 'affectline_now{gauge="takes",service="capture/front"} 7.0' in text
    assert 'affectline_messages_total{counter="wrong_tokens",service="capture/front"} 1.0' in text
    assert figures(metrics, "affectline_messages") == [5, 1]


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

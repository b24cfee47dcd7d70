"""Constants of the measures that the stress model sees: chosen with it, and kept beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSettings:
    """Priors, time constants and windows.

    ``affectline validate stress-predict FOLDER --fit FILE`` chooses them by the people it fits to,
    see docs/validation.md. Spreads are standard deviations of natural logarithms.
    """

    heart_spread: float = 0.2
    """How much a person's heart rate varies, until their own spread is known."""
    heart_prior_s: float = 300.0
    """Weight of that prior, in seconds of the person's own data."""
    skin_spread: float = 1.0
    skin_prior_s: float = 30.0
    low_memory_s: float = 3600.0
    """Time constant with which a low creeps up to the level: electrodes drift."""
    slow_s: float = 120.0
    """Time constant of the slow measure of the skin: its level over the last minutes."""
    response_window_s: float = 60.0
    """Seconds over which skin conductance responses are counted; 120 at most."""

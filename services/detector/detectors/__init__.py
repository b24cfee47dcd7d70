"""The face detectors: one module each, named as the setting ``detector.backend`` names it."""

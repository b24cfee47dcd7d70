"""The face detectors, one module each; the setting ``detector.backend`` names one."""

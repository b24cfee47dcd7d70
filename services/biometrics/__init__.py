"""The biometrics process: one sensor of one person, as `Samples` on the bus."""

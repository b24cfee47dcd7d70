"""The biometrics process: publishes one sensor of one person as `Samples` on the bus."""

"""The biometrics process: one sensor of one person, as `common.senses.Samples` on the bus."""

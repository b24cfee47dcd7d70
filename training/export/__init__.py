"""From a training run to the artifact that is served."""

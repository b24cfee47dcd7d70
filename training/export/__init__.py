"""From a training run to the artifact that the classifier loads."""

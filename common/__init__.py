"""Code shared by services and training: messages, runtime, images, artifacts."""

"""What the services and the training share: messages, runtime, images, artifacts."""

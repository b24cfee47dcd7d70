"""The hub process: the only one that binds ZeroMQ sockets."""

"""The base of every process: sockets, signals, supervision, clocks and frames in flight."""

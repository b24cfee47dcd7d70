"""What every process runs on: sockets, signals, supervision, clocks and the frames in flight."""

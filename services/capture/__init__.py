"""The capture process: pictures in, frames out, at the pace that the consumers bear."""

"""The dashboard process: a page with live video and signals, recordings and replays."""

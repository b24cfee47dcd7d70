"""The page in the browser: live pictures and curves, recordings and replays."""

"""Compare emotions before and after each marker of a session.

python examples/read_session.py sessions/study1
"""

import argparse
from pathlib import Path

import pandas as pd

LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]

parser = argparse.ArgumentParser(description="Compare emotions before and after each marker.")
parser.add_argument("session", type=Path, help="the session folder")
parser.add_argument("--seconds", type=float, default=10.0, help="how long before and after")
options = parser.parse_args()

# A row for each face and frame; time_s counts seconds from the start of the session
emotions = pd.read_csv(options.session / "emotions.csv")
emotions = emotions[emotions["status"] == "face"]
markers = pd.read_csv(options.session / "markers.csv")

print("Share of the frames by stream:")
shares = emotions.groupby("stream")["label"].value_counts(normalize=True).unstack(fill_value=0)
print(shares.round(3).to_string())

for marker in markers.itertuples():
    since = emotions["time_s"] - marker.time_s
    before = emotions[(since >= -options.seconds) & (since < 0)]
    after = emotions[(since >= 0) & (since < options.seconds)]
    change = (after[LABELS].mean() - before[LABELS].mean()).dropna()
    print(f"\n{marker.label} at {marker.time_s:.1f} s, {len(before)} and {len(after)} rows:")
    for name, difference in change.items():
        print(f"  {name:<9}{difference:+.3f}")

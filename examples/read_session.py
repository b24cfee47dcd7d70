"""Compare emotions before and after each marker of a session.

python examples/read_session.py sessions/study1
"""

import argparse
from pathlib import Path

import pandas as pd

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

parser = argparse.ArgumentParser(description="Compare emotions before and after each marker.")
parser.add_argument("session", type=Path, help="the session folder")
parser.add_argument("--seconds", type=float, default=10.0, help="how long before and after")
options = parser.parse_args()

# One row for each face and frame; times are nanoseconds since 1970
emotions = pd.read_csv(options.session / "emotions.csv")
emotions["time"] = pd.to_datetime(emotions["captured_at"], utc=True)
markers = pd.read_csv(options.session / "markers.csv")
markers["time"] = pd.to_datetime(markers["at"], utc=True)

print("Share of the frames by stream:")
shares = emotions.groupby("stream")["label"].value_counts(normalize=True).unstack(fill_value=0)
print(shares.round(3).to_string())

shares = list(LABELS)
span = pd.Timedelta(seconds=options.seconds)
for marker in markers.itertuples():
    before = emotions[(emotions["time"] >= marker.time - span) & (emotions["time"] < marker.time)]
    after = emotions[(emotions["time"] >= marker.time) & (emotions["time"] < marker.time + span)]
    change = (after[shares].mean() - before[shares].mean()).dropna()
    print(f"\n{marker.label} at {marker.time:%H:%M:%S}, {len(before)} and {len(after)} rows:")
    for name, difference in change.items():
        print(f"  {name:<9}{difference:+.3f}")

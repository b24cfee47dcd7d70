"""Send markers from a PsychoPy experiment through the Lab Streaming Layer.

Receive them in Affectline: affectline biometrics --driver lsl --name PsychoPyMarkers

python examples/psychopy_markers.py --trials 3
"""

import argparse
import time

from pylsl import StreamInfo, StreamOutlet, local_clock

try:
    from psychopy import visual
except ImportError:  # the markers are sent without a window, too
    visual = None

parser = argparse.ArgumentParser(description="Show words, and mark each.")
parser.add_argument("--trials", type=int, default=3)
parser.add_argument("--seconds", type=float, default=0.5, help="how long each word is shown")
options = parser.parse_args()

info = StreamInfo("PsychoPyMarkers", "Markers", 1, 0, "string", "psychopy-markers")
outlet = StreamOutlet(info)
outlet.wait_for_consumers(60)
time.sleep(5)  # the two clocks are compared now: show the instructions, not a trial

window = visual.Window(fullscr=False) if visual else None
word = visual.TextStim(window) if visual else None
for trial in range(options.trials):
    if window and word:
        word.text = f"trial {trial + 1}"
        word.draw()
        # The marker has the time of the screen's refresh
        window.callOnFlip(outlet.push_sample, [f"trial {trial + 1}"])
        window.flip()
    else:
        outlet.push_sample([f"trial {trial + 1}"], local_clock())
    time.sleep(options.seconds)
outlet.push_sample(["end"], local_clock())
time.sleep(0.5)  # so that the last marker arrives

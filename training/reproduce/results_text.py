"""The sentences of ``docs/results.md``; the figures are put in by ``training.reproduce.report``."""

from typing import Final

HEAD: Final = """\
# The paper's tables, run again

<!-- Written by affectline-train reproduce: what is changed here by hand will be lost. -->

The student paper that this project grew from trains a head of three dense layers (256, 128, 64)
and a softmax on the features of a frozen VGG16. It shows what comes of several batch sizes, numbers
of epochs and learning rates. These are the same trainings, run here:

    affectline-train reproduce --data fer2013.csv

FER2013's {train:,} training rows, {test:,} test rows (public and private), Adamax (0.9, 0.999),
categorical cross-entropy, Keras' first weights. Nothing was chosen by the test rows: a figure is
that of the last epoch.

**What is known of the paper's figures.** This project has them as a range, {low:.1f} to
{high:.1f} % of the test rows, and {learnt:.1f} % of the training rows after 500 epochs; which line
has which is not known here, so each line is held against the range. Nor is it known at which number
of epochs the paper compared learning rates: 500 are taken. Chance in the choice of {test:,} test
rows alone makes a figure uncertain by 1.2 points (95 %).

**What the paper does not say** is how it prepared its pixels. Three ways are shown: 0 to 1
(divided by 255), minus ImageNet's means (what VGG16's weights were trained on), and 0 to 255 as
they are in the file.

In the tables: test accuracy in %, with the training accuracy in brackets, as Keras shows it (of
each batch before it is learnt), seed {seed}. The curves of all trainings (each epoch to 50, then
every tenth) are in [results/curves.csv](results/curves.csv).
"""
LENGTHS_NOTE: Final = """
All lines of this table are one training that was looked at on its way: the learning rate is
constant, and the order of the rows in an epoch depends on the seed and the epoch alone, so that a
training of 10,000 epochs passes through the very weights of one of 500. A test sees to that.
"""
DRIFT_HEAD: Final = """
Why the longest training ends further below the range than the others: the rate is constant and
nothing holds the head's weights back, so it never comes to rest. From one epoch to the next the
test accuracy moves by more than half a point, and on the whole it sinks, while the training rows
stay where they are. Pixels {kind}:

| epochs | last epoch | mean of the last tenth | lowest to highest | the mean from the range |
| --- | --- | --- | --- | --- |
"""
WHY_NOTE: Final = """
Each of these changes one thing in the training at batch size {size}, {epochs} epochs, seed {seed}.
The best epoch is chosen by the test rows, which is not allowed in a comparison: it is here only to
see whether the paper may have done so. Nothing on this page was used to choose anything in the
models that Affectline ships.

| change | 0 to 1 | minus means | 0 to 255 |
| --- | --- | --- | --- |
"""
PIXELS_NOTE: Final = """
Pixels {kind}: of {both} lines, {far} end more than {near:.1f} points from the range. With pixels
{best}, where nothing else differs, {mended} of these {far} end within {near:.1f} points, and all
{both} are {nearer:.1f} points nearer on average: that much is due to the preparation of pixels.
"""
LENGTH_LEFT: Final = """
With pixels {best} the differences above at more epochs ({epochs}) are those of the table of the
last tenths, which tells how the test rows fare as the training goes on.
"""

SEEDS_HEAD: Final = """
## Chance

Test accuracy in % after the last epoch, by seed: it sets the first weights and the order of the
rows. The last column tells how the first seed's figure moves within its last {window} epochs: a
training that goes on at a constant rate never comes to rest, and which epoch is the last is chance
as well.

"""

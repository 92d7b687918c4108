# %% [markdown] key="title"
# # 08 · Calibrate and quantize a model
#
# A small MobileNet names the thing on a photo. In 8-bit integers it loses next to nothing.
# Then its channels are rescaled in a way that changes no answer at all. The same 8 bits now leave it guessing.
# **What broke, and how do you save it without training?**
#
# After this lesson you can:
#
# - quantize a whole network, and choose who sets each range, from which images, and with which rule;
# - tell a fault of the weights from one of the values between layers, and mend both;
# - spot a network that has too few bits to be trusted, and spend bits where they count.
#
# You need some PyTorch: tensors, layers, and what a forward pass is. Lesson 07 builds the integer grid by hand. What
# you need of it is repeated here.
#
# **Time:** about 70 minutes: 36 to read, guess and play, 18 for the two exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 53 minutes in all, with the practice. Exercise 2
# is there, and earns points, too.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Then read what is marked *Short path*, up to
# the next heading; answer the guesses there and move the sliders.

# %% setup=true key="setup" tags=["hide-input"]
import tempfile
from dataclasses import replace

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import Markdown, display

from shrinklab import plot
from shrinklab.affine import choose_qparams, entropy, fake_quantize, min_max, mse, percentile
from shrinklab.data import load
from shrinklab.deploy import export, saturates
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.fast import fast_images
from shrinklab.measure import flip_rate, latency, measure, spread, verdict
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.quantize import (
    Scheme,
    bit_sensitivity,
    collect,
    correct_bias,
    equal_ranges,
    equalize,
    fold_batch_norm,
    mixed_precision,
    quantize_model,
    quantized_bytes,
    unbalance,
)
from shrinklab.widgets import Guess, Placement, Practice, RecallCards, calibration_explorer, explore

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## Same answers, two fates
# *Short path*
#
# Here are the photos, the network, and a second network. `unbalance` multiplies each channel between two layers by a
# number drawn by lot, and divides the next layer's weights by it. Whatever one layer gains, the next one gives back.

# %% key="load"
data = load("cifar10")
model = pretrained("mobilenet")
rescaled = unbalance(model, factor=6)  # each channel by a number between 1/6 and 6
calibration = data.train.images[:128]  # to choose ranges: no labels needed
photos = data.validation[:400]  # to test on: no training has seen them
photos = replace(photos, images=fast_images(photos.images))  # the same photos, in the order that convolutions like

def accuracy(network, split=photos):
    """Share of right answers; 50 photos at a time, which is quick because they stay in the processor's cache."""
    return correct(predict(network, split.images, batch_size=50), split.labels).double().mean().item()

# %% key="two-networks" play=true
whole = accuracy(model)
print(f"MobileNet as trained: {whole:.1%} of {len(photos)} validation photos right")
print(f"MobileNet rescaled:   {accuracy(rescaled):.1%}")
furthest = (predict(model, photos.images[:50]) - predict(rescaled, photos.images[:50])).abs().max()
print(f"largest difference between their outputs: {furthest:.6f}")

# %% [markdown] key="same"
# Two networks, the same answers. Only the numbers inside differ.
#
# **Quantization** stores these numbers as small integers. A **grid** says what an integer stands for:
# `real = scale * (integer - zero point)`. With 8 bits a grid has at most 256 points, laid over one range.
#
# **Weights** lie in the file, so their ranges are known. **Activations**, the values between the layers, depend on the
# photo. So some photos run through the network first, and the range of each value is written down: **calibration**.
#
# `quantize_model` does all this, and a `Scheme` says how. The integers are simulated in floats, with the same results
# as integer kernels give.

# %% key="first-int8"
one_grid = Scheme(weight_bits=8, activation_bits=8, per_channel=False)  # one grid for all weights of a layer
small = quantize_model(model, calibration, one_grid)
print(small.layers["blocks.0.depthwise"].weight[0])

# %% [markdown] key="predict-text"
# Commit to a guess before you go on.

# %% play=true key="predict-trained" tags=["hide-input"]
Guess("MobileNet as trained, all in 8 bits. How many points of accuracy does that cost, on these 400 photos?",
      lambda: 100 * (whole - accuracy(small)), unit="points",
      explain="256 grid points are plenty for this network. A cost below 0 means that a few more photos than in floats "
              "came out right, by chance: one photo is 0.25 points. Now the other network.")

# %% play=true key="predict-rescaled" tags=["hide-input"]
Guess("The rescaled network, with the very same recipe. How many per cent of the photos does it still get right?",
      lambda: 100 * accuracy(quantize_model(rescaled, calibration, one_grid)), unit="%",
      explain="With ten classes, 10 % is what pure guessing gets. No weight was wrong, and no photo changed.")

# %% [markdown] key="why-after"
# This is no toy problem. Nagel and others (2019) report it for MobileNetV2, a network that nobody had rescaled: on
# ImageNet 0.1 % are left in 8 bits. Among 1,000 classes that is guessing, as 10 % is among our ten.
# Our own MobileNet came out of training with even channels, so here the damage had to be made by hand. The cause,
# which you will see below, is the same, and so is the cure.

# %% [markdown] key="play-text"
# An **observer** is the rule that chooses the range of the activations. Min-max takes all of it, percentile cuts off
# the rarest values, and the other two search for a good cut. **Clipping** moves what lies outside of the range to its
# end.
#
# Now play with the network as it was trained. Each move quantizes it again and runs 250 photos. Find out:
#
# 1. How far can the bits of the weights fall before accuracy does? Try it with both kinds of grids.
# 2. Set the values between layers to 4 bits. How does accuracy change from observer to observer?
# 3. Take the percentile down to 95 %. What does the picture show, and what does accuracy do?
#
# The picture shows the values that one layer gave. What lies outside of the two dashed lines is clipped. In the list of
# layers `x` is the photo itself.

# %% play=true key="play"
calibration_explorer()

# %% [markdown] key="play-after"
# What to look for: at 8 bits the four observers do about equally well. At 4 or 5 bits they do not.
# The whole range leaves coarse steps. A cut far inside clips too much. The best place lies between.
# For the weights, one grid for each channel beats one for the layer, and the more so the fewer the bits.

# %% [markdown] key="dynamic"
# ## Who chooses the range, and when?
#
# The ranges of the weights can be read off. Those of the activations depend on the photo that comes in, and there are
# two ways to choose them.
#
# - **Static** quantization chooses the grids of the activations in advance, by calibration, as you did above.
# - **Dynamic** quantization chooses them anew for each batch, while the network runs. It needs no calibration, but
#   each layer must look at all its input first.
#
# Two tiny batches show the difference.

# %% key="tiny-dynamic"
seen, new = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 0.5, 6.0])
static = choose_qparams(*min_max(seen), bits=4)  # chosen once, from what calibration saw
dynamic = choose_qparams(*min_max(new), bits=4)  # chosen for this batch
print("static: ", fake_quantize(new, static))
print("dynamic:", fake_quantize(new, dynamic))

# %% [markdown] key="dynamic-after"
# The static grid ends at 2, so 6 is clipped to 2. The dynamic one fits, at the price of coarser steps for 0.5.
# Calibration has to see what will come. That is most of its art.

# %% play=true key="dynamic-real"
static_model = quantize_model(model, calibration, Scheme())
dynamic_model = quantize_model(model, scheme=Scheme(dynamic=True))
print(f"floats:  {whole:.1%} right")
print(f"static:  {accuracy(static_model):.1%}")
print(f"dynamic: {accuracy(dynamic_model):.1%}")

# %% [markdown] key="dynamic-cost"
# In accuracy the three are close: one photo of 400 is 0.25 points. The difference is in time, and it is measured at
# the end of this lesson, in the real runtime.

# %% [markdown] key="observers"
# ## Where should the grid end?
#
# Now look closer at the observers, the rules that say where a grid begins and ends.
# Here are ten thousand values, most of them below 3, and a single one at 12, on a grid of 4 bits.

# %% key="tiny-observers"
bell = torch.randn(10_000, generator=torch.Generator().manual_seed(0)).abs()
values = torch.cat([bell, torch.tensor([12.0])])
ends = {"min-max": min_max(values), "percentile 99.9": percentile(values, 0.999),
        "MSE": mse(values, bits=4), "entropy": entropy(values, bits=4)}
for name, (low, high) in ends.items():
    error = (fake_quantize(values, choose_qparams(low, high, bits=4)) - values).square().mean()
    print(f"{name:16} ends at {high:5.2f}, steps of {high / 15:.2f}, mean squared error {error:.4f}")

# %% [markdown] key="observers-after"
# - **Min-max** takes the whole range. Nothing is clipped, but one outlier makes all steps coarse.
# - **Percentile** keeps a stated share of the values and cuts off the rest, half at each end.
# - **MSE** tries many ends and keeps the one with the smallest mean squared error.
# - **Entropy** tries many ends too, and keeps the histogram that loses least information (Migacz, 2017).
#
# They weigh two errors against each other. **Clipping** hurts the few values beyond the end. **Rounding** hurts all
# others, by up to half a step. No rule is best everywhere: here the outlier may be noise, or it may be all that counts.

# %% [markdown] key="exercise-1"
# ### Exercise 1: a range by percentile
#
# Write `percentile_range(values, share)`: the pair (low, high) that holds the share `share` of the values. The rest is
# cut off, half below and half above.
#
# Worked value: of the values 0, 1, ..., 100 and share 0.9, a twentieth goes at each end: (5, 95).
#
# Helpful: `values.quantile(0.25)` is the number below which a quarter of the values lie. An end that falls between two
# values lies on the line from one to the other, as `quantile` has it: of 0 and 10 with share 0.5, (2.5, 7.5).

# %% exercise="percentile_range"
def percentile_range(values, share):
    """The range that holds `share` of the values, the rest cut off half at each end.

    values: (N,); share: above 0, up to 1 -> (low, high), two numbers.
    """
    ### BEGIN SOLUTION
    return values.quantile((1 - share) / 2), values.quantile((1 + share) / 2)
    ### END SOLUTION


# %% check="percentile_range" points=3 library=["calibrate", "observer_named"]
hundred = torch.arange(101.0)
ends = student("percentile_range", hundred, 0.9)
expect(ends, [5.0, 95.0], id="both-ends",
       hint="Of 0 to 100, share 0.9 leaves 5 to 95: a tenth goes, half of it at each end. "
            "Return the two ends, low first, and not the values between.")
expect(student("percentile_range", hundred, 0.5), [25.0, 75.0], id="share", needs="both-ends",
       hint="With share 0.5 the middle half stays, 25 to 75. Compute both ends from the share.")
expect(student("percentile_range", hundred, 1.0), [0.0, 100.0], id="everything", needs="share",
       hint="Share 1 keeps everything: 0 to 100.")
expect(student("percentile_range", torch.tensor([9.0, 1.0, 5.0, 3.0, 7.0]), 0.5), [3.0, 7.0], id="order",
       needs="both-ends", hint="Values come in any order: 9, 1, 5, 3, 7 with share 0.5 give 3 and 7.")
expect(student("percentile_range", hundred * 3 - 250, 0.9), [-235.0, 35.0], id="negative", needs="both-ends",
       hint="Values below 0 count like all others, and the two ends differ: don't make the "
            "range symmetric, and don't use abs().")
expect(student("percentile_range", torch.tensor([0.0] * 96 + [1.0, 2.0, 3.0, 4.0, 5.0]), 0.9), [0.0, 0.0], id="relu",
       needs="share", hint="Count values, not distances: of 101 values 96 are 0, so 90 % of them span 0 to 0. A share "
       "of the largest value, or mean and deviation, answer another question.")
expect(student("percentile_range", hundred.square(), 0.9), [25.0, 9025.0], id="uneven", needs="share",
       hint="Of the squares 0, 1, 4, ..., 10,000 share 0.9 leaves 25 to 9,025. The two ends need not lie equally far "
            "from the middle: count at each end on its own.")
expect(student("percentile_range", torch.tensor([0.0, 10.0]), 0.5), [2.5, 7.5], id="between", needs="both-ends",
       hint="Between two values the quantile lies on the line from one to the other: "
            "quantile() does it so.")
mixed = torch.tensor([4.0, -2.0, 8.0, 0.0])
expect(student_call("percentile_range", mixed, 0.9).arguments[0], mixed, id="unchanged", needs="order",
       hint="Your function changed the order of the values that it was given. sort() returns "
            "a new tensor; sort_() and out= work in place.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

expect(student("percentile_range", torch.tensor([3.0, -1.0, 7.0]), 0.8), [-0.2, 6.2], id="few", needs="both-ends",
       hint="Of three values too, an end between two of them lies on the line from one to the other.")
many = torch.randn(20_000, generator=fresh()) * 3 + 1
expect(student("percentile_range", many, 0.997), percentile(many, 0.997), rtol=1e-4, id="many", needs="both-ends",
       hint="On 20,000 random values your ends differ from the library's percentile.")
### END HIDDEN TESTS

# %% [markdown] key="percentile-further"
# **Going further.** A percentile needs all values at once. Write a version that sees them batch by batch and keeps
# a histogram of 2,048 bars. How far are its ends from yours?

# %% [markdown] key="use-text"
# ### Your own observer at work
#
# `collect` runs the calibration photos once and keeps what every layer gave. Then each move of the slider is quick:
# your `percentile_range` chooses all grids of the activations, in 4 bits. Look for the best percentile. It is neither
# end of the slider.

# %% play=true key="own-slider"
own_range = use("percentile_range", otherwise=percentile)
collected = collect(model, calibration)
kept = ipywidgets.FloatSlider(value=99.9, min=96, max=100, step=0.1, description="kept (%)", readout_format=".1f")
result = ipywidgets.Label()

def show(change=None):
    # An eighth of each layer's values tells its percentiles well enough, and the slider stays quick.
    scheme = Scheme(activation_bits=4, observer=lambda values: own_range(values[::8], kept.value / 100))
    result.value = f"{accuracy(quantize_model(model, collected, scheme), photos[:250]):.1%} of 250 photos right"

kept.observe(show, "value")
show()
ipywidgets.VBox([kept, result])

# %% [markdown] key="mse-text"
# A percentile is a guess with a number in it. The MSE observer measures instead: it tries several ends and looks at
# the error that each leaves.

# %% [markdown] key="exercise-2"
# ### Extra: exercise 2, the cut with the smallest error
#
# Write `best_cut(values, cuts, bits)`. The values are 0 or above, as after a ReLU. For each candidate in `cuts`:
#
# - lay a grid from 0 to the cut: `2**bits - 1` steps, so each is `cut / (2**bits - 1)` wide;
# - round each value to its nearest grid point; values beyond the cut land on the cut;
# - take the mean squared error, over all values, the clipped ones too.
#
# Return the cut with the smallest error.
#
# Worked value: ten times 1 and once 4, with 2 bits, so three steps. The cut 4 has the points 0, 1.33, 2.67, 4: each 1
# is off by a third. The cut 3 has the points 0, 1, 2, 3: each 1 is exact, and the 4 is off by 1. The sums of squares
# are 1.11 and 1, so the answer is 3.

# %% exercise="best_cut"
def best_cut(values, cuts, bits):
    """The cut whose grid leaves the smallest mean squared error.

    values: (N,), 0 or above; cuts: list of numbers above 0; bits: 2 to 8 -> one of the cuts.
    """
    ### BEGIN SOLUTION
    top, errors = 2**bits - 1, []
    for cut in cuts:
        step = cut / top
        rounded = (values / step).round().clamp(max=top) * step
        errors.append((rounded - values).square().mean())
    return cuts[torch.stack(errors).argmin()]
    ### END SOLUTION


# %% check="best_cut" points=4 library=["calibrate", "observer_named"]
even = torch.tensor([1.0, 2.0, 3.0] * 5)
expect(student("best_cut", even, [0.4, 3.0, 300.0], 2), 3.0, id="returns",
       hint="Of the cuts 0.4, 3 and 300, the values 1, 2, 3 fit 3 best. Return the cut itself, "
            "not its place in the list, and not its error.")
expect(student("best_cut", even, [2.0, 4.0, 3.0], 2), 3.0, id="steps", needs="returns",
       hint="2 bits have four grid points and three steps: with cut 3 they are 0, 1, 2, 3. "
            "The step is cut / (2**bits - 1), not cut / 2**bits, and no symmetric grid.")
ten = torch.tensor([4.0] + [1.0] * 10)
expect(student("best_cut", ten, [4.0, 2.0, 3.0], 2), 3.0, id="worked", needs="returns",
       hint="The worked value: ten times 1 and once 4, 2 bits, gives 3. Compare the mean of all "
            "squared errors: the largest error alone, or the number of clipped values, would "
            "choose 4.")
expect(student("best_cut", torch.tensor([1.0, 2.0, 3.0, 12.0]), [1.0, 12.0, 3.0], 2), 12.0, id="clipped",
       needs="worked",
       hint="1, 2, 3 and 12 with the cut 3: the 12 lands on 3, and that error of 9 counts. "
            "Clip to the cut, and leave no value out.")
expect(student("best_cut", torch.tensor([0.9, 1.1]), [0.75, 2.25, 3.0], 2), 3.0, id="nearest", needs="worked",
       hint="With the cut 3, 0.9 and 1.1 both go to their nearest grid point, 1: not down to 0, and not up to 2.")
far = torch.tensor([0.25] * 40 + [4.0])
expect(student("best_cut", far, [0.5, 1.0, 4.0], 2), 4.0, id="far", needs="worked",
       hint="Forty times 0.25 and once 4: with the cut 1 the 4 is off by 3, and that squared "
            "outweighs forty errors of 0.25. Square the errors before you average.")
expect(student("best_cut", ten, [2.0, 3.0, 4.0], 8), 4.0, id="bits", needs="worked",
       hint="With 8 bits the steps are fine and clipping costs more: the number of steps "
            "follows from bits.")
expect(student_call("best_cut", ten, [2.0, 3.0], 2).arguments[0], ten, id="unchanged", needs="worked",
       hint="Your function changed the values that it was given: work on a copy, and without methods that end in _.")
### BEGIN HIDDEN TESTS
tail = torch.randn(5000, generator=torch.Generator().manual_seed(3)).abs() ** 3
shares = [0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0]
cuts = [round(share * tail.max().item(), 4) for share in shares]
left = [(fake_quantize(tail, choose_qparams(0.0, cut, bits=4)) - tail).square().mean() for cut in cuts]
expect(student("best_cut", tail, cuts, 4), cuts[left.index(min(left))], id="tail",
       hint="On 5,000 values with a long tail another cut leaves less error.")
left = [(fake_quantize(tail, choose_qparams(0.0, cut, bits=3)) - tail).square().mean() for cut in cuts[::-1]]
expect(student("best_cut", tail, cuts[::-1], 3), cuts[::-1][left.index(min(left))], id="any-order", needs="tail",
       hint="The cuts come in any order, and bits in any number.")
### END HIDDEN TESTS

# %% [markdown] key="mse-further"
# **Going further.** Search smarter: the error falls and then rises again with the cut, nearly always. Find the best
# cut in ten tries of your own choice, and compare with 81 tries of the library's `mse`.

# %% [markdown] key="mse-use-text"
# `explore` makes sliders for any function. Here your `best_cut` chooses the range of every activation, beside min-max.
# Move the bits from 8 down. Where do the two part?

# %% play=true key="own-mse"
own_cut = use("best_cut", otherwise=mse)

def cut_range(values, bits):
    if own_cut is mse or values.min() < 0:  # the photos themselves have two signs
        return mse(values, bits=bits)
    candidates = [values.max().item() * step / 12 for step in range(1, 13)]
    return torch.tensor(0.0), torch.tensor(own_cut(values[::16], candidates, bits))  # a sixteenth is enough

def two_observers(bits):
    rules = {"min-max": "min_max", "your cut": lambda values: cut_range(values, bits)}
    return {name: f"{accuracy(quantize_model(model, collected, Scheme(activation_bits=bits, observer=rule)), few):.1%}"
            for name, rule in rules.items()}

few = photos[:150]
explore(two_observers, bits=[8, 6, 5, 4])

# %% play=true key="observer-runs"
names = ["min_max", "percentile", "mse", "entropy"]
by_observer = pd.DataFrame({f"{bits} bits": [accuracy(quantize_model(
    model, collected, Scheme(activation_bits=bits, observer=name))) for name in names] for bits in (8, 4)}, names)

# %% play=true key="predict-observer" tags=["hide-input"]
Guess("Four observers, weights in 8 bits, on the 400 photos. With 8 bits between layers, "
      f"{100 * (by_observer['8 bits'].max() - by_observer['8 bits'].min()):.2f} points lie between the best and the "
      "worst. How many with 4 bits?", lambda: 100 * (by_observer["4 bits"].max() - by_observer["4 bits"].min()),
      unit="points", explain="With 256 points any sensible range will do. With 16, the rarest large values dictate how "
                             "coarse all other steps are.")

# %% play=true key="observer-table"
by_observer.style.format("{:.1%}")

# %% [markdown] key="observer-table-after"
# Read the table by columns. At 8 bits the observers differ by a few photos, which says nothing.
# With 4 bits the whole range is the poorest choice here, because each step is wide and every clipped value bought
# finer ones. Choose the observer on validation images, like every other setting.

# %% [markdown] key="debug-text"
# ### Debug: an observer with a short memory
#
# Calibration photos come in batches. The observer below should give the range of **all** of them.
# On one batch it is right, so its author was content. In use, accuracy changes with the order of the photos. Mend it.
#
# Worked value: the batches `[1, 9]`, `[-3, 2]` and `[0, 4]` give -3 and 9.

# %% debug="running_range"
def running_range(batches):
    """Smallest and largest value of all batches.

    batches: list of tensors of any shape, at least one -> (low, high).
    """
    ### BEGIN FAULTY
    # for batch in batches:
    #     low, high = batch.min(), batch.max()
    ### END FAULTY
    ### BEGIN SOLUTION
    low, high = batches[0].min(), batches[0].max()
    for batch in batches[1:]:
        low, high = torch.minimum(low, batch.min()), torch.maximum(high, batch.max())
    ### END SOLUTION
    return low, high


# %% check="running_range" points=2 library=["calibrate", "min_max", "observer_named"]
three = [torch.tensor([1.0, 9.0]), torch.tensor([-3.0, 2.0]), torch.tensor([0.0, 4.0])]
expect(student("running_range", three), [-3.0, 9.0], id="all",
       hint="1, 9; -3, 2; 0, 4: the smallest of all is -3, the largest 9. The loop forgets "
            "what it saw before: compare each batch with the range so far.")
wider = [torch.tensor([2.0, 3.0]), torch.tensor([1.0, 4.0]), torch.tensor([0.0, 5.0])]
expect(student("running_range", wider), [0.0, 5.0], id="wider", needs="all",
       hint="2, 3; 1, 4; 0, 5: every batch widens the range at both ends, and the last one "
            "counts like the first.")
expect(student("running_range", [torch.tensor([5.0, 7.0]), torch.tensor([6.0])]), [5.0, 7.0], id="start",
       needs="all", hint="All values lie above 0, so low is 5. A range that starts at 0 has seen a value that was not "
       "there: start with the first batch.")
expect(student("running_range", [torch.tensor([-5.0, -7.0])]), [-7.0, -5.0], id="below", needs="all",
       hint="All values lie below 0, so high is -5. Start with the first batch.")
expect(student("running_range", [torch.tensor([3e12, 5e12]), torch.tensor([4e12])]), [3e12, 5e12], id="huge",
       needs="all", hint="3e12 to 5e12: a start value such as 1,000 or 1e9 ends up in the range when all values lie "
       "beyond it. Start with the first batch, or with float('inf').")
expect(student_call("running_range", three).arguments[0], three, id="unchanged", needs="all",
       hint="Your function changed the batches that it was given, and others still need them: walk through the list "
            "with for, without pop() or methods that end in _.")
### BEGIN HIDDEN TESTS
boxes = [torch.arange(-8.0, 16.0).reshape(2, 3, 4), torch.zeros(1, 3, 4)]
expect(student("running_range", boxes), [-8.0, 15.0], id="shape", needs="all",
       hint="Batches have any shape: take the extremes over all their dimensions, and don't "
            "stack them, since the last batch is often smaller.")
expect(student("running_range", [torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.0, 9.0])]),
       [0.0, 9.0], id="extremes", needs="all",
       hint="The range holds every value seen. An average of the batches' extremes (as some "
            "observers take it) does not.")
### END HIDDEN TESTS

# %% play=true key="debug-use"
def range_of_all(batches):
    return min_max(torch.cat(batches))

own_memory = use("running_range", otherwise=range_of_all)
values = collected.values["blocks_5_pointwise"]
batches = list(values.split(len(values) // 16))
low, high = own_memory(batches)
print(f"all batches: {low:.2f} to {high:.2f}")
print(f"last batch:  {batches[-1].min():.2f} to {batches[-1].max():.2f}")

# %% [markdown] key="real-data"
# ## Calibrate and test on what will really come
#
# A camera will stand outside, by day and by night. Three teams calibrate the same network in 8 bits.
#
# - The first uses photos in all lights: as taken, dark, and bright ones that are shifted by 4 pixels.
# - The second has photos of one evening, all dark.
# - The third has no photos yet and uses **synthetic** images: faint noise.
#
# Each tests on images of its own kind, and asks: how many answers did 8 bits change?

# %% key="lights" play=true
def relit(images, light, shift=0):
    """The photos in another light (1 is as taken), shifted by some pixels."""
    pixels = (images * data.std[:, None, None] + data.mean[:, None, None]) * light
    pixels = pixels.clamp(0, 1).roll((shift, shift), dims=(2, 3))
    return (pixels - data.mean[:, None, None]) / data.std[:, None, None]

def all_lights(images):
    """Every third photo as taken, every third dark, every third bright and shifted."""
    return torch.cat([images[0::3], relit(images[1::3], 0.35), relit(images[2::3], 1.8, shift=4)])

# %% play=true key="lights-picture" tags=["hide-input"]
figure, axes = plt.subplots(1, 6, figsize=(8, 1.7), layout="constrained")
shown = torch.cat([photos.images[5:7], relit(photos.images[5:7], 0.35), relit(photos.images[5:7], 1.8, 4)])
titles = ["as taken", "as taken", "dark", "dark", "bright, shifted", "bright, shifted"]
plot.images(axes, data.to_pixels(shown), titles)
figure.suptitle("Two validation photos in three lights")
plt.show()

# %% play=true key="teams"
street = photos[:300]  # what the camera will really see
street = replace(street, images=fast_images(all_lights(street.images)),
                 labels=torch.cat([street.labels[start::3] for start in range(3)]))
noise = 0.3 * torch.randn(428, 3, 32, 32, generator=torch.Generator().manual_seed(0))
kinds = {"all lights": (all_lights(calibration), street.images),
         "dark only": (relit(calibration, 0.35), relit(photos.images[:300], 0.35)),
         "faint noise": (noise[:128], noise[128:])}

def changed(small, images):
    before, after = (predict(network, images, batch_size=50).argmax(1) for network in (model, small))
    return flip_rate(before, after)

in_floats = accuracy(model, street)
reports = {}
for kind, (own_calibration, own_test) in kinds.items():
    camera = quantize_model(model, own_calibration, Scheme())
    reports[kind] = {"own": changed(camera, own_test), "real": changed(camera, street.images),
                     "accuracy": accuracy(camera, street)}

# %% play=true key="predict-dark" tags=["hide-input"]
Guess(f"In floats the network gets {in_floats:.1%} of the photos in all lights right. The team that calibrated on "
      "dark photos deploys its 8-bit network. How many per cent does that get right?",
      lambda: 100 * reports["dark only"]["accuracy"], unit="%",
      explain="Its grids end where dark photos end. Everything brighter is clipped, in every layer.")

# %% [markdown] key="pitfall-text"
# **Pitfall: not testing on real data.** The switch below turns the mistake on: it adds the figure that the team
# would report, from images like those that it calibrated on. Tick it, and go through the three teams.
# Compare the two figures of each.

# %% play=true key="pitfall-real" tags=["hide-input"]
def team_report(calibrated_on, test_on_the_same_kind):
    report = reports[calibrated_on]
    figures = {"answers that 8 bits changed, on real photos in all lights": f"{report['real']:.1%}",
               "right on real photos in all lights": f"{report['accuracy']:.1%} (floats: {in_floats:.1%})"}
    if test_on_the_same_kind:
        figures["answers that 8 bits changed, on images of the team's own kind"] = f"{report['own']:.1%}"
    return figures

explore(team_report, calibrated_on=list(kinds), test_on_the_same_kind=False)

# %% [markdown] key="pitfall-after"
# The dark team's own test looks fine: the test images have the same blind spot as the calibration.
# On the real mix its network changes many more answers than the first team's.
# The images for calibration need no labels, and some hundred are enough. But they must be those that will come:
# all lights, all classes, prepared in the same way. Photos that someone forgot to normalise are a classic, too.
#
# The noise team shows another thing: its images say nothing about the job, so its own figure says nothing either.

# %% [markdown] key="depthwise"
# ## One grid for a layer, or one for each channel
# *Short path*
#
# Back to the riddle. A **depthwise** convolution has a kernel of its own for each channel: nine weights that meet no
# other channel. MobileNets consist mostly of such layers and of 1 × 1 convolutions.
#
# **Per tensor** means one grid for all weights of a layer. **Per channel** means one for each output channel.
# Two tiny channels show what that means, in 4 bits.

# %% key="tiny-channels"
weight = torch.tensor([[6.0, -7.0, 3.0], [0.2, -0.3, 0.1]])
tensor_grid = choose_qparams(-7.0, 7.0, bits=4, symmetric=True)
channel_grid = choose_qparams(-weight.abs().amax(1), weight.abs().amax(1), bits=4, symmetric=True, axis=0)
print("one grid:           ", fake_quantize(weight, tensor_grid).tolist())
print("one for each channel:", [[round(w, 2) for w in row] for row in fake_quantize(weight, channel_grid).tolist()])

# %% [markdown] key="depthwise-idea"
# The large channel dictates the steps. The small one is rounded to nothing: its channel is dead.
# Now the real layers. For each channel of one depthwise layer: how far from 0 does its largest weight lie?

# %% play=true key="ranges" tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
ratios, equalized = {}, equalize(rescaled)
# fold_batch_norm multiplies each batch norm into the layer before it, as quantize_model does.
for name, network in (("as trained", fold_batch_norm(model)), ("rescaled", rescaled),
                      ("rescaled, then equalized", equalized)):
    reach = network.get_submodule("blocks.1.depthwise").weight.detach().flatten(1).abs().amax(1)
    ratios[name] = (reach.max() / reach.median()).item()
    ax.plot((reach / reach.max()).sort().values, label=name, linestyle=["-", "--", ":"][len(ratios) - 1],
            color=plot.COLOURS[len(ratios) - 1], linewidth=2)
ax.axhline(1 / 127, color="black", linewidth=1)
ax.annotate("one step of 8 bits", (11, 1 / 127), xytext=(0, 3), textcoords="offset points", fontsize="small")
ax.set(title="Ranges of the channels of blocks.1.depthwise", xlabel="channel, sorted by its range",
       ylabel="range, relative to the largest (log)", yscale="log")
ax.legend()
plt.show()
for name, ratio in ratios.items():
    print(f"{name:25} largest over median: {ratio:.1f}")

# %% [markdown] key="ranges-after"
# As trained, the channels lie within a small factor of each other. In the rescaled network, half of them have fewer
# than ten steps left, and the lowest not even one. The third line is a cure: see the next section.

# %% play=true key="predict-channel" tags=["hide-input"]
Guess("The rescaled network again, 8 bits, now with a weight grid for each channel. How many per cent are right?",
      lambda: 100 * accuracy(quantize_model(rescaled, calibration, Scheme())), unit="%",
      explain="Each channel has a whole grid to itself again. Not all is well: an activation has one grid for all its "
              "channels, and those are as uneven as before.")

# %% [markdown] key="bits-table-text"
# ### Where is the fault?
#
# Three networks, three ways to give them bits.

# %% play=true key="bits-table"
networks = {"as trained": model, "rescaled": rescaled, "rescaled, then equalized": equalized}
ways = {"8 bits": (8, 8), "8 bits, activations in floats": (8, None), "4 bits, activations in 8": (4, 8)}
rows = {}
for name, network in networks.items():
    kept_values = collect(network, calibration)
    for way, per_channel in (("per tensor", False), ("per channel", True)):
        rows[name, way] = {title: accuracy(quantize_model(
            network, kept_values, Scheme(*bits, per_channel=per_channel))) for title, bits in ways.items()}
pd.DataFrame(rows).T.style.format("{:.1%}")

# %% [markdown] key="bits-table-after"
# Read it honestly, row by row.
#
# - **As trained**, 8 bits per tensor cost about nothing. Our network is no MobileNetV2, and its channels are even.
#   With 4 bits the same cause shows: per channel stays ahead.
# - **Rescaled**, 8 bits per tensor leave a network that guesses. Per channel saves most of it. At 4 bits not even that
#   helps: inside of each channel of a 1 × 1 convolution, the weights for large and small inputs are uneven too.
# - **Equalized**, the rescaled network is about as good as the trained one, even per tensor.

# %% [markdown] key="find-the-fault"
# The middle column tells where a fault lies. Change one thing at a time, and see what brings the accuracy back:
#
# - activations in floats: the fault lies between the layers, so look at the calibration images and the observer;
# - a grid for each channel: the channels' weights are uneven, as in the rescaled network. There, floats between the
#   layers do not help;
# - neither of them: the weights have too few steps, so give them more bits.

# %% [markdown] key="equalize"
# ## Share the range between two layers
#
# Look at one channel between two layers. Make its weights s times smaller before, and s times larger after. A ReLU
# between them lets a positive factor through, so the output stays the same. That is how the network was spoilt,
# and it is how you can mend it.

# %% key="tiny-equalize"
first = torch.tensor([[8.0, -4.0], [0.5, 0.25]])  # row i makes channel i
second = torch.tensor([[0.5, 2.0], [-0.25, 1.0]])  # column i reads channel i
scales = torch.tensor([4.0, 0.5])
x = torch.tensor([1.0, 1.0])
print("before:", second @ torch.relu(first @ x))
print("after: ", (second * scales) @ torch.relu((first / scales[:, None]) @ x))
print("ranges:", (first / scales[:, None]).abs().amax(1).tolist(), (second * scales).abs().amax(0).tolist())

# %% [markdown] key="equalize-idea"
# **Cross-layer equalization** chooses s so that both sides of a channel get the same range. Call the ranges r1 (before)
# and r2 (after), each the largest distance of a weight from 0. Then r1 / s = r2 · s, so **s = sqrt(r1 / r2)**, and both
# become sqrt(r1 · r2). Nagel and others (2019) found it, go through all pairs of layers until nothing moves, and bring
# MobileNetV2 from 0.1 back to 69.9 % with it.

# %% [markdown] key="exercise-3"
# ### Exercise 3: the scales that share the range
#
# Write `equalizing_scales(first, second)` for two linear layers with a ReLU between them, with weights as PyTorch
# stores them: (outputs, inputs).
#
# - Row i of `first` makes channel i. Column i of `second` reads it.
# - Give one s for each channel: s = sqrt(r1 / r2).
# - A channel with only zeros on one side has nothing to share: its s is 1.
#
# Worked value: `first = [[8, -4], [0.5, 0.25]]` and `second = [[0.5, 2], [-0.25, 1]]` have r1 = 8, 0.5 and
# r2 = 0.5, 2. So s = `[4, 0.5]`.

# %% exercise="equalizing_scales"
def equalizing_scales(first, second):
    """Scales that give both sides of each channel the same range.

    first: (C, inputs), second: (outputs, C) -> (C,), above 0.
    """
    ### BEGIN SOLUTION
    before, after = first.abs().amax(1), second.abs().amax(0)
    scales = (before / after).sqrt()
    return torch.where((before > 0) & (after > 0), scales, torch.ones_like(scales))
    ### END SOLUTION


# %% check="equalizing_scales" points=4 library=["_share", "equalize"]
own = student("equalizing_scales", torch.diag(torch.tensor([16.0, 1.0])), torch.diag(torch.tensor([1.0, 4.0])))
expect(own, [4.0, 0.5], id="root",
       hint="Ranges 16 and 1 before, 1 and 4 after: s is 4 and 0.5. With s the first layer is "
            "divided, so a large channel before gets a large s; and don't forget the root.")
wide, tall = torch.tensor([[8.0, 2.0], [0.5, 0.25]]), torch.tensor([[0.5, 2.0], [0.25, 1.0]])
expect(student("equalizing_scales", wide, tall), [4.0, 0.5], id="axes", needs="root",
       hint="A channel is a row of first and a column of second, and its range is the largest "
            "of it, not a sum or a mean: 8, 0.5 and 0.5, 2.")
expect(student("equalizing_scales", -wide, torch.tensor([[0.5, 1.0], [0.25, -2.0]])), [4.0, 0.5], id="sign",
       needs="axes", hint="A range is the largest distance from 0: a weight of -8 reaches as far as one of 8.")
uneven = torch.tensor([[2.0, 2.0, 2.0], [18.0, 1.0, 1.0]]), torch.tensor([[2.0, 2.0]] * 5)
expect(student("equalizing_scales", *uneven), [1.0, 3.0], id="shape", needs="root",
       hint="first is 2 x 3, second 5 x 2, with 2 channels between them: two scales. Each "
            "channel is scaled by its own ranges, whatever the others have.")
gone = torch.tensor([[0.0, 0.0], [4.0, 1.0]]), torch.tensor([[3.0, 1.0]])
expect(student("equalizing_scales", *gone), [1.0, 2.0], id="zero-before", needs="root",
       hint="The first channel has only zeros before: nothing to share, s is 1. A scale of 0 "
            "or a small number added to it would spoil the layers.")
unread = torch.tensor([[5.0], [4.0]]), torch.tensor([[0.0, 1.0]])
expect(student("equalizing_scales", *unread), [1.0, 2.0], id="zero-after", needs="root",
       hint="Nobody reads the first channel: s is 1, not inf.")
call = student_call("equalizing_scales", -wide, -tall)
expect([call.arguments[0], call.arguments[1]], [-wide, -tall], id="unchanged", needs="axes",
       hint="Your function changed the weights. It should give the scales only; methods that "
            "end in _ work in place.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

draw = fresh()
long, other = torch.randn(7, 11, generator=draw), torch.randn(4, 7, generator=draw) * 9
expect(student("equalizing_scales", long, other), equal_ranges(long, other.T), id="random", needs="axes",
       hint="On random layers of 7 channels your scales differ from the library's.")
expect(student("equalizing_scales", wide * 1e-6, tall * 1e-6), [4.0, 0.5], id="small", needs="axes",
       hint="Tiny weights have ranges as well: divide by the range itself, with nothing added.")
### END HIDDEN TESTS

# %% [markdown] key="equalize-further"
# **Going further.** Only the ranges of the weights are shared here. Write scales that make the *activations* of the
# channels even, from `collect`ed values. What do you gain in 8 bits, and what do the weights pay?

# %% [markdown] key="equalize-use-text"
# Now your scales go through the whole rescaled network, pair by pair. `explore` runs it for as many rounds as you
# like, then quantizes the result per tensor, in 8 bits. How many rounds does it need?

# %% play=true key="own-equalize"
own_scales = use("equalizing_scales", otherwise=equal_ranges)

def rule(before, after):  # the library hands over a channel's weights as a row, on both sides
    return own_scales(before, after if own_scales is equal_ranges else after.T)

def save_it(rounds):
    network = equalize(rescaled, rounds, factors=rule) if rounds else rescaled
    small = quantize_model(network, calibration, one_grid)
    return f"{accuracy(small, photos[:250]):.1%} of 250 photos right, with one grid for each layer"

explore(save_it, rounds=[0, 1, 2, 5, 20])

# %% [markdown] key="equalize-after"
# A ReLU6 (a ReLU that ends at 6) lets no factor through, and a sum of two branches ties their channels together.
# There equalization stops, and a grid for each channel is the way. On the other hand, some hardware knows only one
# grid for each layer. Then equalization is what you have.

# %% [markdown] key="bias"
# ## Rounding shifts the mean
#
# Rounded weights are wrong in both directions. Do the errors cancel? Not always: each output has few weights, and its
# inputs are never negative after a ReLU. What remains is a shift, the same for every photo.

# %% key="tiny-bias"
weight, rounded = torch.tensor([0.9, 0.4, -0.2]), torch.tensor([1.0, 0.5, 0.0])
inputs = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0))
shift = (inputs @ rounded).mean() - (inputs @ weight).mean()
print(f"mean output {(inputs @ weight).mean():.3f}, with rounded weights {(inputs @ rounded).mean():.3f}")
print(f"with the bias lowered by {shift:.3f}: {(inputs @ rounded - shift).mean():.3f}")

# %% [markdown] key="bias-idea"
# **Bias correction** measures that shift for each channel, on calibration images, and takes it out of the layer's
# bias. No labels, no training, not a byte more. `correct_bias` does it layer after layer.

# %% play=true key="bias-real"
rough = quantize_model(model, collected, Scheme(weight_bits=4, per_channel=False))
corrected = correct_bias(rough, model, calibration[:64])
equal = equalize(model)
both = correct_bias(quantize_model(equal, calibration, Scheme(weight_bits=4, per_channel=False)), equal,
                    calibration[:64])
biases = {"floats": whole, "4 bits per tensor": accuracy(rough), "and bias correction": accuracy(corrected),
          "equalized, and bias correction": accuracy(both)}

# %% play=true key="predict-bias" tags=["hide-input"]
Guess(f"Weights in 4 bits, one grid for each layer: {biases['4 bits per tensor']:.1%} right. And after bias "
      "correction?", lambda: 100 * biases["and bias correction"], unit="%",
      explain="Much of what coarse rounding destroys is a plain shift. It can be had back for nothing.")

# %% play=true key="bias-result"
for name, share in biases.items():
    print(f"{name:31} {share:.1%}")

# %% [markdown] key="bias-after"
# Nagel and others (2019) find the shift without a single image, from the batch norms. Their MobileNetV2 in 8 bits had
# 70.9 % already, after equalization and one more step: little is left to mend there. Our 4 bits lost far more, and so
# more came back.

# %% [markdown] key="unstable"
# ## Too few bits: can you still trust an answer?
#
# Accuracy hides something. Some answers turn from right to wrong, others from wrong to right, and the two cancel.
#
# - The **flip rate** is the share of answers that differ from the float network's.
# - The **spread over calibration seeds** repeats everything with other calibration photos. It is the largest accuracy
#   minus the smallest: how much of your result is luck.

# %% play=true key="seeds"
def seeds(bits, split):
    """Accuracies and flip rates of five calibrations, each on 16 photos drawn by lot."""
    before, found = predict(model, split.images, batch_size=50).argmax(1), []
    for seed in range(5):
        drawn = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:16]
        small = quantize_model(model, data.train.images[drawn], Scheme(weight_bits=bits, activation_bits=bits))
        after = predict(small, split.images, batch_size=50).argmax(1)
        found.append(((after == split.labels).double().mean().item(), flip_rate(before, after)))
    rights, flips = zip(*found, strict=True)
    return {"accuracy, mean": sum(rights) / 5, "spread": spread(rights), "answers changed, mean": sum(flips) / 5}

stability = pd.DataFrame({f"{bits} bits": seeds(bits, photos[:250]) for bits in (8, 6, 4)}).T

# %% play=true key="predict-flips" tags=["hide-input"]
Guess("Weights and activations in 4 bits, calibrated on 16 photos. How many per cent of the answers change?",
      lambda: 100 * stability.loc["4 bits", "answers changed, mean"], unit="%",
      explain="The flip rate is larger than the loss of accuracy: many answers change from wrong to another wrong one, "
              "or to right.")

# %% play=true key="seeds-table"
print(f"floats on the same 250 photos: {accuracy(model, photos[:250]):.1%}")
stability.style.format("{:.1%}")

# %% [markdown] key="unstable-after"
# The course's rule calls a network **unstable** when more than 10 % of the answers change, or when the spread is over
# 2 points. That counts as a bad accuracy, whatever the mean says. At 8 bits all is quiet. At 6 bits the mean looks
# fine: compare the spread with the limit. At 4 bits, with 16 photos and the whole range, you ship a lottery ticket.
#
# What helps: more calibration photos, an observer that does not hang on one extreme value, or more bits.

# %% [markdown] key="mixed"
# ## Not every layer needs the same bits
#
# A **sensitivity scan** rounds the weights of one layer at a time and leaves the others in floats. Here the harm is
# the change of the outputs, relative to their size: 0 is none, and no labels are needed.

# %% play=true key="scan"
scan = bit_sensitivity(model, calibration[:32], bits=(3, 4, 8), scheme=Scheme())
wide = scan.pivot(index="layer", columns="bits", values="noise").loc[scan.layer.unique()]
wide.insert(0, "weights", [model.get_submodule(name).weight.numel() for name in wide.index])
wide.style.format({"weights": "{:,}", 3: "{:.4f}", 4: "{:.4f}", 8: "{:.6f}"})

# %% [markdown] key="scan-after"
# Compare the first depthwise layer with the last pointwise one. The first holds 144 weights and minds most of all. The
# last holds over a hundred times as many and minds little. So the same bits for every layer are a poor plan.
#
# **Mixed precision** gives each layer bits of its own. `mixed_precision` takes the bits with the least total harm
# that fit a budget of bytes. Let it have the bytes of the plain 4-bit file.

# %% play=true key="mixed-run"
four = quantize_model(model, collected, Scheme(weight_bits=4))  # "per channel, 4 bits" of the table above
mixed_bits = mixed_precision(model, calibration[:32], quantized_bytes(four), Scheme(), bits=(3, 4, 5, 6, 8))
plain_right, mixed_right = accuracy(four), accuracy(mixed_bits)

# %% play=true key="predict-mixed" tags=["hide-input"]
Guess(f"Weights in 4 bits, per channel: {quantized_bytes(four):,} bytes, {plain_right:.1%} right. In as many bytes, "
      "with the bits spread by sensitivity: how many per cent?", lambda: 100 * mixed_right, unit="%",
      explain="Bits went from the large patient layers to the small touchy ones.")

# %% play=true key="mixed-result" tags=["hide-input"]
bits = {name: layer.weight_grid.qparams.bits for name, layer in mixed_bits.layers.items()}
print(", ".join(f"{name}: {count}" for name, count in bits.items()))
print(f"4 bits: {quantized_bytes(four):,} bytes, {plain_right:.1%} right")
print(f"mixed:  {quantized_bytes(mixed_bits):,} bytes, {mixed_right:.1%} right")

# %% [markdown] key="mixed-after"
# The file is smaller, and the time is not: common processors multiply 8-bit integers, and weights of 3 or 5 bits are
# unpacked first. Mixed precision pays where bytes are short, or on hardware that knows small integers.

# %% [markdown] key="measure"
# ## Ship, measure, judge
#
# Everything so far was chosen on validation photos. The plan for this network: 8 bits, static, a weight grid for each
# channel, ranges by min-max. `export` writes real files, and ONNX Runtime runs them on integer kernels.

# %% play=true key="export"
folder = tempfile.TemporaryDirectory()
kind = "uint8" if saturates() else "int8"  # some processors cut off sums of int8 products; lesson 07 says why
networks = {"floats": model, "static int8": static_model, "dynamic int8": dynamic_model}
runners = {name: export(network, "onnx", f"{folder.name}/{name}.onnx", example=data.example,
                        weights="int8" if network is model else kind) for name, network in networks.items()}
times = {name: latency(lambda runner=runner: runner(data.example), repeats=200) for name, runner in runners.items()}
# %% play=true key="predict-speed" tags=["hide-input"]
Guess("Three files, one photo at a time, one thread, in ONNX Runtime. Which is slowest?",
      lambda: max(times, key=lambda name: times[name].p50_ms), choices=["floats", "static int8", "dynamic int8"],
      explain="Dynamic quantization looks for the range of each layer's input, every time, and its convolution has "
              "no fast kernel in this runtime.")

# %% play=true key="export-result" tags=["hide-input"]
for name, runner in runners.items():
    print(f"{name:13} {runner.file_bytes:7,} bytes, {times[name].p50_ms:.3f} ms (median)")
same = (runners["static int8"](photos.images).argmax(1) == predict(static_model, photos.images).argmax(1)).sum()
print(f"file and simulation agree on {same} of {len(photos)} photos")

# %% [markdown] key="export-after"
# The int8 file is much smaller. Its time is another matter: compare the medians. Multiplying is only a part of what
# such a small network spends its time on, and integers speed up only that part. Lesson 02 takes a latency apart.
# Is dynamic int8 the slowest by far for you, too? Its convolutions have no fast kernel here. It was made for large
# matrix products, as in language models.
#
# Now, and only now, the **test** photos: once, for the final numbers. Both networks run in ONNX Runtime.

# %% play=true key="measure-run"
before = measure(model, data.test, runner=runners["floats"], repeats=200)
after = measure(static_model, data.test, runner=runners["static int8"], repeats=200)
pd.DataFrame({"floats": dict(before.rows()), "static int8": dict(after.rows())})

# %% play=true key="verdict"
judged = verdict(before, after, spread=stability.loc["8 bits", "spread"])
display(Markdown(f"**{judged.rating}**\n\n" + "\n".join(f"- {reason}" for reason in judged.reasons)))

# %% [markdown] key="verdict-after"
# The int8 network counts fewer parameters, because its batch norms are multiplied into the layers before them.
#
# Read each reason. Accuracy and size are good. Latency depends on the machine: on a processor with slow floats, as in
# a phone or a microcontroller, integers gain far more than here. Measure there.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Not testing on real data.** The switch above. Calibrate and test on what will come, in all its lights.
# - **An observer with a short memory.** The debug exercise: the range of the last batch is not the range.
# - **One grid for uneven channels.** Look at the ranges before you blame the bits.
# - **Trusting the mean.** Look at the flip rate and at the spread over calibration seeds.
# - **Taking the simulation for speed.** Integers simulated in floats are slow; measure the file in its runtime.

# %% [markdown] key="practice-text"
# ## Extra: practice
#
# From easy to hard, with hints and full solutions. At the end you see which sections to read again.

# %% play=true key="practice" tags=["hide-input"]
Practice("practice.yml")

# %% [markdown] key="cards-text"
# ### Recall cards
#
# Say the answer aloud before you turn a card. Cards that you know come back later, others sooner.

# %% play=true key="cards" tags=["hide-input"]
RecallCards("practice.yml")

# %% [markdown] key="quiz"
# ## Graded quiz
#
# Four questions. Numbers, options and their order are drawn for each release. Write each answer into its cell. The
# checks here see only whether your answer can be read, not whether it is right; `make check` and your instructor
# compare it with the key.

# %% graded="answer_1" points=1 section="equalize"
def answer_1(draw):
    a, b, unit = draw.integer(2, 12), draw.integer(2, 12), draw.pick([1, 2, 3, 5])
    if a == b:
        return None
    return draw.number(
        f"Two layers share a channel, with a ReLU between them. The weights that make it reach up to {a * a * unit} "
        f"from 0, those that read it up to {b * b * unit}. Cross-layer equalization scales the channel. How far do "
        "the weights that make it reach now? Write a number.", a * b * unit, within=(0, 10_000_000), tolerance=0,
        hint="The first side is divided by s and the second multiplied, so that both reach equally far. What is their "
             "product, before and after?")

# %% graded="answer_2" points=1 section="depthwise"
def answer_2(draw):
    case, whole = draw.pick(["weights", "values", "bits"]), draw.integer(840, 930)
    low, fine = draw.integer(100, 250), whole - draw.integer(2, 9)
    rows = {"weights": (low, fine, low + draw.integer(3, 20), fine + 1),
            "values": (low, low + draw.integer(3, 20), fine, fine + 1),
            "bits": (low, low + draw.integer(30, 90), low + draw.integer(20, 60), low + draw.integer(100, 160))}[case]
    names = ("weights per tensor, activations quantized", "weights per channel, activations quantized",
             "weights per tensor, activations in floats", "weights per channel, activations in floats")
    table = "\n".join(f"| {name} | {right / 10:.1f} % |" for name, right in zip(names, rows, strict=True))
    return draw.choice(
        f"A network has {whole / 10:.1f} % accuracy in floats. With {'3' if case == 'bits' else '8'}-bit weights:\n\n"
        f"| how | accuracy |\n|---|---|\n{table}\n\nWhere would you look first?",
        {"The channels' weight ranges are uneven: use a grid for each channel, or equalize.": case == "weights",
         "The ranges of the values between layers: look at the calibration images and the observer.": case == "values",
         "The weights have too few steps even with a grid for each channel: give them more bits.": case == "bits"},
        never=["Nothing is wrong: such a loss is within chance.",
               "The runtime: integer kernels compute other results."],
        hint="Compare rows that differ in one thing only. Which change brings the accuracy back, and does any?")

# %% graded="answer_3" points=1 section="observers"
def answer_3(draw):
    count, promille = draw.integer(20, 90, 10) * 1000, draw.integer(4, 40, 4)
    return draw.number(
        f"A percentile observer keeps {100 - promille / 10:g} % of {count:,} values, all different. How many values "
        "lie above the upper end of its range? Write a number.", count * promille // 2000, within=(0, 10_000_000),
        tolerance=0, hint="What is not kept is cut off at two ends.")

# %% graded="answer_4" points=1 section="unstable"
def answer_4(draw):
    case = draw.pick(["drop", "flips", "spread", "fine"])
    drop = draw.integer(52, 95) if case == "drop" else draw.integer(2, 19)
    flips = draw.integer(105, 240) if case == "flips" else draw.integer(12, 60)
    wide = draw.integer(24, 70) if case == "spread" else draw.integer(2, 15)
    flips = max(flips, drop + draw.integer(2, 20)) if case != "drop" else min(drop + draw.integer(1, 4), 99)
    return draw.choice(
        f"An int8 network, beside its float original: accuracy fell by {drop / 10:.1f} points, {flips / 10:.1f} % of "
        f"the answers changed, and over five calibration seeds accuracy ranges over {wide / 10:.1f} points. File and "
        "latency are half as large. What do the course's rules say?",
        {"Bad, because of the drop in accuracy.": case == "drop",
         "Bad, because too many answers changed.": case == "flips",
         "Bad, because accuracy depends too much on the calibration images.": case == "spread",
         "Good: no limit is broken.": case == "fine"},
        never=["Bad, because some answers changed: there must be none.",
               "It cannot be judged without the loss on the training images."],
        hint="Three limits: a drop over 5 points, more than 10 % of answers changed, a spread over 2 points.")

# %% [markdown] essay="reflect" points=3
# ## Reflect
#
# A zoo watches its enclosures with small cameras, day and night. A colleague has quantized the network to 4 bits, per
# tensor, calibrated on 16 photos from the zoo's prospectus, and writes: "Tested on the prospectus photos: no loss. We
# ship on Friday." The cameras run 8-bit integers about as fast as 4-bit ones, and have memory enough for both.
#
# Write five to eight sentences to your colleague. Say what you doubt, with at least two numbers that you measured in
# this lesson, and what you would do before Friday.
#
# === BEGIN MARK SCHEME ===
# One point each, 3 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **The test shows nothing about the job.** The answer says that calibration and test images are of one clean kind
#    and share their blind spot: no night, no backlight, few photos. It supports this with a number measured in the
#    lesson. Examples are the dark team's share of changed answers on its own photos against that in all lights, or its
#    accuracy against the float network's. Half a point without a number.
# 2. **4 bits per tensor from 16 photos is unstable or coarse.** The answer names flip rate, spread over seeds, or the
#    loss per tensor against per channel at 4 bits, with a measured number. With the shipped network more than 10 % of
#    the answers change at 4 bits, and the spread is several points; 8 bits stay within about a point of floats. Half a
#    point without a number.
# 3. **A sound plan.** Since the cameras gain no speed and need no room, 8 bits per channel, static, suggest themselves.
#    Calibrate on some hundred unlabelled photos of these cameras in all lights. Test on labelled photos of the same
#    kind that were not used for calibration, and look at flips and spread. If 4 bits must be: equalization, bias
#    correction, MSE ranges or mixed precision. Measure on the camera. Not all of this is needed; two sound steps with
#    their reasons are enough. Half a point for a plan that names only "more data" or only "more bits".
#
# No point for a claim that contradicts the lesson (such as "calibration needs labels" or "dynamic is faster here"): it
# cancels the point of its line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# The rescaled network must run with **4-bit weights and one grid for each layer**, on hardware that knows nothing
# else. Activations have 8 bits. As it is, it guesses. Bring it to at least 80 % on 1,000 validation photos, with no
# training. Change the recipe and run the cell: you may equalize, choose observers, correct biases, and calibrate on
# more photos. It is a step towards the capstone, the task that closes the course (lesson 10).

# %% play=true key="challenge-try"
def recipe(network, images):
    scheme = Scheme(weight_bits=4, per_channel=False)
    return quantize_model(network, images, scheme)

mine = recipe(rescaled, data.train.images[:128])
reached = accuracy(mine, data.validation[:1000])
allowed = all(grid.numel() == 1 and layer.weight_grid.qparams.bits <= 4
              for layer in mine.layers.values() for grid in [layer.weight_grid.scale])
print(f"{reached:.1%} of 1,000 photos right, one 4-bit grid for each layer: {allowed}")
print("You saved it." if reached >= 0.8 and allowed else "Not yet.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result" tags=["hide-input"]
points_lost = 100 * (before.accuracy - after.accuracy)
display(Markdown(
    f"**Static int8 makes MobileNet's file {before.file_bytes / after.file_bytes:.1f} times smaller for "
    f"{points_lost:.1f} points of test accuracy, as long as no channel's range starves the others and calibration "
    "sees what will come.**"))

# %% [markdown] key="sources"
# Sources: M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, *Data-Free Quantization Through Weight Equalization and
# Bias Correction*, 2019. B. Jacob and others, *Quantization and Training of Neural Networks for Efficient
# Integer-Arithmetic-Only Inference*, 2018. S. Migacz, *8-bit Inference with TensorRT*, 2017. Z. Dong and others, *HAWQ:
# Hessian AWare Quantization of Neural Networks with Mixed-Precision*, 2019.

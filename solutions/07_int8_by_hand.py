# %% [markdown] key="title"
# # 07 · Int8 by hand
#
# A trained LeNet keeps each of its weights in 32 bits. That is more than four billion values to choose from.
# **How many of the 32 bits does it need?**
#
# After this lesson you can:
#
# - put real numbers on a grid of integers and take them back: scale, zero point, rounding, clipping;
# - choose a grid: symmetric or affine, one for a layer or one for each channel; and say what rounding costs;
# - multiply matrices in integers, and fold batch norm away;
# - say what 8 bits save, and what has to be true for that.
#
# You need some PyTorch: tensors, layers, and what a forward pass is.
#
# **Time:** about 74 minutes: 32 to read, guess and play, 26 for the three exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 64 minutes in all, with the practice. Exercise 3
# is there, and earns points, too.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Scroll back to the top, for the end gives the
# answer away. Then read what is marked *Short path*, up to the next heading; answer the guesses there and move the
# sliders.

# %% setup=true key="setup" tags=["hide-input"]
import copy

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import Markdown, display

from shrinklab import plot
from shrinklab.affine import QParams, choose_qparams, dequantize, fake_quantize, quantize, sqnr
from shrinklab.data import load
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.files import file_bytes, gzip_bytes
from shrinklab.measure import flip_rate, latency, measure, verdict
from shrinklab.metrics import accuracy, predict
from shrinklab.models import pretrained
from shrinklab.quantize import (
    Scheme,
    fold_batch_norm,
    quantize_model,
    quantized_bytes,
    round_weights,
    weight_qparams,
)
from shrinklab.widgets import Guess, Placement, Practice, RecallCards, bits_explorer, explore

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## How many bits does a weight need?
# *Short path*
#
# LeNet reads handwritten digits. Here is one of its weights, as the computer keeps it.

# %% key="load"
data = load("mnist")
model = pretrained("lenet")
images = data.validation[:1000]  # images that no training has seen

# %% key="one-weight"
one = model.fc1.weight.detach()[0, 0]
pattern = one.view(torch.int32).item() & 0xFFFFFFFF
print(f"a weight of fc1: {one.item():.9f}")
print(f"as 32 bits:      {pattern:032b}")
print(f"LeNet's file:    {file_bytes(model):,} bytes, 4 for each weight")
print(f"accuracy on {len(images):,} validation images: {accuracy(model, images):.1%}")

# %% [markdown] key="aim"
# **Quantization** stores numbers with fewer bits. Each number moves to the nearest of a few values.
#
# With 8 bits there are 256 values, at equal distances. What is stored is which of them: an integer of one byte, an
# **int8**. A file of such bytes takes a quarter of the room, and many processors multiply bytes faster than floats.
#
# Pruning removes weights. Quantization removes none, and makes each of them a little wrong. The cell below does that to
# all weights of a network. You will write its parts yourself in this lesson.

# %% key="rounded"
def rounded(network, bits, *, symmetric=True, per_channel=False):
    """A copy of the network, each weight moved to the nearest value on a grid."""
    def move(weight):
        grid = weight_qparams(weight, bits, symmetric=symmetric, per_channel=per_channel)
        return fake_quantize(weight, grid)
    return round_weights(network, move)

# %% [markdown] key="predict-text"
# Commit to two guesses before you go on. A wrong guess is worth more here than none: you will remember the answer.

# %% play=true key="predict-eight" tags=["hide-input"]
Guess("Each weight of LeNet moves to one of 255 values; the 256th is left out here. How many per cent of the 1,000 "
      "images does it still read right?", lambda: 100 * accuracy(rounded(model, 8), images), unit="%",
      explain="With so many values each weight moves very little.")

# %% play=true key="predict-few" tags=["hide-input"]
Guess("And with fewer bits? What is the smallest number of bits, from 2 to 8, with which it reads at least 99 % "
      "right?", lambda: min(bits for bits in range(2, 9) if accuracy(rounded(model, bits), images) >= 0.99),
      unit="bits", explain="Each bit less halves the number of values. The explorer shows what that does.")

# %% [markdown] key="play-text"
# Now play. Each move rounds all weights of a copy of LeNet and runs the 1,000 images again. Find out:
#
# 1. Lower the bits one by one. Where does accuracy fall? Do predictions change before that?
# 2. Stop at 3 bits and change the grid from symmetric to affine. What happens to accuracy? Count the bars, empty
#    places included, in the picture of stored integers.
# 3. Go back to symmetric, and give each output channel a grid of its own. Watch the number line.
#
# A symmetric grid has as many values below 0 as above. An affine one goes from the lowest weight to the highest. An
# output channel is one filter of a convolution, or one row of a linear layer's weights.
#
# The number line shows some weights of one channel, the one with the smallest weights, and where each of them lands.
# **SQNR** is the size of the weights compared with the size of the error. A section below explains it.

# %% play=true key="play"
bits_explorer()

# %% [markdown] key="play-after"
# What to look for: from 8 down to 4 bits almost nothing happens, then a cliff.
# Each bit less about doubles the step on the number line. The line of SQNR is nearly straight.
# At 3 bits the symmetric grid has 7 values, the affine one 8. It also covers only the range where weights are.
# Both help.
# A grid for each channel helps too: the smallest channel gets small steps of its own.

# %% [markdown] key="grid"
# ## Four numbers by hand
#
# Take four numbers and 3 bits. Three bits count from 0 to 7: eight integers.

# %% key="tiny"
x = torch.tensor([-0.9, 0.0, 0.4, 1.2])
print("numbers from", round(x.min().item(), 2), "to", round(x.max().item(), 2))
print("integers from 0 to", 2**3 - 1)

# %% [markdown] key="tiny-scale-text"
# The eight integers stand for eight real numbers at equal distances, a **grid**. The lowest is -0.9, the highest 1.2.
# Between eight points there are seven steps. The length of a step is the **scale**.

# %% key="tiny-scale"
step = (1.2 - -0.9) / 7
print(f"scale: {step:.2f}")

# %% [markdown] key="tiny-zero-text"
# Which integer stands for the real number 0? From -0.9 it is 0.9 away, which is three steps.
# This integer is the **zero point**.

# %% key="tiny-zero"
zero = round(0.9 / step)
print("zero point:", zero)

# %% [markdown] key="tiny-round-text"
# Now each number: count its steps from 0, round to whole steps, and start counting at the zero point.

# %% key="tiny-round"
print("steps from 0:      ", [round(value, 2) for value in (x / step).tolist()])
whole = (x / step).round()
print("whole steps:       ", whole.int().tolist())
stored = whole.int() + zero
print("stored as integers:", stored.tolist())

# %% [markdown] key="tiny-back-text"
# And back: take the zero point away, then multiply by the scale. This is **dequantization**.

# %% key="tiny-back"
back = (stored - zero) * step
print("back:  ", [round(value, 2) for value in back.tolist()])
print("errors:", [round(value, 2) for value in (back - x).abs().tolist()])

# %% [markdown] key="tiny-clip-text"
# Only 0.4 has moved, by a third of a step. The other three lay on the grid, up to float rounding.
#
# What if a number comes that is larger than all four? 2.0 is beyond the grid. There is no integer for it, so it
# gets the last one. That is **clipping**.

# %% key="tiny-clip"
position = round(2.0 / step) + zero
print("2.0 would be", position, "and the last integer is 7: it becomes", round((7 - zero) * step, 2))

# %% [markdown] key="zero-text"
# **The real number 0 must lie on the grid.** Convolutions pad images with zeros, and a ReLU makes exact zeros.
# Suppose that 0 had no integer of its own and came back as 0.1. Then each padded pixel would be 0.1.
# So the range is first widened to hold 0, and the zero point is a whole number.

# %% [markdown] key="exercise-1"
# ### Exercise 1: choose scale and zero point
#
# Write `choose_scale_zero_point(low, high, bits)` for a grid whose integers run from 0 to 2^bits - 1.
#
# - Widen the range first, so that it holds 0: if `low` is above 0 it becomes 0, if `high` is below 0 it becomes 0.
# - The scale is the length of one step, a float.
# - The zero point is the integer of the real number 0: the steps from the low end up to 0, rounded with Python's
#   `round()`.
#
# `low` is less than `high`. Return the two as a tuple, scale first.
#
# Worked values: `(-0.9, 1.2, 3)` gives `(0.3, 3)`, as above, and `(2.0, 7.0, 3)` gives `(1.0, 0)`.

# %% exercise="choose_scale_zero_point"
def choose_scale_zero_point(low, high, bits):
    """The grid over low to high, widened to hold 0.

    low < high: floats; bits: int -> (scale, zero_point), a float and an int.
    """
    ### BEGIN SOLUTION
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1)
    return scale, round(-low / scale)
    ### END SOLUTION


# %% check="choose_scale_zero_point" points=3 library=["calibrate", "weight_grid", "weight_qparams"]
expect(student("choose_scale_zero_point", 0.0, 7.0, 3), [1.0, 0], id="levels",
       hint="From 0 to 7 with 3 bits: eight integers, and seven steps between them. Each is 1.0 long. Return "
            "(scale, zero point), the scale first.")
expect(student("choose_scale_zero_point", 0.0, 30.0, 4), [2.0, 0], id="bits", needs="levels",
       hint="With 4 bits there are 16 integers and 15 steps: the number of steps follows from bits.")
expect(student("choose_scale_zero_point", -6.0, 8.0, 3), [2.0, 3], id="zero-point", needs="levels",
       hint="A step is 2 long, and 0 lies three steps above -6: its integer is 3. The zero point counts steps from low "
            "up to 0.")
pair = student("choose_scale_zero_point", -1.0, 3.0, 8)
expect(pair, [4 / 255, 64], id="whole", needs="levels",
       hint="0 lies 63.75 steps above -1. The zero point is a whole number, the nearest one: 64.")
expect(isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], int), id="int", needs="whole",
       hint="The zero point is the right number, but no int. It has to be stored as one: 64 and not 64.0.")
expect(student("choose_scale_zero_point", 2.0, 7.0, 3), [1.0, 0], id="above", needs="levels",
       hint="All numbers lie above 0. The range is widened down to 0, and 0 gets the integer 0.")
expect(student("choose_scale_zero_point", -7.0, -2.0, 3), [1.0, 7], id="below", needs="zero-point",
       hint="All numbers lie below 0. The range is widened up to 0, and 0 gets the last integer.")
### BEGIN HIDDEN TESTS
ranges = {name: (weight.min().item(), weight.max().item()) for name, weight in pretrained("lenet").named_parameters()}
mine = [student("choose_scale_zero_point", *ranges[name], width) for name in ("conv2.weight", "fc3.weight")
        for width in (2, 5, 8)]
grids = [choose_qparams(*ranges[name], bits=width) for name in ("conv2.weight", "fc3.weight") for width in (2, 5, 8)]
expect(mine, [[grid.scale.item(), grid.zero_point.item()] for grid in grids], id="lenet",
       hint="On the ranges of LeNet's layers your grid differs from the library's.")
expect(student("choose_scale_zero_point", -1.0, 5.0, 2), [2.0, 0], id="half", needs="zero-point",
       hint="Half a step: Python's round() goes to the even integer, 0. int(x + 0.5) gives 1.")
### END HIDDEN TESTS

# %% [markdown] key="exercise-1-further"
# **Going further.** What if every number is 0? Then low and high are both 0, and your function divides by zero.
# What should the scale be? Look up what `choose_qparams` does, and why any scale but 0 would do.

# %% [markdown] key="ties-text"
# One detail before you round. Where does 0.5 go, to 0 or to 1? Rounding every half up makes sums drift upwards.
# So floating-point numbers are rounded to the **even** neighbour by default, in PyTorch too.

# %% key="ties"
halves = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.5])
print(halves.tolist(), "become", halves.round().int().tolist())

# %% [markdown] key="exercise-2"
# ### Exercise 2: from numbers to integers
#
# Write `quantize_affine(x, scale, zero_point, bits)`, in this order:
#
# - divide by the scale, and round to whole steps, halves to the even neighbour;
# - then add the zero point;
# - clip to the integers that there are, 0 to 2^bits - 1;
# - return them as `torch.uint8`, one byte each, in the shape of `x`.
#
# Worked value: `[-0.9, 0.0, 0.4, 2.0]` with scale 0.3, zero point 3 and 3 bits gives `[0, 3, 4, 7]`.
#
# A byte does not clip by itself. It **wraps**: `torch.tensor([300]).to(torch.uint8)` is 300 - 256 = 44.
# Helpful: `round()`, `clamp(low, high)`, `to(torch.uint8)`.

# %% exercise="quantize_affine"
def quantize_affine(x, scale, zero_point, bits):
    """Round real numbers to the integers of a grid.

    x: float tensor of any shape -> uint8 tensor of that shape.
    """
    ### BEGIN SOLUTION
    steps = torch.round(x / scale)
    return torch.clamp(steps + zero_point, 0, 2**bits - 1).to(torch.uint8)
    ### END SOLUTION


# %% check="quantize_affine" points=4 library=["fake_quantize"]
expect(student("quantize_affine", torch.tensor([0.0, 0.5, 2.0]), 0.5, 0, 8), [0, 1, 4], id="steps",
       hint="With the scale 0.5 the number 2.0 is four steps from 0: divide by the scale.")
expect(student("quantize_affine", torch.tensor([-1.0, 0.0, 1.0]), 0.5, 6, 8), [4, 6, 8], id="zero-point",
       needs="steps", hint="Real 0 becomes the zero point, and -1.0 lies two steps below it. Add the zero point before "
            "you clip, or all negative numbers are lost.")
expect(student("quantize_affine", torch.tensor([-0.9, 0.6, 0.9]), 0.5, 10, 8), [8, 11, 12], id="nearest",
       needs="zero-point", hint="1.8 steps are nearest to 2, and -1.8 to -2. Turning floats into integers cuts the "
            "fraction off: round first.")
expect(student("quantize_affine", torch.tensor([0.5, 1.5, 2.5]), 1.0, 1, 8), [1, 3, 3], id="ties", needs="nearest",
       hint="Halves go to the even number of steps: 0, 2, 2. Round before you add the zero point; an odd one would "
            "turn even into odd.")
expect(student("quantize_affine", torch.tensor([-40.0, 0.0]), 0.5, 10, 8), [0, 10], id="clip-low", needs="zero-point",
       hint="-40 lies below the grid: it gets the first integer, 0. A byte would wrap round to a large one.")
expect(student("quantize_affine", torch.tensor([0.0, 150.0]), 0.5, 10, 8), [10, 255], id="clip-high",
       needs="zero-point", hint="150 lies above the grid: it gets the last integer, 255. A byte would wrap round.")
expect(student("quantize_affine", torch.tensor([-3.0, 0.0, 9.0]), 1.0, 2, 3), [0, 2, 7], id="bits", needs="clip-high",
       hint="With 3 bits the integers end at 7, although a byte could hold more.")
block = torch.tensor([[0.0, 1.0, 200.0], [3.0, 4.0, 5.0]])
whole_block = student_call("quantize_affine", block, 0.5, 2, 8)
expect(whole_block.value, [[2, 4, 255], [8, 10, 12]], id="shape", needs="clip-high",
       hint="The integers have the shape of x.")
expect(whole_block.value, [[2, 4, 255], [8, 10, 12]], dtype="uint8", id="dtype", needs="shape",
       hint="The numbers are right, the type is not. Return torch.uint8: one byte each.")
expect(whole_block.arguments[0], block, id="unchanged", needs="shape",
       hint="Your function changed the numbers that it was given: this would damage the network. Methods that end in _ "
            "work in place.")
### BEGIN HIDDEN TESTS
kernel = pretrained("lenet").conv2.weight.detach()
grid = choose_qparams(0.8 * kernel.min(), 0.8 * kernel.max(), bits=5)
expect(student("quantize_affine", kernel, grid.scale.item(), grid.zero_point.item(), 5), quantize(kernel, grid),
       id="lenet", needs="steps", hint="On LeNet's second convolution your integers differ from the library's.")
expect(student("quantize_affine", torch.tensor([-0.25, -0.75, 0.25]), 0.5, 3, 8), [3, 1, 3], id="negative-ties",
       needs="nearest", hint="-0.5 steps go to 0 and -1.5 to -2: halves go to the even neighbour below 0 too.")
### END HIDDEN TESTS

# %% [markdown] key="exercise-2-further"
# **Going further.** Rounding to the nearest is not the only way. Round up with a chance as large as the fraction:
# 0.3 goes up in 3 of 10 cases. Then errors cancel out on average. Does LeNet like it better at 4 bits?

# %% [markdown] key="debug-text"
# ### Debug: the way back
#
# Below is the way back, from integers to real numbers. All numbers from 0 up come out right. Negative ones come
# out huge. Mend it.
#
# `q` is a uint8 tensor, as `quantize_affine` gives it, and `zero_point` an int. Worked value: `q = [0, 3, 7]` with
# scale 0.5 and zero point 3 gives `[-1.5, 0.0, 2.0]`, as float32.

# %% debug="to_real"
def to_real(q, scale, zero_point):
    """The real numbers that integers of a grid stand for.

    q: uint8 tensor -> float32 tensor of that shape.
    """
    ### BEGIN FAULTY
    # return (q - zero_point) * scale
    ### END FAULTY
    ### BEGIN SOLUTION
    return (q.to(torch.float32) - zero_point) * scale
    ### END SOLUTION


# %% check="to_real" points=2 library=["fake_quantize"]
codes = torch.tensor([3, 4, 7], dtype=torch.uint8)
expect(student("to_real", codes, 0.5, 3), [0.0, 0.5, 2.0], id="above",
       hint="From the zero point up: take the zero point away first, then multiply by the scale.")
call = student_call("to_real", torch.tensor([0, 1, 2], dtype=torch.uint8), 0.5, 3)
expect(call.value, [-1.5, -1.0, -0.5], id="below",
       hint="0 - 3 is -3, and a uint8 has no -3: it wraps round to 253. Which type should the subtraction have?")
expect(student("to_real", torch.tensor([0, 200, 255], dtype=torch.uint8), 0.25, 140), [-35.0, 15.0, 28.75], id="wide",
       hint="Differences run from -255 to 255, and an int8 only from -128 to 127. Take a type that holds them all.")
expect(student("to_real", codes, 0.5, 3), [0.0, 0.5, 2.0], dtype="float32", id="float32",
       hint="The numbers are right, the type is not. Weights are float32.")
expect(student("to_real", codes.reshape(3, 1), 0.5, 3), [[0.0], [0.5], [2.0]], id="shape",
       hint="The numbers come back in the shape of q.")
expect(call.arguments[0], [0, 1, 2], dtype="uint8", id="unchanged",
       hint="Your function changed the integers that it was given. Make new tensors.")
### BEGIN HIDDEN TESTS
grid = choose_qparams(-1.3, 0.4)
every = torch.arange(256).to(torch.uint8)
expect(student("to_real", every, grid.scale.item(), grid.zero_point.item()), dequantize(every, grid), id="all-codes",
       hint="Over all 256 integers of a grid with a high zero point your numbers differ from the library's.")
### END HIDDEN TESTS

# %% [markdown] key="use-text"
# ### Your own functions at work
#
# The three functions together round a weight. Until one of them passes its check, the library's stands in.

# %% play=true key="own-functions"
choose = use("choose_scale_zero_point", otherwise=choose_qparams)
store = use("quantize_affine", otherwise=quantize)
real = use("to_real", otherwise=dequantize)

# %% play=true key="own-round-trip"
def round_trip(weight, bits, share=1.0):
    grid = choose(share * weight.min().item(), share * weight.max().item(), bits=bits)
    # The library keeps scale and zero point together, in a QParams.
    scale, zero_point = (grid.scale, grid.zero_point) if choose is choose_qparams else grid
    together = QParams(torch.as_tensor(scale), torch.as_tensor(zero_point), 0, 2**bits - 1)
    q = quantize(weight, together) if store is quantize else store(weight, scale, zero_point, bits)
    return dequantize(q, together) if real is dequantize else real(q, scale, zero_point)

# %% [markdown] key="own-slider-text"
# Now they round all of LeNet, under a slider that you could have written yourself. This is plain ipywidgets: a slider,
# a label, and a function that runs when the slider moves. Your grid is affine, one for each layer. Look for the cliff:
# it comes at 2 bits.

# %% play=true key="own-slider"
slider = ipywidgets.IntSlider(value=8, min=2, max=8, description="bits")
result = ipywidgets.Label()

def show(change=None):
    small = round_weights(model, lambda weight: round_trip(weight, slider.value))
    result.value = f"{slider.value} bits: {accuracy(small, images):.1%} of the images right"

slider.observe(show, "value")
show()
ipywidgets.VBox([slider, result])

# %% [markdown] key="clip-text"
# ### Extra: clip on purpose
#
# Must the grid reach as far as the largest weight? `explore` makes sliders for any function. This one lets your grid
# cover only a share of the range, and clips the rest. Steps get finer, and the few large weights get it wrong.
#
# Look for two things. At 8 bits, how much may you clip before accuracy falls? And at 2 bits, which share is best?

# %% play=true key="clip"
def clipped(bits, share_of_range):
    small = round_weights(model, lambda weight: round_trip(weight, bits, share_of_range))
    return {"right": f"{accuracy(small, images):.1%}", "values": 2**bits}

explore(clipped, bits=ipywidgets.IntSlider(value=8, min=2, max=8, description="bits"),
        share_of_range=ipywidgets.FloatSlider(value=1.0, min=0.2, max=1.0, step=0.1, description="share of range"))

# %% [markdown] key="clip-after"
# With 8 bits the steps are fine anyway, and clipping only harms. With 2 bits the whole range is a bad choice:
# half of it does far better. There are two errors, rounding and clipping, and a grid trades one for the other.
# Lesson 08 shows how to choose.

# %% [markdown] key="error"
# ## What rounding costs
#
# A number moves to the nearest grid point. So no number within the range moves farther than **half a step**.
# Does that hold for all weights of LeNet?

# %% key="half-step"
for bits in (8, 4, 2):
    errors = []
    for weight in model.parameters():
        if weight.ndim > 1:
            grid = weight_qparams(weight, bits, per_channel=False)
            errors.append(((fake_quantize(weight, grid) - weight).abs().max() / grid.scale).item())
    print(f"{bits} bits: the largest error is {max(errors):.3f} steps")

# %% [markdown] key="sqnr-text"
# It holds. To compare layers we need the error beside the weights themselves.
# Add up the squares of the weights, and the squares of the errors. The ratio of the two sums is the **signal to
# quantization noise ratio, SQNR**. It is told in **decibel (dB)**: ten times the logarithm to base 10.
# 20 dB mean that the squares of the errors add up to a hundredth.

# %% key="tiny-sqnr"
weights = torch.tensor([3.0, 4.0])
noisy = torch.tensor([3.0, 4.5])
ratio = weights.square().sum() / (weights - noisy).square().sum()
print(f"signal 25, noise 0.25: ratio {ratio:.0f}, SQNR {10 * torch.log10(ratio):.1f} dB, "
      f"library {sqnr(weights, noisy):.1f} dB")

# %% [markdown] key="predict-db-text"
# One bit more doubles the number of steps, so a step is half as long. Errors halve, and their squares shrink to a
# quarter. What does that do to the SQNR?

# %% play=true key="predict-db" tags=["hide-input"]
layer = model.fc1.weight.detach()
coarse = sqnr(layer, fake_quantize(layer, weight_qparams(layer, 6, per_channel=False)))
Guess(f"With 6 bits the weights of fc1 have an SQNR of {coarse:.1f} dB. How many dB with 7 bits?",
      lambda: sqnr(layer, fake_quantize(layer, weight_qparams(layer, 7, per_channel=False))), unit="dB",
      explain="A quarter of the noise is 10 log10(4) = 6.02 dB more. That is the rule: about 6 dB for each bit.")

# %% play=true key="sqnr-run" tags=["hide-input"]
rows = []
for name, weight in model.named_parameters():
    for bits in range(2, 9):
        if weight.ndim > 1:
            moved = fake_quantize(weight, weight_qparams(weight, bits, per_channel=False))
            rows.append({"layer": name, "bits": bits, "SQNR": sqnr(weight, moved)})
noise = pd.DataFrame(rows)
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, noise, "bits", "SQNR", by="layer")
ax.set(title="LeNet's weights: one symmetric grid for each layer", xlabel="bits of each weight", ylabel="SQNR (dB)")
plt.show()

# %% play=true key="sqnr-reading" tags=["hide-input"]
gain = noise.pivot(index="bits", columns="layer", values="SQNR").diff()
for bits in range(3, 9):
    print(f"from {bits - 1} to {bits} bits: {gain.loc[bits].min():.1f} to {gain.loc[bits].max():.1f} dB more, "
          f"{gain.loc[bits].mean():.1f} on average")

# %% [markdown] key="error-after"
# With many bits each one brings close to 6 dB, in every layer. With few bits the gains spread: a grid of three or seven
# values is too coarse for the rule. At 2 bits the SQNR is near 0 dB. There the error is about as large as the
# weights.
#
# The rule has a use. It tells how good any trick is in bits: what brings 6 dB is worth one bit for each weight.

# %% [markdown] key="kind"
# ## Around zero, or from lowest to highest
#
# There are two kinds of grid.
#
# - **Affine:** from the lowest value to the highest, integers 0 to 255, and a zero point where real 0 happens to lie.
# - **Symmetric:** as far below 0 as above, integers -127 to 127, and the zero point is 0. The integer -128 stays
#   unused, so that both sides are alike.
#
# What lies between two layers is an **activation**: what one layer hands to the next. Here are four activations after
# a ReLU, none of them negative, on both kinds of grid with 3 bits.

# %% key="tiny-kind"
positive = torch.tensor([0.0, 0.4, 1.1, 2.1])
for symmetric in (False, True):
    grid = choose_qparams(positive.min(), positive.max(), bits=3, symmetric=symmetric)
    print("symmetric" if symmetric else "affine   ", f"scale {grid.scale:.2f}, integers {grid.low:2} to {grid.high}:",
          f"{quantize(positive, grid).tolist()}, SQNR {sqnr(positive, fake_quantize(positive, grid)):.1f} dB")

# %% play=true key="predict-unused" tags=["hide-input"]
Guess("The values after LeNet's first ReLU go on a symmetric grid with 8 bits, integers from -127 to 127. How many "
      "of these 255 integers can never be used?", lambda: -choose_qparams(0.0, 1.0, symmetric=True).low,
      unit="integers",
      explain="No value is negative, so the integers from -127 to -1 wait for nothing: half of the grid, or one bit.")

# %% play=true key="kind-activations" tags=["hide-input"]
with torch.inference_mode():
    after_relu = model.conv1(images.images[:200]).relu()
kernel = model.conv1.weight.detach()
for what, values in (("activations after the ReLU", after_relu), ("weights of conv1", kernel)):
    for symmetric in (True, False):
        grid = choose_qparams(values.min(), values.max(), symmetric=symmetric)
        print(f"{what:27}{'symmetric' if symmetric else 'affine':10} "
              f"{sqnr(values, fake_quantize(values, grid)):.1f} dB")

# %% [markdown] key="kind-after"
# For the activations the affine grid is worth about 6 dB, one bit. For the weights it is worth little: trained
# weights lie on both sides of 0. So the usual choice is **affine for activations, symmetric for weights**.
# At 2 or 3 bits the choice matters for weights too, as the explorer showed: three values or four is a difference.
#
# Why not affine everywhere? The next section gives the reason: a zero point of the weights costs work.

# %% [markdown] key="product"
# ## Multiply in integers
#
# A layer multiplies inputs by weights and adds up the products. On grids each input is
# `scale_x * (qx - zero_x)` and each weight `scale_w * qw`. The scales are the same in every product, so
# they can be taken out of the sum:
#
# `y = scale_x * scale_w * sum((qx - zero_x) * qw)`
#
# Inside the sum there are only integers. The two scales are multiplied once for each output.
#
# The weights have no zero point here: their grid is symmetric. With one, each product would be
# `(qx - zero_x) * (qw - zero_w)`. Multiplied out, that needs more sums for every new input. So weights get
# symmetric grids.

# %% key="tiny-product"
qx, zero_x, scale_x = [200, 100, 64], 64, 0.01
qw, scale_w = [100, -50, 7], 0.02
total = sum((a - zero_x) * b for a, b in zip(qx, qw, strict=True))
floats = sum(scale_x * (a - zero_x) * (scale_w * b) for a, b in zip(qx, qw, strict=True))
print("sum of integers:", total)
print(f"times both scales: {scale_x * scale_w * total:.4f}, in floats: {floats:.4f}")

# %% [markdown] key="predict-overflow-text"
# Inputs and weights are bytes. Is a byte enough for the sum as well?

# %% play=true key="predict-overflow" tags=["hide-input"]
Guess("An int8 holds -128 to 127. PyTorch multiplies two int8 tensors, 100 times 100. What comes out?",
      lambda: int(torch.tensor([100], dtype=torch.int8) * torch.tensor([100], dtype=torch.int8)), unit="",
      explain="10,000 does not fit. The result wraps: 10,000 - 39 * 256 = 16. There is no error and no warning.")

# %% [markdown] key="overflow-text"
# A result that is too large for its type is an **overflow**. It wraps round, silently.
# The place where a sum grows is the **accumulator**. How wide must it be?

# %% key="overflow"
largest = 255 * 127  # the largest input times the largest weight
for width in (8, 16, 32):
    room = 2 ** (width - 1) - 1
    print(f"int{width}: up to {room:,}, room for {room // largest:,} largest products")
print("products in one sum of fc1:", model.fc1.in_features)

# %% [markdown] key="overflow-after"
# One product does not fit into 8 bits, and 16 bits hold only one. **Accumulators have 32 bits.** They hold sums of
# tens of thousands of products, and integers of 32 bits are added without any error.

# %% [markdown] key="exercise-3"
# ### Extra: exercise 3, an integer matrix product
#
# Write `integer_matmul(x, zero_point, weight)`: for each row of `x` and each row of `weight` the sum of
# `(x - zero_point) * weight`.
#
# - `x` is uint8 of shape (N, K), `weight` int8 of shape (M, K).
# - Return the sums as `torch.int32`, of shape (N, M), exact to the last digit.
#
# Worked value: `x = [[5, 6]]`, zero point 5 and `weight = [[3, 4]]` give `[[4]]`: 0 * 3 + 1 * 4.
#
# Think about the type before each operation. `@` multiplies int32 matrices too, and `.T` turns rows into columns.

# %% exercise="integer_matmul"
def integer_matmul(x, zero_point, weight):
    """Sums of (x - zero_point) * weight over the inputs.

    x: uint8 (N, K); weight: int8 (M, K) -> int32 (N, M).
    """
    ### BEGIN SOLUTION
    centred = x.to(torch.int32) - zero_point
    return centred @ weight.to(torch.int32).T
    ### END SOLUTION


# %% check="integer_matmul" points=3 library=["QuantizedLayer"]
rows = torch.tensor([[1, 2]], dtype=torch.uint8)
columns = torch.tensor([[3, 4]], dtype=torch.int8)
small_call = student_call("integer_matmul", rows, 0, columns)
expect(small_call.value, [[11]], id="sum",
       hint="1 * 3 + 2 * 4 = 11: one sum for each row of x and each row of weight.")
centred = torch.tensor([[5, 6]], dtype=torch.uint8)
centred_call = student_call("integer_matmul", centred, 5, columns)
expect(centred_call.value, [[4]], id="zero-point", needs="sum",
       hint="(5 - 5) * 3 + (6 - 5) * 4 = 4: the zero point is taken from x, not from the sum.")
expect(student("integer_matmul", rows, 0, torch.tensor([[3, -4]], dtype=torch.int8)), [[-5]], id="negative",
       needs="sum", hint="1 * 3 + 2 * -4 = -5: weights have signs. A uint8 would turn -4 into 252.")
below = torch.tensor([[3, 0]], dtype=torch.uint8)
expect(student("integer_matmul", below, 64, torch.tensor([[1, 1]], dtype=torch.int8)), [[-125]], id="below",
       needs="zero-point", hint="3 - 64 is -61. In uint8 it wraps to 195: widen x before you subtract.")
high, wide = torch.tensor([[200, 200]], dtype=torch.uint8), torch.tensor([[100, 100]], dtype=torch.int8)
expect(student("integer_matmul", high, 0, wide), [[40000]], id="overflow", needs="sum",
       hint="200 * 100 + 200 * 100 = 40,000 fits neither in 8 nor in 16 bits: widen both before you multiply.")
three = torch.tensor([[1, 0], [0, 1], [1, 1]], dtype=torch.int8)
expect(student("integer_matmul", torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8), 0, three),
       [[1, 2, 3], [3, 4, 7]], id="shape", needs="sum",
       hint="Two rows of x and three rows of weight give a result of shape (2, 3).")
expect(small_call.value, [[11]], dtype="int32", id="int32", needs="sum",
       hint="The numbers are right, the type is not: accumulators are torch.int32.")
expect(centred_call.arguments, [centred, 5, columns], id="unchanged", needs="zero-point",
       hint="Your function changed what it was given. Make new tensors.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

long_x = torch.full((1, 999), 255, dtype=torch.uint8)
long_w = torch.full((1, 999), 127, dtype=torch.int8)
expect(student("integer_matmul", long_x, 0, long_w), [[32352615]], id="exact", needs="sum",
       hint="A float32 holds whole numbers exactly only up to 2 to the 24. Multiply integers, not floats.")
chance = fresh()
many_x = torch.randint(0, 256, (5, 400), generator=chance).to(torch.uint8)
many_w = torch.randint(-127, 128, (8, 400), generator=chance).to(torch.int8)
exact = ((many_x.double() - 131) @ many_w.double().T).int()
expect(student("integer_matmul", many_x, 131, many_w), exact, id="random", needs="zero-point",
       hint="On random matrices with 8 rows of weights your sums differ from the exact ones. Has each row of weights a "
            "sum of its own, and a zero point taken from each of its products?")
### END HIDDEN TESTS

# %% [markdown] key="exercise-3-further"
# **Going further.** `sum((qx - zx) * qw)` is `sum(qx * qw) - zx * sum(qw)`. The second part knows no input: a chip
# computes it once, ahead. Write the product this way, and check that nothing changes. Then give the weights a
# zero point too. Which new sum has to be made for every input? That is the work that symmetric weights save.

# %% [markdown] key="product-use-text"
# ### Extra: LeNet's linear layers in integers
#
# Now your product does the work of LeNet's three linear layers. Weights and inputs are integers, the sums too. The
# grid of each input covers what these images bring; lesson 08 is about choosing it ahead.
# The scales turn a sum back into a real number. The bias is added as a float here; integer kernels keep it as an int32,
# in steps of `scale_x * scale_w`.

# %% play=true key="integer-layer"
product = use("integer_matmul", otherwise=None)

def integer_layer(layer, x, bits):
    weight, bias = layer.weight.detach(), layer.bias.detach()
    x_grid, w_grid = choose_qparams(x.min(), x.max(), bits=bits), weight_qparams(weight, bits)
    if product is None:  # the same numbers, simulated in floats
        return torch.nn.functional.linear(fake_quantize(x, x_grid), fake_quantize(weight, w_grid), bias)
    sums = product(quantize(x, x_grid), int(x_grid.zero_point), quantize(weight, w_grid))
    return sums * (x_grid.scale * w_grid.scale) + bias

# %% play=true key="product-use"
with torch.inference_mode():
    features = model.pool(model.conv1(images.images).relu())
    features = model.pool(model.conv2(features).relu()).flatten(1)
in_floats = predict(model, images.images)

def linear_layers_in_integers(bits):
    x = integer_layer(model.fc1, features, bits).relu()
    x = integer_layer(model.fc2, x, bits).relu()
    logits = integer_layer(model.fc3, x, bits)
    return {"right": f"{(logits.argmax(1) == images.labels).double().mean():.1%}",
            "right, in floats": f"{(in_floats.argmax(1) == images.labels).double().mean():.1%}",
            "predictions changed": f"{flip_rate(in_floats.argmax(1), logits.argmax(1)):.1%}"}

explore(linear_layers_in_integers, bits=ipywidgets.IntSlider(value=8, min=2, max=8, description="bits"))

# %% [markdown] key="requantize"
# With 8 bits the integer layers give nearly the same predictions as floats. Look for the bits at which they part.
#
# Between two layers a sum of 32 bits has to become a byte again. It is multiplied by
# `scale_x * scale_w / scale_y`, where `scale_y` belongs to the next layer's input grid, and rounded. This is
# **requantization**. On a chip this factor is an integer and a shift of bits (Jacob and others, 2018).
# So the whole network runs without a single float.

# %% [markdown] key="fold"
# ## Batch norm folds away
#
# ResNet8 tells ten kinds of things apart on small photos, CIFAR-10. After most of its convolutions stands a **batch
# norm**. For each channel it takes a mean away, divides by a deviation, multiplies by `gamma` and adds `beta`:
#
# `y = gamma * (conv(x) - mean) / sqrt(var + eps) + beta`
#
# Here `var` is the variance. Once training is over, all five are fixed numbers. The small `eps` keeps the root away
# from zero. So batch norm only multiplies each channel by a number, the gain, and adds another. A convolution can
# do both by itself.

# %% key="tiny-fold"
w, b = 2.0, 1.0
gamma, beta, mean, var, eps = 3.0, 0.5, 4.0, 8.0, 1.0
gain = gamma / (var + eps) ** 0.5
for value in (0.0, 1.0, 5.0):
    with_norm = gamma * (w * value + b - mean) / (var + eps) ** 0.5 + beta
    alone = (gain * w) * value + (gain * (b - mean) + beta)
    print(f"input {value}: convolution and batch norm {with_norm:5.2f}, one convolution {alone:5.2f}")

# %% [markdown] key="fold-why"
# This is **folding**: the batch norm moves into the weights and the bias of the layer before it. Then it is gone.
# Fold before you quantize. Otherwise the weights that you round are not the weights that the device multiplies with.

# %% [markdown] key="exercise-4"
# ### Exercise 4: fold a batch norm
#
# Write `fold_into_conv(weight, bias, norm)`: the weight and the bias of one convolution that does the work of both.
#
# - `weight` has shape (outputs, inputs, height, width), `bias` shape (outputs,).
# - `norm` is a dict: `"gamma"`, `"beta"`, `"mean"` and `"var"` of shape (outputs,), and the number `"eps"`.
# - Return the tuple (weight, bias), of the same shapes.
#
# Worked value, one channel as above: weight 2, bias 1, gamma 3, beta 0.5, mean 4, var 8, eps 1. The gain is
# 3 / sqrt(9) = 1, the new weight 2, the new bias (1 - 4) * 1 + 0.5 = -2.5.
#
# Helpful: `gain.reshape(-1, 1, 1, 1)` has one number for each output and fits beside a weight of four dimensions.

# %% exercise="fold_into_conv"
def fold_into_conv(weight, bias, norm):
    """Weight and bias of a convolution with the batch norm in it.

    weight: (O, I, H, W); bias: (O,); norm: dict -> (weight, bias), new.
    """
    ### BEGIN SOLUTION
    gain = norm["gamma"] / torch.sqrt(norm["var"] + norm["eps"])
    shifted = (bias - norm["mean"]) * gain + norm["beta"]
    return weight * gain.reshape(-1, 1, 1, 1), shifted
    ### END SOLUTION


# %% check="fold_into_conv" points=3 library=["_fold", "fast", "float_body", "prepare"]
one_weight, no_bias = torch.full((1, 1, 1, 1), 6.0), torch.zeros(1)
neutral = {"gamma": torch.ones(1), "beta": torch.zeros(1), "mean": torch.zeros(1), "var": torch.ones(1), "eps": 0.0}
expect(student("fold_into_conv", one_weight, no_bias, neutral | {"gamma": torch.tensor([2.0])}), [[[[[12.0]]]], [0.0]],
       id="gamma", hint="gamma multiplies the channel, so it multiplies the weight: 6 becomes 12. Return "
            "(weight, bias), each in the shape it came in.")
expect(student("fold_into_conv", one_weight, no_bias, neutral | {"var": torch.tensor([4.0])}), [[[[[3.0]]]], [0.0]],
       id="var", needs="gamma", hint="Batch norm divides by the root of var: with var 4 the weight is halved.")
expect(student("fold_into_conv", one_weight, no_bias, neutral | {"var": torch.tensor([3.75]), "eps": 0.25}),
       [[[[[3.0]]]], [0.0]], id="eps", needs="var",
       hint="eps is added to var before the root is taken. It is small in a real network, but a channel with var 0 "
            "needs it.")
moved = student_call("fold_into_conv", one_weight, torch.tensor([5.0]), neutral | {"var": torch.tensor([4.0])})
expect(moved.value, [[[[[3.0]]]], [2.5]], id="bias", needs="var",
       hint="The convolution's own bias goes through the batch norm too: it is divided like the weight.")
expect(student("fold_into_conv", one_weight, no_bias, neutral | {"mean": torch.tensor([3.0])}), [[[[[6.0]]]], [-3.0]],
       id="mean", needs="gamma", hint="The mean is taken away from every output: with bias 0 the new bias is -3.")
shifted_norm = neutral | {"mean": torch.tensor([3.0]), "beta": torch.tensor([10.0]), "gamma": torch.tensor([2.0])}
expect(student("fold_into_conv", one_weight, no_bias, shifted_norm), [[[[[12.0]]]], [4.0]], id="beta", needs="mean",
       hint="(0 - 3) * 2 + 10 = 4: the mean is multiplied by the gain, beta comes afterwards and is not.")
square = torch.ones(2, 2, 1, 1)
two = {"gamma": torch.tensor([2.0, 5.0]), "beta": torch.zeros(2), "mean": torch.zeros(2), "var": torch.ones(2),
       "eps": 0.0}
expect(student("fold_into_conv", square, torch.zeros(2), two)[0], [[[[2.0]], [[2.0]]], [[[5.0]], [[5.0]]]],
       id="outputs", needs="gamma", hint="Each OUTPUT channel has its gain: the first dimension of the weight.")
all_norm = {"gamma": torch.tensor([4.0]), "beta": torch.tensor([10.0]), "mean": torch.tensor([3.0]),
            "var": torch.tensor([3.75]), "eps": 0.25}
all_call = student_call("fold_into_conv", one_weight, torch.tensor([5.0]), all_norm)
expect(all_call.arguments, [one_weight, [5.0], all_norm], id="unchanged", needs="bias",
       hint="Your function changed the weight, the bias or the norm that it was given. Make new tensors.")
### BEGIN HIDDEN TESTS
expect(student("fold_into_conv", one_weight, torch.tensor([5.0]), all_norm | {"gamma": torch.tensor([-2.0])}),
       [[[[[-6.0]]]], [8.0]], id="negative-gamma", needs="gamma",
       hint="gamma may be negative. With -2 the weight 6 becomes -6, and the bias (5 - 3) * -1 + 10 = 8.")
network = pretrained("resnet8")
norms = network.block2.bn1
known = {"gamma": norms.weight.detach(), "beta": norms.bias.detach(), "mean": norms.running_mean,
         "var": norms.running_var, "eps": norms.eps}
theirs = fold_batch_norm(network).block2.conv1
found = student("fold_into_conv", network.block2.conv1.weight.detach(), torch.zeros(32), known)
expect(found[0], theirs.weight, id="resnet8-weight", needs="gamma",
       hint="On a convolution of ResNet8 your weight differs from the library's.")
expect(found[1], theirs.bias, id="resnet8-bias", needs="bias", rtol=1e-4, atol=1e-5,
       hint="On a convolution of ResNet8 your bias differs from the library's.")
### END HIDDEN TESTS

# %% [markdown] key="exercise-4-further"
# **Going further.** What if the batch norm stands *before* the convolution? The weights can take the gain, along
# another dimension. Why does the bias go wrong at the border of the image, where the convolution pads with zeros?

# %% [markdown] key="fold-real"
# ### Extra: fold a whole network

# %% play=true key="load-resnet"
photos = load("cifar10").validation[:250]
resnet = pretrained("resnet8")
print(f"accuracy on {len(photos)} validation photos: {accuracy(resnet, photos):.1%}")
print("batch norms:", sum(isinstance(part, torch.nn.BatchNorm2d) for part in resnet.modules()))

# %% play=true key="predict-fold" tags=["hide-input"]
Guess("All batch norms of ResNet8 are folded into its convolutions. How many of its 250 predictions change?",
      lambda: round(250 * flip_rate(*(predict(network, photos.images).argmax(1)
                                      for network in (resnet, fold_batch_norm(resnet))))), unit="photos",
      explain="Folding is exact arithmetic, up to the last digits of a float. It is not an approximation.")

# %% play=true key="fold-network"
def fold_with(fold, network):
    folded = copy.deepcopy(network)
    for name, norm in network.named_modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            conv = folded.get_submodule(name.replace("bn", "conv"))  # bn1 follows conv1
            known = {"gamma": norm.weight.data, "beta": norm.bias.data, "mean": norm.running_mean,
                     "var": norm.running_var, "eps": norm.eps}
            weight, bias = fold(conv.weight.data, torch.zeros(len(norm.weight)), known)
            conv.weight, conv.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
            folded.set_submodule(name, torch.nn.Identity())
    return folded

# %% play=true key="fold-use"
fold = use("fold_into_conv", otherwise=fold_batch_norm)
folded = fold_batch_norm(resnet) if fold is fold_batch_norm else fold_with(fold, resnet)
gap = (predict(resnet, photos.images) - predict(folded, photos.images)).abs().max()
times = [latency(lambda one=one: one(photos.images[:1]), repeats=100).p50_ms for one in (resnet, folded)]
print(f"largest difference of the logits: {gap:.6f}")
print(f"accuracy: {accuracy(folded, photos):.1%}, before {accuracy(resnet, photos):.1%}")
print(f"numbers in the file: {sum(t.numel() for t in folded.state_dict().values()):,}, "
      f"before {sum(t.numel() for t in resnet.state_dict().values()):,}")
print(f"one image takes {times[1] / times[0]:.2f} times as long as before")

# %% [markdown] key="fold-after"
# Nothing is lost, and a few operations are saved. The logits differ in the last digits of a float only.
# Folding is free, so runtimes do it by themselves.
#
# It has one cost: each output channel was multiplied by a gain of its own. Now some channels have large weights and
# others small ones. That is the next section.

# %% [markdown] key="channel"
# ## Extra: one grid for a layer, or one for each channel
#
# - **Per tensor:** one grid for all weights of a layer. The largest weight sets the step for all.
# - **Per channel:** each output channel has a grid, with a scale of its own.
#
# Two tiny channels show the difference, with 4 bits.

# %% key="tiny-channel"
layer = torch.tensor([[1.0, -0.8, 0.6], [0.02, -0.03, 0.01]])
for per_channel in (False, True):
    grid = weight_qparams(layer, 4, per_channel=per_channel)
    print("per channel:" if per_channel else "per tensor: ", quantize(layer, grid).tolist())

# %% [markdown] key="tiny-channel-after"
# With one grid the second channel is rounded to zeros. It says nothing any more.
# With a grid for each, it uses all of its integers.
#
# How different are the channels of ResNet8?

# %% play=true key="channel-reach"
for name in ("conv", "block1.conv1", "block3.conv2"):
    reach = folded.get_submodule(name).weight.detach().flatten(1).abs().amax(1)
    print(f"{name:13} the largest weight of a channel: {reach.min():.3f} to {reach.max():.3f}, "
          f"{reach.max() / reach.min():.1f} times")

# %% play=true key="predict-tensor" tags=["hide-input"]
Guess("ResNet8 with 4 bits for each weight, one symmetric grid for each layer. How many per cent of the 250 photos "
      "are right?", lambda: 100 * accuracy(rounded(fold_batch_norm(resnet), 4), photos), unit="%",
      explain="LeNet hardly minds 4 bits. ResNet8 does: a harder task, more layers, and channels that differ.")

# %% [markdown] key="play-resnet-text"
# The same explorer, over ResNet8. Set 4 bits. Then switch from a grid for each layer to one for each channel, and
# watch accuracy, SQNR and the number line. One photo is 0.4 points here, so read small differences as chance.

# %% play=true key="play-resnet"
bits_explorer(resnet, photos, layer="conv.weight")

# %% play=true key="ways"
base, float_right = predict(folded, photos.images).argmax(1), accuracy(folded, photos)
rows = []
for bits in (2, 3, 4, 5, 6, 8):
    for symmetric in (True, False):
        for per_channel in (False, True):
            small = rounded(folded, bits, symmetric=symmetric, per_channel=per_channel)
            answers = predict(small, photos.images).argmax(1)
            way = f"{'symmetric' if symmetric else 'affine'}, per {'channel' if per_channel else 'tensor'}"
            right = (answers == photos.labels).double().mean().item()
            rows.append({"way": way, "bits": bits, "accuracy": right, "changed": flip_rate(base, answers)})
ways = pd.DataFrame(rows)

# %% play=true key="ways-picture" tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
plot.lines(ax, ways[ways.bits >= 4], "bits", "accuracy", by="way")  # fewer: the next section
ax.axhline(float_right, color="black", linestyle="--", linewidth=1)
ax.annotate("32-bit floats", (4, float_right), xytext=(0, 4), textcoords="offset points", fontsize="small")
ax.set(title=f"ResNet8, weights rounded, {len(photos)} validation photos", xlabel="bits of each weight",
       xticks=[4, 5, 6, 8])
plt.show()

# %% play=true key="ways-reading" tags=["hide-input"]
at_four = ways[ways.bits == 4].set_index("way").accuracy
print(f"floats: {float_right:.1%} right. With 4 bits:")
for way, right in at_four.items():
    print(f"  {way:23} {right:.1%}")
unfolded = accuracy(rounded(resnet, 4), photos)
print(f"  symmetric, per tensor, batch norm not folded: {unfolded:.1%}")

# %% [markdown] key="channel-after"
# A grid for each channel helps most where bits are few. At 8 bits all four ways come within a few photos of the
# floats.
#
# The last line shows the cost of folding. The same rounding harms more after folding, because the gains have
# pulled the channels apart. Per-channel grids undo that.
#
# What do they cost? One scale more for each channel. Here are two real files.

# %% play=true key="channel-cost"
sizes = {per_channel: quantized_bytes(quantize_model(
    resnet, scheme=Scheme(weight_bits=8, activation_bits=None, per_channel=per_channel)))
    for per_channel in (False, True)}
print(f"one grid for each layer: {sizes[False]:,} bytes, one for each channel: {sizes[True]:,} bytes "
      f"({sizes[True] / sizes[False] - 1:.1%} more)")

# %% [markdown] key="channel-paper"
# Krishnamoorthi (2018) rounds many networks to 8 bits with no training: weights per channel, activations per layer.
# He reports accuracies within 2 % of the floats. You will measure ResNet8 that way below.

# %% [markdown] key="few"
# ## Too few bits
#
# So 8 bits cost next to nothing. How far down does that go? ResNet8 has more layers than LeNet, and a harder
# task. Here each of its output channels has a symmetric grid of its own, with 8 and with 5 bits.

# %% play=true key="flat"
each = ways[ways.way == "symmetric, per channel"].set_index("bits")
for bits in (8, 5):
    print(f"{bits} bits: {each.accuracy[bits]:.1%} right, {each.changed[bits]:.1%} of the predictions changed")

# %% play=true key="predict-two" tags=["hide-input"]
Guess("Three bits less cost next to nothing. How many per cent of the photos are right with 2 bits, three bits less "
      "again?", lambda: 100 * each.accuracy[2], unit="%",
      explain="Ten classes: about 10 % right is what a guess gets. The network has forgotten everything.")

# %% [markdown] key="few-text"
# **Pitfall: too low a precision.** The switch below turns the mistake on. It trusts the step from 8 to 5 bits, and
# draws it on. Tick it, start at 5 bits, and go down. Compare what it expects with what is measured.
#
# Look at the second line too. The **flip rate** is the share of predictions that differ from those of the float
# network, right or wrong.

# %% play=true key="pitfall-bits" tags=["hide-input"]
def too_few_bits(bits, trust_the_flat_part):
    answers = predict(rounded(folded, bits, per_channel=True), photos.images).argmax(1)
    right, changed = (answers == photos.labels).double().mean().item(), flip_rate(base, answers)
    figures = {"right, measured": f"{right:.1%}", "predictions changed, measured": f"{changed:.1%}"}
    if trust_the_flat_part:
        steps = (8 - bits) / (8 - 5)
        for name, column in (("right, expected", each.accuracy), ("predictions changed, expected", each.changed)):
            figures[name] = f"{column[8] + steps * (column[5] - column[8]):.1%}"
    return figures

explore(too_few_bits, bits=ipywidgets.IntSlider(value=5, min=2, max=8, description="bits"), trust_the_flat_part=False)

# %% play=true key="few-picture" tags=["hide-input"]
curves = pd.concat([each.reset_index()[["bits"]].assign(what=what, share=100 * each[column].values)
                    for what, column in (("accuracy", "accuracy"), ("predictions changed", "changed"))])
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, curves, "bits", "share", by="what")
ends = [100 * (each.accuracy[8] + (each.accuracy[5] - each.accuracy[8]) * steps) for steps in (0, 2)]
ax.plot([8, 2], ends, "--", color="black", label="the flat part, drawn on")
ax.set(title="ResNet8, one symmetric grid for each channel (validation)", xlabel="bits of each weight",
       ylabel="share of the photos (%)")
ax.legend(fontsize="small")
plt.show()

# %% [markdown] key="few-after"
# The expected figure hardly moves; the measured one collapses.
#
# **The flip rate warns first.** From 8 to 5 bits accuracy stays within a few photos. Meanwhile many more predictions
# change: some from right to wrong, some from wrong to right. The network becomes unstable before it gets worse.
# `verdict` counts more than 10 % of changed predictions as bad, whatever the accuracy says.
#
# Why a cliff? Each layer adds its rounding error to what the layers before it did. With 2 bits a symmetric grid has
# three values, and the error of a weight is about as large as the weight.
# Training with the rounding in it moves the cliff. That is lesson 09.

# %% [markdown] key="saves"
# ## What 8 bits save
# *Short path*
#
# So far every number was rounded and then kept as a float again. This is called **fake quantization**, or a
# simulation. It shows what happens to accuracy. Does it save anything?

# %% play=true key="predict-file" tags=["hide-input"]
Guess("All weights of LeNet are rounded to 8 bits, and the network is saved the usual way. How large is the file?",
      lambda: "as large as before" if file_bytes(rounded(model, 8)) == file_bytes(model) else "a little smaller",
      choices=["a quarter", "a little smaller", "as large as before"],
      explain="A rounded float is still a float: 4 bytes. Only a file that stores the integers is smaller.")

# %% play=true key="saves-files"
packed = {bits: quantize_model(model, scheme=Scheme(weight_bits=bits, activation_bits=None)) for bits in (8, 4)}
files = pd.DataFrame({
    "file": {"32-bit floats": file_bytes(model), "rounded to 8 bits, kept as floats": file_bytes(rounded(model, 8)),
             "the same, gzip": gzip_bytes(rounded(model, 8)), "8-bit integers": quantized_bytes(packed[8]),
             "4-bit integers, two in a byte": quantized_bytes(packed[4])}})
files["times smaller"] = files.file["32-bit floats"] / files.file
files.style.format({"file": "{:,} bytes", "times smaller": "{:.2f}"})

# %% [markdown] key="saves-files-after"
# - **Rounded, kept as floats:** not a byte is saved. gzip sees the same few values again and again, and packs them.
#   But the file must be unpacked before use.
# - **8-bit integers:** not quite 4 times smaller, the factor that Krishnamoorthi (2018) gives for weights. Scales,
#   biases and the header keep their size.
# - **4-bit integers:** two share a byte, and the part that does not shrink weighs more.
#
# Now time. First the whole network with 8 bits: weights and activations are whole numbers, held in floats. The
# ranges of the activations come from 200 training images without labels; lesson 08 explains that. Then one image,
# many times.

# %% play=true key="saves-time"
whole8 = quantize_model(model, data.train.images[:200])
timed = {name: latency(lambda one=one: one(data.example), repeats=200)
         for name, one in (("floats", model), ("8 bits, simulated", whole8))}
for name, one in timed.items():
    print(f"{name:18} {one.p50_ms:.3f} ms (median), {one.p95_ms:.3f} ms (95th percentile)")
slower = timed["8 bits, simulated"].p50_ms / timed["floats"].p50_ms
print(f"the simulation takes {slower:.1f} times as long")

# %% [markdown] key="saves-after"
# **The simulation does all that the floats do, and rounds on top of that.** So expect it to be slower, not faster.
# It is right about the numbers, and says nothing about the speed of integers.
#
# Speed needs a routine that multiplies bytes, an integer **kernel**, and a processor with instructions for it.
# Krishnamoorthi (2018) reports 2 to 3 times the speed on CPUs, and up to 10 times on special processors.
# No such kernel ran here. Lesson 10 exports this network, runs it on one, and measures.

# %% [markdown] key="measure"
# ## Measure, then judge
#
# First choose, on **validation** images: all 4,000 of MNIST. Activations keep 8 bits, and each channel has a grid for
# its weights. Take the fewest bits for the weights that cost less than 1 point.

# %% play=true key="choose"
before_choice = accuracy(model, data.validation)
calibration = data.train.images[:200]
for bits in (8, 6, 5, 4, 3, 2):
    small = quantize_model(model, calibration, Scheme(weight_bits=bits))
    drop = before_choice - accuracy(small, data.validation)
    print(f"{bits} bits cost {100 * drop:.2f} points, {quantized_bytes(small):,} bytes")
    if drop < 0.01:
        chosen = bits
print(f"chosen: {chosen} bits")

# %% [markdown] key="measure-text"
# Now, and only now, the **test** images: once, for the final numbers. Had we chosen the bits on them, the numbers
# would flatter us. (The **95 % interval** says how far the accuracy may be off because these images were drawn and not
# others.)

# %% play=true key="measure-run"
before = measure(model, data.test)
after = {bits: measure(quantize_model(model, calibration, Scheme(weight_bits=bits)), data.test)
         for bits in (8, chosen)}
pd.DataFrame({"floats": dict(before.rows()), **{f"{bits} bits": dict(one.rows()) for bits, one in after.items()}}
             ).fillna("")

# %% [markdown] key="measure-resnet-text"
# ### Extra: ResNet8 in 8 bits
#
# ResNet8 once more, with 8 bits for weights and activations, on the first 1,000 test photos. All 10,000 would
# take this page too long, and the interval says what that costs. Compare the two lines with each other, not with the
# 250 validation photos above: on so few, accuracy may be off by several points.

# %% play=true key="measure-resnet"
cifar = load("cifar10")
photo_test = cifar.test[:1000]
resnet_before = measure(resnet, photo_test)
resnet_after = measure(quantize_model(resnet, cifar.train.images[:200]), photo_test)
for name, one in (("floats", resnet_before), ("8 bits", resnet_after)):
    print(f"{name}: {one.accuracy:.1%} right ({one.accuracy_low:.1%} to {one.accuracy_high:.1%}), "
          f"{one.file_bytes:,} bytes")
print(f"predictions changed: {flip_rate(resnet_before.predictions, resnet_after.predictions):.1%}")
change = 100 * (resnet_after.accuracy - resnet_before.accuracy)
print(f"accuracy changes by {change:+.1f} points here; Krishnamoorthi (2018) reports within 2 % of the floats")

# %% [markdown] key="verdict-text"
# ### The verdict
#
# `verdict` applies the course's rules of thumb. Good is an accuracy drop under 2 points, a file 50 % smaller, a latency
# 30 % lower. Bad is a drop over 5 points, which nothing makes up for, or no saving worth having. Between lies
# **borderline**.

# %% play=true key="verdict" tags=["hide-input"]
for name, judged in ((f"LeNet, {chosen} bits", verdict(before, after[chosen])),
                     ("ResNet8, 8 bits", verdict(resnet_before, resnet_after))):
    reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
    display(Markdown(f"{name}: **{judged.rating}**\n\n{reasons}"))

# %% [markdown] key="verdict-after"
# Read each reason. Accuracy and size are good. The latency is not rated, because a simulation was timed and not
# an integer kernel. Without it, nothing here can be better than borderline. Lesson 10 fills the gap.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Too low a precision.** The switch above. 8 bits cost next to nothing, 2 bits cost everything, and the flip
#   rate warns in between.
# - **Integers that wrap.** Clip before you turn numbers into bytes, and widen before you subtract or multiply.
# - **A grid without 0.** Padding and ReLU need an exact zero: widen the range, and round the zero point.
# - **A narrow accumulator.** Products of bytes need 32 bits. A sum that wraps gives no warning.
# - **Quantizing before folding.** Then the rounded weights are not the ones that the device uses.
# - **Taking a simulation for a saving.** Weigh the file of integers, and time the kernel that you ship.

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

# %% graded="answer_1" points=1 section="grid"
def answer_1(draw):
    bits = draw.pick([4, 5, 6, 8])
    top = 2**bits - 1
    step, middle = draw.integer(2, 12) / 20, draw.integer(top // 4, top // 2)
    beyond = draw.pick([False, False, True])
    place = top - middle + draw.integer(3, 20) if beyond else draw.integer(1 - middle, top - middle - 1)
    number = round((place + draw.pick([-0.4, -0.3, 0.3, 0.4])) * step, 4)
    return draw.number(
        f"An affine grid has the scale {step:g}, the zero point {middle} and {bits} bits. Which integer is stored for "
        f"the real number {number:g}? Write a number.", min(top, max(0, place + middle)), within=(0, 10**6),
        tolerance=0, hint="Divide by the scale, round, add the zero point. Then ask which integers the grid has.")

# %% graded="answer_2" points=1 section="product"
def answer_2(draw):
    width = draw.pick([16, 32, 64])
    inputs, weights, count = {
        16: (15, 7, draw.integer(60, 300, 10)),
        32: draw.pick([(255, 127, draw.integer(100, 4600, 100)), (15, 7, draw.integer(400, 4000, 100))]),
        64: (255, 127, draw.integer(100_000, 900_000, 50_000))}[width]
    return draw.choice(
        f"A layer adds up {count:,} products. The inputs are integers from 0 to {inputs}, the weights from -{weights} "
        f"to {weights}. Which is the narrowest accumulator that can never overflow, whatever the inputs are?",
        {"16 bits, up to 32,767": width == 16, "32 bits, up to 2,147,483,647": width == 32,
         "64 bits, up to about 9 times 10 to the 18": width == 64},
        never=["8 bits, up to 127: inputs and weights are stored in no more",
               "Any width will do, since positive and negative products cancel out"],
        hint="Take the largest input, the largest weight, and the number of products. How large can the sum get?")

# %% graded="answer_3" points=1 section="saves"
def answer_3(draw):
    thousands, bits = draw.integer(40, 900, 10), draw.pick([2, 4])
    way = draw.pick(["floats", "bytes", "packed"])
    told = {"floats": "turns the integers back into float32 tensors and saves these",
            "bytes": "saves the integers as torch.int8 tensors",
            "packed": f"packs {8 // bits} integers into each byte and saves the bytes"}[way]
    return draw.choice(
        f"A colleague quantizes the {thousands},000 weights of a network to {bits} bits and {told}. "
        "Scales and biases take little room. How large is the file, beside the one with float32 weights?",
        {"About as large: each weight still takes four bytes.": way == "floats",
         "About 4 times smaller: each weight takes one byte.": way == "bytes",
         "About 32 / b times smaller, where b is the number of bits of a weight.": way == "packed"},
        never=["About half as large: an integer takes half of the room of a float.",
               "Smaller by the share of the weights that were rounded to 0."],
        hint="How many bytes does one weight take in what is saved?")

# %% graded="answer_4" points=1 section="fold"
def answer_4(draw):
    root, gain = draw.pick([0.5, 1.5, 2.0, 2.5]), draw.pick([0.5, 1.5, 2.0, 3.0, 4.0])
    small, bias, mean = draw.pick([0.01, 0.04, 0.2]), draw.integer(-6, 6), draw.integer(1, 9)
    beta = draw.integer(-9, 9)
    if bias == mean or beta == 0:
        return None
    return draw.number(
        f"A channel of a convolution has the bias {bias}. The batch norm behind it has gamma {gain * root:g}, beta "
        f"{beta}, mean {mean}, var {root * root - small:g} and eps {small:g}. What is the bias of the folded "
        "convolution? Write a number.", (bias - mean) * gain + beta, within=(-1000, 1000), tolerance=0.01,
        hint="The gain is gamma over the root of var + eps. The mean is taken from the bias, the gain multiplies what "
             "is left, and beta comes last.")

# %% [markdown] essay="reflect" points=3
# ## Reflect
#
# A company builds a camera for bird boxes. A network like ResNet8 says what is in the picture. The chip has 128 kB of
# memory for the network, and instructions that multiply bytes. A colleague writes:
#
# "I rounded all weights to 2 bits in PyTorch. 8 bits lost nothing and 5 bits lost next to nothing, so 2 bits will be
# fine. The file will be 16 times smaller, and the simulation tells how fast the chip will be."
#
# Write five to eight sentences to your colleague. Say what you expect of accuracy, size and speed, with at least two
# numbers that you measured in this lesson. Then say what you would do instead.
#
# === BEGIN MARK SCHEME ===
# One point each, 3 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **Accuracy falls off a cliff.** The answer says that the cost at 8 and 5 bits tells nothing about 2 bits, and
#    supports it with a number measured in the lesson: accuracy at 2 or 3 bits (with the shipped ResNet8 and a grid for
#    each channel about 11 % and 50 % of 250 photos, floats 83 %), or a flip rate (about 90 % at 2 bits, 13 % at 4).
#    Half a point without a number.
# 2. **A simulation saves nothing, and times nothing.** The answer says that rounded weights kept as floats give a file
#    as large as before, and that the simulation's latency says nothing about the chip, with one measured number or
#    ratio (file bytes; int8 file 3.8 times smaller; the simulation about twice as slow or more). Half a point for only
#    one of size and speed.
# 3. **A sound alternative.** For example: 8 bits for weights and activations, a grid for each channel, batch norm
#    folded, about 84 kB, which fits into 128 kB; a file that stores integers; accuracy and flip rate on validation
#    photos of these boxes; time measured with an integer kernel on the chip itself; if 8 bits were too large, 4 bits
#    with training (lesson 09) or more bits for sensitive layers. Half a point for an alternative that ignores the
#    128 kB or the chip.
#
# No point for a claim that contradicts the lesson (such as "2 bits are 16 times as fast"): it cancels the point of its
# line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# Layers differ. Give each layer of ResNet8 bits of its own, from 2 to 8. Your file may have **no more bytes** than the
# one with 4 bits everywhere. Get **at least 1 point more** of 500 validation photos right. Which layers are small and
# sensitive? Which are large and patient? Try one layer at a time.
# It is a step towards the capstone, the task that closes the course (lesson 10): there the file is limited too.

# %% play=true key="challenge-try"
own_bits = {"conv": 4, "block1.conv1": 4, "block1.conv2": 4, "block2.conv1": 4, "block2.conv2": 4,
            "block2.shortcut": 4, "block3.conv1": 4, "block3.conv2": 4, "block3.shortcut": 4, "fc": 4}

def with_bits(bits):
    schemes = {name: Scheme(weight_bits=width, activation_bits=None) for name, width in bits.items()}
    return quantize_model(resnet, scheme=Scheme(activation_bits=None), layers=schemes)

more_photos = cifar.validation[:500]
bar, mine = with_bits(dict.fromkeys(own_bits, 4)), with_bits(own_bits)
for name, one in (("4 bits everywhere:", bar), ("yours:", mine)):
    print(f"{name:19}{quantized_bytes(one):,} bytes, {accuracy(one, more_photos):.1%} right")
better = accuracy(mine, more_photos) >= accuracy(bar, more_photos) + 0.01 - 1e-9
print("You beat it." if better and quantized_bytes(mine) <= quantized_bytes(bar) else "Not yet.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result" tags=["hide-input"]
points_lost = 100 * (before.accuracy - after[chosen].accuracy)
display(Markdown(
    f"**LeNet needs {chosen} of the 32 bits of a weight: its file gets "
    f"{before.file_bytes / after[chosen].file_bytes:.1f} times smaller for {points_lost:.1f} points of test accuracy; "
    f"but only a file of integers is smaller, and the simulation takes {slower:.1f} times as long for an image.**"))

# %% [markdown] key="sources"
# Sources: B. Jacob and others, *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
# Inference*, 2018. R. Krishnamoorthi, *Quantizing deep convolutional networks for efficient inference: A whitepaper*,
# 2018. The rounding rule is that of ONNX's QuantizeLinear.

# %% [markdown] key="title"
# # 02 · What it costs: size, work, time
#
# Two trained networks name what is on a small photo. ResNet8 does 12.5 million multiplications for each photo.
# MobileNet does less than half of them. **How much sooner is MobileNet done?**
#
# After this lesson you can:
#
# - count a network's parameters, its multiplications and its bytes, by hand and on a real file;
# - measure time so that somebody else would get the same: warm-up, repeats, median and p95, threads, batch;
# - say which layers wait for the processor and which for memory, and where a speed-up will not show.
#
# You need some PyTorch: tensors, layers, and what a forward pass is.
#
# **Time:** about 75 minutes: 32 to read, guess and play, 27 for the three exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 46 minutes in all, with the practice.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Then read what is marked *Short path*, up to
# the next heading; answer the guesses there and move the sliders.

# %% setup=true key="setup" tags=["hide-input"]
import io
import tempfile
import time
from dataclasses import replace

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from shrinklab import plot, roofline, timing
from shrinklab.channels import recalibrate_batch_norm, shrink_channels
from shrinklab.data import load
from shrinklab.deploy import export
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.files import file_bytes
from shrinklab.masks import apply_masks, global_masks
from shrinklab.measure import count_macs, flip_rate, latency, measure, peak_memory, verdict
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.profiling import bound_ms, profile
from shrinklab.timing import call_times
from shrinklab.widgets import Guess, Placement, Practice, RecallCards, cost_explorer, explore

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## How much sooner?
# *Short path*
#
# Here are both networks, and a few of the photos. The photos are **validation images**: no training has seen them,
# and we may choose on them as often as we like.

# %% play=true key="load"
data = load("cifar10")
resnet, mobilenet = pretrained("resnet8"), pretrained("mobilenet")
networks = {"ResNet8": resnet, "MobileNet": mobilenet}
photos = data.validation[:500]
photo = photos.images[:1]  # one photo, as a batch of one

# %% play=true key="photos" tags=["hide-input"]
figure, axes = plt.subplots(1, 8, figsize=(8, 1.5), layout="constrained")
plot.images(axes, data.to_pixels(photos.images[:8]), [data.classes[label] for label in photos.labels[:8]])
figure.suptitle("Eight validation photos and what is on them")
plt.show()

# %% play=true key="two-networks"
pd.DataFrame({name: {"accuracy": f"{accuracy(network, photos):.1%}",
                     "multiplications a photo": f"{count_macs(network, photo):,}"}
              for name, network in networks.items()})

# %% [markdown] key="predict-text"
# MobileNet is about as accurate, with less than half of the work. Both run in PyTorch, one photo at a time.
#
# Commit to a guess before you go on. A wrong guess is worth more here than none: you will remember the answer.

# %% play=true key="predict-sooner" tags=["hide-input"]
share = count_macs(mobilenet, photo) / count_macs(resnet, photo)
Guess(f"MobileNet does {share:.2f} times the multiplications of ResNet8. How many times as long does it take for one "
      "photo, in PyTorch on this computer? (1.00 means: just as long.)",
      lambda: round(latency(lambda: mobilenet(photo)).p50_ms / latency(lambda: resnet(photo)).p50_ms, 2),
      unit="times as long",
      explain=f"Counting multiplications alone would say {share:.2f}. The further your number lies from that, the "
              "more there is to explain. The section \"Why MACs are not milliseconds\" does it.")

# %% [markdown] key="play-text"
# Now play. The first control makes ResNet8 narrower: channels are really cut out of every layer.
# Each move runs the narrow network on 250 photos, times it, and places it in a picture of what this computer could do.
# Find out:
#
# 1. Keep half of the channels. What is left of the multiplications, of the file, of the time?
# 2. Go back to all channels, and raise the number of images at a time, the **batch**. How many images a second do you
#    get?
# 3. What does a narrower network cost in accuracy?
#
# The picture with the two roofs is explained further down. For now: higher is better, and the roof is the limit.

# %% play=true key="play"
cost_explorer()

# %% [markdown] key="play-after"
# What to look for: the multiplications fall with the **square** of the width, for each layer has fewer inputs and fewer
# outputs. Compare their bar with that of the time: on most machines time falls less than work. The accuracy falls fast.
# These networks were cut and not trained again (lessons 05 and 06).
#
# Here are three numbers of that kind, measured now, one photo at a time.

# %% play=true key="half"
# After cutting, batch norm's stored averages no longer fit: take new ones from training images, without labels.
half = recalibrate_batch_norm(shrink_channels(resnet, 0.5, example=photo), data.train.images[:500])
whole_time, half_time = latency(lambda: resnet(photo)), latency(lambda: half(photo))
fewer = count_macs(resnet, photo) / count_macs(half, photo)
sooner = whole_time.p50_ms / half_time.p50_ms
print(f"half of the channels: {fewer:.1f} times fewer multiplications")
print(f"                      {file_bytes(resnet) / file_bytes(half):.1f} times fewer bytes in the file")
print(f"                      {sooner:.1f} times as fast")

# %% [markdown] key="half-after"
# So there are several costs, and they do not go together. One by one.

# %% [markdown] key="count"
# ## Parameters, nonzeros, MACs, bytes
#
# - **Parameters** are the numbers that were learned: weights and biases.
# - **Nonzeros** are the parameters that are not zero. Pruning by masks (lesson 04) sets weights to zero: it lowers this
#   number, and nothing else in this list.
# - A **MAC** is a multiply-accumulate: one multiplication and the addition that goes with it.
#   Papers that count **FLOPs** count both, so one MAC is two FLOPs.
# - **Bytes** are the size of the file that you ship. A float32 takes four.
#
# A convolution on a tiny image shows how the first and the third differ.

# %% key="tiny-conv"
layer = torch.nn.Conv2d(2, 4, kernel_size=3, padding=1)
for size in (1, 5, 10):
    output = layer(torch.zeros(1, 2, size, size))
    print(f"{size:2} x {size:2} image: {sum(p.numel() for p in layer.parameters())} parameters, "
          f"{count_macs(layer, torch.zeros(1, 2, size, size)):,} MACs, output {tuple(output.shape)}")

# %% [markdown] key="tiny-conv-after"
# The layer stays the same, so its parameters do. But it uses each weight again at every position of the output:
# 4 × 2 × 3 × 3 = 72 weights do 72 MACs at one position and 1,800 at 25. With 4 biases they are the 76 parameters.
# **Parameters tell about the file, MACs about the work.** The biases are added, not multiplied: they cost no MAC.

# %% play=true key="predict-layers" tags=["hide-input"]
first_layer, last_conv = profile(resnet, photo, repeats=1).layers[0], resnet.block3.conv2
Guess(f"ResNet8's first convolution has {resnet.conv.weight.numel():,} weights, its last one "
      f"{last_conv.weight.numel():,}. The first one works on 32 x 32 positions, the last one on 8 x 8. How many times "
      "the MACs of the first one does the last one need?",
      lambda: round(count_macs(last_conv, torch.zeros(1, 64, 8, 8)) / first_layer.macs, 1), unit="times the MACs",
      explain="85 times the weights, but a sixteenth of the positions.")

# %% [markdown] key="exercise-1"
# ### Exercise 1: count a layer
#
# Write `conv_cost(weight_shape, output_shape, bias)` for a convolution. Return two whole numbers:
# its parameters, and its MACs **for one image**.
#
# - `weight_shape` is (outputs, inputs, kernel height, kernel width), as in `layer.weight.shape`.
# - `output_shape` is (images, outputs, height, width): what the layer gives for a batch.
# - `bias` is True or False. A layer with bias has one more parameter for each output, and no more MACs.
#
# Worked value: `conv_cost((16, 3, 3, 3), (1, 16, 32, 32), False)` gives `(432, 442368)`. That is ResNet8's first layer.
#
# Helpful: `math.prod` or `np.prod` multiplies all numbers of a shape.

# %% exercise="conv_cost"
def conv_cost(weight_shape, output_shape, bias):
    """Parameters and MACs for one image of a convolution.

    weight_shape: (outputs, inputs, kernel height, kernel width); output_shape: (images, outputs, height, width);
    bias: bool -> (parameters, MACs), two whole numbers.
    """
    ### BEGIN SOLUTION
    outputs, inputs, kernel_height, kernel_width = weight_shape
    weights = outputs * inputs * kernel_height * kernel_width
    positions = output_shape[2] * output_shape[3]
    return weights + (outputs if bias else 0), weights * positions
    ### END SOLUTION


# %% check="conv_cost" points=3 library=["count_macs", "profile"]
pair = student("conv_cost", (8, 2, 3, 3), (1, 8, 1, 1), False)
expect(pair, np.zeros(2), atol=np.inf, id="pair",
       hint="Return two numbers, the parameters first and the MACs second.")
expect(pair[0], 144, id="parameters", needs="pair",
       hint="8 outputs, and each of them has a kernel of 3 x 3 for each of the 2 inputs: 8 x 2 x 9 = 144 weights. "
            "There is no bias here.")
expect(pair[1], 144, id="one-position", needs="pair",
       hint="At a single position each of the 144 weights is used once: 144 MACs. A MAC is the multiplication together "
            "with its addition.")
expect(student("conv_cost", (8, 2, 3, 3), (1, 8, 4, 5), False)[0], 144, id="order", needs="one-position",
       hint="The parameters come first and the MACs second. On a larger image the layer has the same 144 parameters.")
expect(student("conv_cost", (8, 2, 3, 3), (1, 8, 4, 5), False)[1], 2880, id="positions", needs="order",
       hint="The same weights at 4 x 5 = 20 positions: 144 x 20. Height and width may differ, and the outputs are in "
            "the 144 already.")
expect(student("conv_cost", (8, 2, 3, 3), (1, 8, 4, 5), True)[0], 152, id="bias", needs="parameters",
       hint="One bias for each of the 8 outputs: 144 + 8.")
expect(student("conv_cost", (8, 2, 3, 3), (1, 8, 4, 5), True)[1], 2880, id="bias-macs", needs="positions",
       hint="A bias is added once and multiplied with nothing: it costs no MAC.")
expect(student("conv_cost", (4, 2, 1, 5), (1, 4, 3, 3), False), [40, 360], id="kernel", needs="positions",
       hint="A kernel need not be square: this one is 1 x 5.")
expect(student("conv_cost", (8, 2, 3, 3), (10, 8, 4, 5), False), [144, 2880], id="batch", needs="positions",
       hint="MACs are counted for one image. The first number of the output's shape is the number of images: leave it "
            "out.")
### BEGIN HIDDEN TESTS
expect(student("conv_cost", (64, 32, 3, 3), (2, 64, 8, 8), False), [18432, 1179648], id="resnet", needs="parameters",
       hint="On ResNet8's block3.conv1 your numbers are off.")
expect(student("conv_cost", (16, 1, 3, 3), (1, 16, 12, 7), True), [160, 12096], id="depthwise", needs="parameters",
       hint="MobileNet's depthwise layers have one input for each output: take the inputs from the weight's shape, not "
            "from the outputs.")
### END HIDDEN TESTS

# %% [markdown] key="count-quick"
# **Going further.** A fully connected layer is a convolution with one position. Let your function take its shapes too,
# (outputs, inputs) and (images, outputs), with no `if`.

# %% [markdown] key="own-slider-text"
# ### Your own function at work
#
# Now your `conv_cost` counts the trained ResNet8 while a slider makes it narrower. `profile` gives the shapes of all
# its layers. This is plain ipywidgets: a slider, a label, and a function that runs when the slider moves.

# %% play=true key="own-slider"
cost_of = use("conv_cost", otherwise=roofline.conv_cost)
channels = ipywidgets.IntSlider(value=16, min=4, max=16, description="channels")
result = ipywidgets.Label()

def show(change=None):
    narrow = shrink_channels(resnet, 1 - channels.value / 16, example=photo)
    convolutions = [layer for layer in profile(narrow, photo, repeats=1).layers if layer.kind == "Conv2d"]
    weights, macs = np.sum([cost_of(one.weight_shape, one.output_shape, False) for one in convolutions], axis=0)
    everything = count_macs(narrow, photo)
    result.value = f"{weights:,} weights, {macs:,} MACs (the library, with the last layer: {everything:,})"

channels.observe(show, "value")
show()
ipywidgets.VBox([channels, result])

# %% [markdown] key="own-slider-after"
# What to look for: at 8 channels about a quarter of the MACs is left. The library counts a few hundred more, those of
# the last, fully connected layer.

# %% [markdown] key="bytes-text"
# Now bytes, on a real file. And a control: a network in which half of the weights were set to zero.

# %% play=true key="bytes"
masked = apply_masks(resnet, global_masks(resnet, 0.5))
rows = {}
for name, network in {"ResNet8": resnet, "half of the weights zero": masked, "half of the channels": half}.items():
    parameters = list(network.parameters())
    rows[name] = {"parameters": sum(one.numel() for one in parameters),
                  "nonzeros": sum(int(one.count_nonzero()) for one in parameters),
                  "MACs": count_macs(network, photo), "file (bytes)": file_bytes(network)}
pd.DataFrame(rows).style.format("{:,}")

# %% [markdown] key="bytes-after"
# Four bytes for each parameter, and some more: batch norm's averages and a **header** with names and shapes.
# A zero takes as many bytes and as many MACs as any other number (lesson 04).
# Cut channels, and all four numbers fall.

# %% [markdown] key="memory"
# ## Memory while it runs
#
# The file is not all that a device needs room for. While the network runs, it also holds **activations**: what the
# layers hand on. **Peak memory** is the most bytes in use at once, weights included.
# A small device has no disk to swap to: one byte too many, and the network does not run at all.

# %% play=true key="predict-memory" tags=["hide-input"]
weights = 4 * sum(one.numel() for one in resnet.parameters()) / peak_memory(resnet, photo)
Guess(f"ResNet8 takes one photo. Of its peak memory {weights:.0%} are weights, nearly all the rest are activations. "
      "Then it takes a batch of 32. How many times the peak memory of one photo does the batch need?",
      lambda: round(peak_memory(resnet, photos.images[:32]) / peak_memory(resnet, photo), 1), unit="times",
      explain="Weights are there once, whatever the batch. Activations are there once for each image, and in a network "
              "on images they soon outweigh the weights.")

# %% play=true key="memory-run"
rows = {}
for name, network in networks.items():
    rows[name] = {"file": file_bytes(network)} | {
        f"peak memory, batch {batch}": peak_memory(network, photos.images[:batch]) for batch in (1, 8, 32)}
pd.DataFrame(rows).style.format("{:,} bytes")

# %% [markdown] key="memory-after"
# MobileNet has the smaller file and the larger peak: its wide layers in the middle hand on more numbers.
# **Fewer parameters need not mean less memory.** (Counted are PyTorch's tensors. A runtime made for small devices
# uses room again more cleverly, and some fit a network where PyTorch would not.)

# %% [markdown] key="clock"
# ## Measuring time
#
# Bytes and MACs are the same on every machine. Time is not. Here is the same forward pass, 100 times, each call timed
# by itself. The batch has a size that this session has not met yet.

# %% play=true key="raw-times" tags=["hide-input"]
three = photos.images[:3]
times = call_times(lambda: resnet(three), 100)  # milliseconds, in order, the first calls included
figure, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
ax.plot(range(1, 101), times, ".", color=plot.COLOURS[0], label="one call")
ax.axhline(np.median(times), color="black", label="median")
ax.axhline(np.mean(times), color=plot.COLOURS[1], linestyle="--", label="mean")
ax.set(title="ResNet8 in PyTorch, three photos, 100 calls in a row", xlabel="call", ylabel="time (ms, log scale)",
       yscale="log")
ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_formatter=NullFormatter())
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %% play=true key="raw-reading" tags=["hide-input"]
print(f"first call:   {times[0] / np.median(times):5.2f} times the median")
print(f"slowest call: {max(times) / np.median(times):5.2f} times the median")
print(f"fastest call: {min(times) / np.median(times):5.2f} times the median")
print(f"mean:         {np.mean(times) / np.median(times):5.2f} times the median")

# %% [markdown] key="clock-after"
# Three things to see, more or less strongly on each machine:
#
# - **The first call is often slow.** Memory is allocated, kernels are chosen and prepared. (Here a **kernel** is the
#   routine that computes a layer, not the weights of a convolution.) So we let some calls pass, the **warm-up**, and
#   leave them out. Run the two cells again: much is prepared by then.
# - **Some calls are slow for no reason of the network's own.** The computer did something else. Nothing makes a call
#   much faster than usual, so the slow ones pull the mean up. The **median**, the middle call, hardly notices them.
# - **The slow ones are real, too.** A user who waits for the slowest of a hundred answers is right to complain.
#   **p95**, the 95th percentile, is the time that 95 of 100 calls stay under. The median is also called **p50**.
#
# With five numbers you can see it at once.

# %% key="tiny-times"
tiny = [0.6, 0.5, 0.7, 0.6, 9.0]  # given: milliseconds of five calls
print(f"mean {np.mean(tiny):.2f}, median {np.median(tiny):.2f}, p95 {np.percentile(tiny, 95):.2f}")

# %% [markdown] key="exercise-2"
# ### Exercise 2: sum up a measurement
# Write `latency_summary(times, warm_up)`. Return two numbers, the median and the 95th percentile, of the calls that
# count.
#
# - `times` is a list of numbers, in the order of the calls. The first `warm_up` of them are left out.
# - Between two calls the percentile is interpolated, as `np.percentile(values, 95)` does it.
#
# Worked value: `latency_summary([9, 1, 2, 3, 4, 5], 1)` gives `(3.0, 4.8)`.

# %% exercise="latency_summary"
def latency_summary(times, warm_up):
    """Median and 95th percentile of the calls after the warm-up.

    times: list of numbers, in order; warm_up: how many calls to leave out -> (median, p95).
    """
    ### BEGIN SOLUTION
    counted = times[warm_up:]
    return float(np.median(counted)), float(np.percentile(counted, 95))
    ### END SOLUTION


# %% check="latency_summary" points=3
skewed = [1.0, 1.0, 2.0, 3.0, 13.0]
pair = student("latency_summary", skewed, 0)
expect(pair, np.zeros(2), atol=np.inf, id="pair",
       hint="Return two numbers, the median first and p95 second.")
expect(pair[0], 2.0, id="median", needs="pair",
       hint="The middle one of 1, 1, 2, 3, 13 is 2: with no warm-up all five count. The mean would be 4, for one slow "
            "call pulls it up. The unit stays as it is.")
hundred = [float(number) for number in range(101)]
expect(student("latency_summary", hundred, 0)[1], 95.0, id="p95", needs="pair",
       hint="Of the times 0, 1, ..., 100 the 95th percentile is 95: the slow end, but not the slowest one.")
expect(student("latency_summary", [60.0, 1.0, 5.0, 2.0, 20.0, 3.0, 4.0], 0)[0], 4.0, id="any-order", needs="median",
       hint="Times come in the order of the calls. The middle one by size is 4: three are faster, three slower. How "
            "slow the slow ones are does not matter.")
expect(student("latency_summary", [1.0, 2.0, 3.0, 4.0], 0)[0], 2.5, id="even", needs="median",
       hint="With four times the median lies half-way between the two in the middle: 2.5.")
expect(student("latency_summary", [9.0, 8.0, 1.0, 2.0, 3.0], 2)[0], 2.0, id="warm-up", needs="median",
       hint="Two calls of warm-up: 9 and 8 came first and don't count. Leave them out before you sort anything.")
expect(student("latency_summary", [1.0, 2.0, 9.0, 7.0, 8.0], 2)[0], 8.0, id="first", needs="warm-up",
       hint="The warm-up is the first calls, not the slowest ones: 1 and 2 go here.")
expect(student("latency_summary", [5.0, 1.0, 2.0, 3.0, 4.0], 0)[1], 4.8, id="between", needs="p95",
       hint="p95 of 1 to 5 is 4.8, between two times: np.percentile(values, 95) interpolates.")
expect(student("latency_summary", [9.0, 8.0, 1.0, 2.0, 3.0], 2)[1], 2.9, id="p95-warm-up", needs="between",
       hint="The warm-up counts for neither of the two figures: p95 of 1, 2 and 3 is 2.9.")
expect(student_call("latency_summary", [3.0, 2.0, 1.0], 1).arguments[0], [3.0, 2.0, 1.0], id="unchanged",
       needs="median", hint="Your function changed the list that it was given. sort() and del work in place; sorted() "
       "and a slice make a new list.")
### BEGIN HIDDEN TESTS
drawn = (1 + np.random.default_rng(2).lognormal(size=73)).tolist()
expect(student("latency_summary", drawn, 13), timing.summary(drawn, 13), id="drawn", needs="pair",
       hint="On 73 calls with a warm-up of 13 your numbers are off. Is anything rounded?")
expect([student("latency_summary", [7.0], 0), student("latency_summary", [9.0, 7.0], 1)], [[7.0, 7.0]] * 2, id="one",
       needs="pair", hint="One call is left: it is the median and p95 at once.")
### END HIDDEN TESTS

# %% [markdown] key="clock-quick"
# **Going further.** How many repeats are enough? Draw 20 calls by lot from `times`, take their median, and do that
# 1,000 times. How far do the medians spread? And with 80 calls? How much worse is p95?

# %% [markdown] key="summary-use-text"
# `explore` makes sliders for any function. Here your summary reads the 100 calls of ResNet8 from above.
# Look for the warm-up from which on the two figures stay put. Which of them moves more?

# %% play=true key="summary-use"
summarize = use("latency_summary", otherwise=timing.summary)

def read_off(warm_up, calls):
    median, p95 = summarize(times[:calls], warm_up)
    return {"median": f"{median:.3f} ms", "p95": f"{p95:.3f} ms", "calls that count": calls - warm_up}

explore(read_off, warm_up=(0, 20), calls=(30, 100))

# %% [markdown] key="protocol"
# How you measured belongs to the number. The **runtime** is the software that runs the network, here PyTorch.
# **A latency without device, runtime, threads and batch is no measurement.** The library's `latency` notes down threads
# and batch, which the next section is about. Device and runtime you write beside it.

# %% play=true key="protocol-run"
latency(lambda: resnet(photo), warm_up=10, repeats=50, threads=1, batch=1)

# %% [markdown] key="debug-text"
# ### Debug: a stopwatch that starts too early
#
# A colleague keeps a log of the clock: a row for each call, with three readings in seconds.
# One before the photo is prepared, one when the network starts, one when it is done.
#
# `model_times(log, warm_up)` should give the time **of the network** in milliseconds, for each call after the warm-up.
# Its numbers come out too large, and a faster network hardly lowers them. Mend it.
#
# Worked value: `[[0.0, 0.003, 0.004], [0.010, 0.013, 0.015]]` with no warm-up gives `[1.0, 2.0]`.

# %% debug="model_times"
def model_times(log, warm_up):
    """Milliseconds that the network took in each call after the warm-up.

    log: float tensor (calls, 3), seconds at: preparing starts, network starts, network ends
    -> float tensor (calls - warm_up,).
    """
    ### BEGIN FAULTY
    # seconds = log[:, 2] - log[:, 0]
    ### END FAULTY
    ### BEGIN SOLUTION
    seconds = log[:, 2] - log[:, 1]
    ### END SOLUTION
    return 1000 * seconds[warm_up:]


# %% check="model_times" points=2
log = torch.tensor([[0.0, 0.5, 1.5], [2.0, 2.5, 4.5], [5.0, 5.25, 5.75], [6.0, 6.0, 6.25]], dtype=torch.float64)
expect(student("model_times", log, 0), np.zeros(4), atol=np.inf, id="shape",
       hint="One time for each call that counts: four calls and no warm-up give four times.")
expect(student("model_times", log, 4 - 1), np.zeros(1), atol=np.inf, id="warm-up",
       hint="Of four calls the first three are warm-up here: one time is left.")
expect(student("model_times", log, 3), [250.0], id="last", needs="warm-up",
       hint="The last call needs no preparing: 0.25 s, so 250 ms. Leave out the first calls, not the last ones, and "
            "keep milliseconds.")
expect(student("model_times", log, 0), [1000.0, 2000.0, 500.0, 250.0], id="network",
       hint="The first call prepares its photo for 0.5 s and runs the network for 1 s: 1,000 ms. Which reading is the "
            "one at which the network starts?")
expect(student_call("model_times", log, 1).arguments[0], log, id="unchanged",
       hint="Your function changed the log that it was given. Operators such as -= work in place.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

long = torch.rand(40, 3, generator=fresh(), dtype=torch.float64).cumsum(1)
expect(student("model_times", long, 10), 1000 * (long[10:, 2] - long[10:, 1]), id="long",
       hint="On a log of 40 calls your times are off.")
### END HIDDEN TESTS

# %% [markdown] key="debug-use-text"
# Here are such logs, of ResNet8 and of the narrow one. A camera gives a compressed picture of 320 x 240. Preparing
# means: unpack it, shrink it to 32 x 32, normalise its colours.

# %% play=true key="camera"
camera = io.BytesIO()
Image.fromarray(data.to_pixels(photo)[0]).resize((320, 240)).save(camera, "JPEG")

def record(network, calls=40):
    rows = []
    for _ in range(calls):
        start = time.perf_counter()
        prepared = data.normalise(np.asarray(Image.open(camera).resize((32, 32)))[None])
        ready = time.perf_counter()
        with torch.inference_mode():
            network(prepared)
        rows.append([start, ready, time.perf_counter()])
    return torch.tensor(rows, dtype=torch.float64)

# %% play=true key="debug-use"
network_times = use("model_times", otherwise=timing.network_times)
logs = {"ResNet8": record(resnet), "half of its channels": record(half)}
alone = {name: network_times(log, 10).median().item() for name, log in logs.items()}
together = {name: 1000 * (log[10:, 2] - log[10:, 0]).median().item() for name, log in logs.items()}
for what, figures in (("network alone", alone), ("with preparing", together)):
    whole, narrow = figures.values()
    print(f"{what:15} {whole:.3f} ms and {narrow:.3f} ms: half of the channels, {whole / narrow:.2f} times as fast")

# %% [markdown] key="debug-use-after"
# The user waits for both, so both are worth knowing. But keep them apart: a faster network does nothing for the
# preparing, and a stopwatch that counts both hides what the network has gained. Say what is in a measurement, and what
# was left out.

# %% [markdown] key="batch"
# ## Batch and threads
#
# **Latency** is how long one call takes. **Throughput** is how many images are done in a second.
# A phone that recognises what its camera sees cares about latency, with one image at a time: a batch of one.
# A server that sorts a million photos at night cares about throughput.

# %% play=true key="predict-batch" tags=["hide-input"]
calls = {name: len(profile(network, photo, repeats=1).layers) for name, network in networks.items()}
Guess("The explorer showed ResNet8 with larger batches. What about MobileNet? "
      f"It calls {calls['MobileNet']} layers for each batch, ResNet8 calls {calls['ResNet8']}. How many times as many "
      "photos a second does MobileNet get through, when it takes 32 photos at a time and not one?",
      lambda: round(32 * latency(lambda: mobilenet(photo), repeats=30).p50_ms
                    / latency(lambda: mobilenet(photos.images[:32]), warm_up=2, repeats=9).p50_ms, 2), unit="times",
      explain="Some of the cost is there once for each call of a layer, and a batch shares it out. The multiplications "
              "are there for each photo.")

# %% play=true key="batch-run"
by_batch = {}
for name, network in networks.items():
    rows = []
    for batch in (1, 2, 4, 8, 16, 32, 64):
        some, repeats = photos.images[:batch], max(5, 40 // batch)
        timed = latency(lambda network=network, some=some: network(some), warm_up=2, repeats=repeats, batch=batch)
        rows.append({"batch": batch, "latency (ms)": timed.p50_ms, "photos a second": 1000 * batch / timed.p50_ms})
    by_batch[name] = pd.DataFrame(rows).set_index("batch")

# %% play=true key="batch-picture" tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
titles = {"latency (ms)": "One call takes longer", "photos a second": "Photos done in a second"}
for ax, (column, title) in zip(axes, titles.items(), strict=True):
    for name, colour, line in (("ResNet8", plot.COLOURS[0], "o-"), ("MobileNet", plot.COLOURS[1], "^--")):
        ax.plot(by_batch[name].index, by_batch[name][column], line, color=colour, label=name)
    ax.set(title=title, xlabel="photos at a time", ylabel=column, ylim=(0, None))
    ax.grid(alpha=0.3)
axes[0].legend()
figure.suptitle("Both networks in PyTorch, one thread")
plt.show()

# %% play=true key="batch-reading" tags=["hide-input"]
for name, found in by_batch.items():
    best = found["photos a second"].idxmax()
    more, longer = (found[column][best] / found[column][1] for column in ("photos a second", "latency (ms)"))
    print(f"{name}: most photos a second with {best} at a time, {more:.2f} times as many as one by one;")
    print(f"    each call then takes {longer:.1f} times as long")

# %% [markdown] key="batch-after"
# A curve on the right rises as long as each call has a fixed cost that more photos can share. Then it is flat, or falls
# again: a large batch may not fit into the processor's fast memory, and a long call is interrupted more often.
# **Latency and throughput are different goals.** A good figure for one does not promise a good one for the other.
#
# A **thread** is a strand of work that a processor core can take. More threads may help, or not.

# %% play=true key="threads"
for batch in (1, 32):
    some = photos.images[:batch]
    one, two = (latency(lambda some=some: resnet(some), warm_up=3, repeats=max(7, 40 // batch), threads=count).p50_ms
                for count in (1, 2))
    print(f"batch {batch:2}: two threads are {one / two:.2f} times as fast as one")

# %% [markdown] key="threads-after"
# Two threads would be twice as fast if the work could be shared out for nothing. Small layers give little to share, and
# handing it out costs time. And if the second core is busy, or there is none, two threads are slower.
# A figure above 2 means that the computer was busy with something else when one thread was timed.
# So compare networks with the **same** number of threads: the number that the product will have.

# %% [markdown] key="roof"
# ## Why MACs are not milliseconds
# *Short path*
#
# To compute a layer, a processor does two things at once. It multiplies, and it fetches numbers and puts them back.
# Whichever takes longer sets the time. Two rates describe a machine:
#
# - its **peak rate**: the most MACs that it can do in a second;
# - its **bandwidth**: the most bytes that it can move between memory and processor in a second.
#
# And one number describes a layer. **Arithmetic intensity** is its MACs divided by the bytes that it must move:
# weights, input and output. The more it does with each byte, the less it waits for memory.
#
# A layer is **compute bound** when multiplying takes longer, and **memory bound** when moving does.

# %% play=true key="predict-bound" tags=["hide-input"]
Guess("A machine does 100 MACs and moves 10 bytes in a microsecond. A layer needs 1,000 MACs and has to move 400 "
      "bytes. Its MACs are halved, its bytes stay. How many microseconds does it save?", 0.0, unit="microseconds",
      explain="Multiplying takes 10 microseconds and moving 40, at the same time. With half of the MACs it is 5 and "
              "40. The layer waits for memory, so it saves nothing.")

# %% [markdown] key="roof-machine"
# What are the rates of this computer? We measure them. The fastest run counts, for a roof is the best that can be had.
#
# There are two bandwidths. **Main memory** is large and slow. A **cache** is a small, fast memory beside the core. What
# was used a moment ago is often still there.

# %% play=true key="machine"
machine = roofline.measure_machine()
print(f"peak rate:               {machine.macs_per_second / 1e9:6.1f} billion MACs a second")
print(f"bandwidth, main memory:  {machine.bytes_per_second / 1e9:6.1f} billion bytes a second")
print(f"bandwidth, cache:        {machine.cache_bytes_per_second / 1e9:6.1f} billion bytes a second")
print(f"to be kept busy from main memory, it needs {machine.ridge:.1f} MACs for each byte, "
      f"that is {2 * machine.ridge:.1f} FLOPs")

# %% [markdown] key="exercise-3"
# ### Exercise 3: the roof over a layer
#
# Write `layer_bound(macs, moved_bytes, macs_per_second, bytes_per_second)`. Return two things: the least time in
# **milliseconds**, and what sets it, `"compute"` or `"memory"`.
#
# Multiplying and moving go on at the same time, so the slower of the two counts. If both take equally long, say
# `"compute"`.
#
# Worked value: 2,000 MACs and 300 bytes, with 1,000 MACs and 100 bytes a second, give `(3000.0, "memory")`.

# %% exercise="layer_bound"
def layer_bound(macs, moved_bytes, macs_per_second, bytes_per_second):
    """Least time of a layer in milliseconds, and what sets it.

    Four numbers -> (milliseconds, "compute" or "memory").
    """
    ### BEGIN SOLUTION
    multiplying = macs / macs_per_second
    moving = moved_bytes / bytes_per_second
    return 1000 * max(multiplying, moving), "compute" if multiplying >= moving else "memory"
    ### END SOLUTION


# %% check="layer_bound" points=3
found = student("layer_bound", 4000, 100, 1000, 100)
expect(isinstance(found, (tuple, list)) and len(found) == 2, id="pair",
       hint='Return two things: a number of milliseconds, and the word "compute" or "memory".')
expect(str(found[1]).strip().lower() in ["compute", "memory"], id="word", needs="pair",
       hint='The second thing is one of two words: "compute" or "memory".')
expect(found[0], 4000.0, id="compute-time", needs="pair",
       hint="4,000 MACs at 1,000 a second take 4 s, which is 4,000 ms. Moving takes 1 s meanwhile: the two go on at "
            "once, so they don't add up.")
slow_memory = student("layer_bound", 2000, 300, 1000, 100)
expect(slow_memory[0], 3000.0, id="memory-time", needs="compute-time",
       hint="Multiplying takes 2 s and moving 3 s: the layer is done when both are.")
expect(found[1], "compute", id="compute", needs="compute-time",
       hint="Multiplying takes 4 s, moving 1 s: the slower one sets the time. Compare seconds, not MACs with bytes.")
expect(slow_memory[1], "memory", id="memory", needs="memory-time",
       hint="Multiplying takes 2 s, moving 3 s. There are more MACs than bytes here, and still memory is what it "
            "waits for.")
expect(student("layer_bound", 0, 50, 1000, 100), [500.0, "memory"], id="no-macs", needs="memory",
       hint="A layer without MACs, such as ReLU, still moves its numbers.")
### BEGIN HIDDEN TESTS
expect(student("layer_bound", 2000, 300, 1000, 1500)[1], "compute", id="fast-memory", needs="compute",
       hint="The same layer with a fast memory: 2 s against 0.2 s. Does your function use both rates?")
expect(student("layer_bound", 500, 20, 1000, 100), [500.0, "compute"], id="short", needs="compute",
       hint="0.5 s of multiplying against 0.2 s of moving: 500 ms.")
expect(student("layer_bound", 700, 70, 1000, 100)[1], "compute", id="tie", needs="memory",
       hint='If both take equally long, the word is "compute".')
expect(student("layer_bound", 442368, 79552, 4e9, 8e9), [442368 / 4e6, "compute"], id="resnet", needs="compute-time",
       hint="On ResNet8's first layer your numbers are off. It takes a fraction of a millisecond: round nothing.")
### END HIDDEN TESTS

# %% [markdown] key="roof-quick"
# **Going further.** A device draws power for both. By Horowitz (2014), at 45 nm, a float32 multiplication takes 3.7
# picojoules and an addition 0.9. Fetching 64 bits from a cache of 8 kB takes 10, and from main memory far more. Write
# `layer_energy`. Which layers of ResNet8 would you shrink first for the battery?

# %% [markdown] key="bound-use-text"
# Your rule now adds up over all layers of a trained network. Even with all data in the cache, it cannot be done sooner
# than that. Move the controls. Which is nearer to its bound: one photo at a time, or many?

# %% play=true key="bound-use"
rule = use("layer_bound", otherwise=roofline.roofline)

def against_the_bound(network, batch):
    found = profile(networks[network], photos.images[:batch], repeats=5)
    least = bound_ms(found, machine, rule)
    return {"least time": f"{least:.3f} ms", "measured": f"{found.total_ms:.3f} ms",
            "measured / least": f"{found.total_ms / least:.1f}"}

explore(against_the_bound, network=["ResNet8", "MobileNet"], batch=[1, 4, 16])

# %% [markdown] key="bound-use-after"
# What to look for: with one photo at a time both usually stay further from their bound. That is a third cost, beside
# MACs and bytes. Each call of a layer has a **fixed cost**, whatever it computes, and MobileNet calls more layers.
# MobileNet also moves more bytes than ResNet8: its **depthwise** convolutions look at one channel each, hardly any work
# for each number fetched. So fewer MACs need not be sooner done.

# %% [markdown] key="roofline"
# ### Extra: the roofline
#
# Draw the best rate for each arithmetic intensity, and you get a roof with a slope and a flat part. Williams, Waterman
# and Patterson (2009) named it the **roofline**. Under the slope a layer is memory bound, under the flat part compute
# bound. The corner is the **ridge**: the intensity from which on the processor can be kept busy. For an Opteron X2 they
# give a peak of 17.6 billion FLOPs a second and 15 billion bytes: a ridge of about 1.2 FLOPs a byte. One MAC is two
# FLOPs; the ridge of this computer is printed above in both.
#
# Each point is a layer of one of our networks, timed inside a run.

# %% play=true key="roofline-measure"
photos_at_once = {"One photo": 1, "32 photos": 32}
profiles = {(name, how): profile(network, photos.images[:batch])
            for name, network in networks.items() for how, batch in photos_at_once.items()}

# %% play=true key="roofline-picture" tags=["hide-input"]
intensity = np.geomspace(0.2, 100, 60)
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
for ax, (how, batch) in zip(axes, photos_at_once.items(), strict=True):
    for source, rate, line in (("main memory", machine.bytes_per_second, "-"),
                               ("cache", machine.cache_bytes_per_second, "--")):
        ax.loglog(intensity, np.minimum(machine.macs_per_second, intensity * rate) / 1e9, line, color="black",
                  label=f"roof, data from {source}")
    for name, colour, marker in (("ResNet8", plot.COLOURS[0], "o"), ("MobileNet", plot.COLOURS[1], "^")):
        found = [layer for layer in profiles[name, how].layers if layer.macs]
        ax.plot([batch * layer.macs / layer.moved_bytes(batch) for layer in found],
                [batch * layer.macs / layer.time_ms / 1e6 for layer in found], marker, color=colour, label=name)
    ax.set(title=f"{how} at a time", xlabel="arithmetic intensity (MACs a byte)", ylabel="billion MACs a second")
figure.suptitle("The layers of both networks under the roofs of this computer")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
plt.show()

# %% play=true key="roofline-reading" tags=["hide-input"]
for (name, how), found in profiles.items():
    moved = found.moved_bytes() / found.batch
    print(f"{name:9} {how:9}: {found.macs / found.batch / 1e6:5.1f} million MACs and {moved / 1e6:.1f} million bytes a "
          f"photo: {found.macs / found.moved_bytes():.1f} MACs a byte, "
          f"{found.macs / found.total_ms / 1e6:5.1f} billion MACs a second")

# %% [markdown] key="roofline-after"
# Here is what stands between MACs and milliseconds. Was your first guess far off? Then look for the reason here.
#
# - MobileNet has fewer MACs than ResNet8 and moves **more** bytes. Its depthwise convolutions stand far to the left,
#   where the roof is low.
# - Compare the two pictures. With one photo at a time the same layers usually stay further below the roofs: the fixed
#   cost of a call is some microseconds, and MobileNet makes more calls.
# - With more photos at a time the fixed cost is shared, and the points rise. The lowest point of each network is
#   usually its last layer: so few MACs that the fixed cost is nearly all of its time.
#
# A layer may lie above the solid roof: its data came from the cache. A point slightly above everything would mean
# that the computer was busy while we measured the roof.

# %% [markdown] key="layers"
# ## Extra: layer by layer
#
# Where does the time go? Here is each layer of ResNet8 that multiplies, for 32 photos at a time. The last column
# says which roof is above it, with its data in main memory.

# %% play=true key="layers-table" tags=["hide-input"]
found = profiles["ResNet8", "32 photos"]
rows = []
for layer in found.layers:
    moved = layer.moved_bytes(32)
    _, roof = roofline.roofline(32 * layer.macs, moved, machine.macs_per_second, machine.bytes_per_second)
    rows.append({"layer": layer.name, "kind": layer.kind, "million MACs": 32 * layer.macs / 1e6,
                 "MB moved": moved / 1e6, "ms": layer.time_ms, "roof": roof})
by_layer = pd.DataFrame(rows)
multiplying = by_layer[by_layer["million MACs"] > 0].drop(columns="kind").set_index("layer")
multiplying.style.format({"million MACs": "{:.1f}", "MB moved": "{:.2f}", "ms": "{:.3f}"})

# %% [markdown] key="layers-text"
# These layers do **all** the MACs. Do they also take all the time?

# %% play=true key="predict-rest" tags=["hide-input"]
Guess("ResNet8 in PyTorch, 32 photos at a time. What share of the time goes to everything that does not count a single "
      "MAC: batch norm, ReLU, pooling, additions?",
      lambda: round(100 * (1 - multiplying["ms"].sum() / found.total_ms)), unit="%",
      explain="They multiply next to nothing, but each of them reads its whole input and writes a whole output. That "
              "is work for the memory.")

# %% play=true key="layers-kinds" tags=["hide-input"]
kinds = by_layer.groupby("kind")[["million MACs", "MB moved", "ms"]].sum()
kinds.loc["between the layers"] = [0, np.nan, found.rest_ms]
kinds["share of time"] = kinds["ms"] / kinds["ms"].sum()
kinds["calls"] = by_layer.groupby("kind").size().reindex(kinds.index)
kinds.sort_values("ms", ascending=False).style.format(
    {"million MACs": "{:.1f}", "MB moved": "{:.1f}", "ms": "{:.3f}", "share of time": "{:.0%}", "calls": "{:.0f}"},
    na_rep="")

# %% [markdown] key="layers-after"
# A model of cost that knows only MACs is blind to all rows but two. (*Between the layers* is what no layer took: the
# additions where two paths of the network meet, and Python's own work.)
#
# That is also why a good runtime **fuses** layers: it folds batch norm into the convolution before it, and applies ReLU
# while the numbers are still in the processor. No MAC is saved, but a trip to memory and back is. PyTorch, run layer
# by layer as here, does not do that. ONNX Runtime does.

# %% [markdown] key="target"
# ## The device that counts
# *Short path*
#
# So who is right about MobileNet? That depends on where it will run. The **target device** is the one that the product
# ships on, with its runtime (the software that runs the network), its threads and its batch. A speed-up is a property
# of a network **on a device**.
#
# Why may the desktop's speed-up not appear on the phone?
#
# - Another processor has other rates. A layer that was compute bound on the old one may be memory bound on the new one.
# - Another runtime has other kernels, the routines that compute layers. What it has no good kernel for is slow.
# - A phone takes one image at a time; on the desktop somebody measured a batch of 64.
# - A phone has small caches, slow cores beside fast ones, and slows down when it gets warm.
#
# Tan and others (2019) give an example, measured on a phone: MobileNet with 575 million MACs took 113 ms; NASNet, with
# 564 million, took 183 ms. For each MAC NASNet took 1.65 times as long. The same figure for our networks comes below.
#
# We have no phone here. The nearest thing on this computer: a runtime made for shipping, **ONNX Runtime**, with one
# thread and one photo at a time. Call that the target, and PyTorch with 64 photos at a time the desktop.

# %% play=true key="target-measure"
folder, many, timed = tempfile.TemporaryDirectory(), photos.images[:64], {}
three_networks, shipped = {"ResNet8": resnet, "ResNet8, half of the channels": half, "MobileNet": mobilenet}, {}
for name, network in three_networks.items():
    shipped[name] = export(network, "onnx", f"{folder.name}/{name}.onnx", example=photo)
    batch_ms = latency(lambda network=network: network(many), warm_up=2, repeats=7, batch=64).p50_ms
    timed[name, "desktop"] = batch_ms / 64
    timed[name, "target"] = latency(lambda name=name: shipped[name](photo), warm_up=20, repeats=100).p50_ms

# %% [markdown] key="pitfall-text"
# **Pitfall: not measuring on the target device.** The switch below turns the mistake on: it adds the figure that an
# advertisement would quote, taken on the desktop. Tick it, for both networks. Would you decide differently?

# %% play=true key="pitfall-target" tags=["hide-input"]
def speed_up(network, measured_on_the_desktop):
    ratio = {place: timed["ResNet8", place] / timed[network, place] for place in ("target", "desktop")}
    figures = {"on the target": f"{ratio['target']:.2f} times as fast as ResNet8"}
    if measured_on_the_desktop:
        figures["as advertised"] = f"{ratio['desktop']:.2f} times as fast as ResNet8"
    return figures

explore(speed_up, network=["ResNet8, half of the channels", "MobileNet"], measured_on_the_desktop=False)

# %% play=true key="target-reading" tags=["hide-input"]
for name in ("ResNet8, half of the channels", "MobileNet"):
    fewer_macs = count_macs(resnet, photo) / count_macs(three_networks[name], photo)
    target, desktop = (timed["ResNet8", place] / timed[name, place] for place in ("target", "desktop"))
    print(f"{name}: {fewer_macs:.1f} times fewer MACs")
    print(f"    {desktop:.2f} times as fast on the desktop, {target:.2f} times on the target")
    print(f"    the desktop's figure is {desktop / target:.2f} times the target's")
    print(f"    for each MAC it takes {fewer_macs / target:.2f} times as long as ResNet8 on the target")

# %% [markdown] key="target-after"
# Where the desktop's figure is near 1 times the target's, the desktop was a fair witness today. Where it is not, it
# would have misled you, in either direction. And where the last figure is not near 1, the MACs mislead, too: NASNet's
# was 1.65 on that phone. You know only **because you measured on the target**.

# %% [markdown] key="measure"
# ## Measure, then judge
#
# First choose, on **validation** photos. Three candidates may take the place of ResNet8. Which of them keep the
# accuracy?

# %% play=true key="choose"
slim = recalibrate_batch_norm(shrink_channels(resnet, 1 / 8, example=photo), data.train.images[:500])
candidates = {"an eighth of the channels less": slim, "half of the channels": half, "MobileNet": mobilenet}
thousand = data.validation[:1000]
drops = {name: 100 * (accuracy(resnet, thousand) - accuracy(network, thousand))
         for name, network in candidates.items()}
chosen = min(drops, key=drops.get)
for name, drop in drops.items():
    print(f"{name}: accuracy {'falls' if drop > 0 else 'rises'} by {abs(drop):.1f} points")
print(f"chosen: {chosen}")

# %% [markdown] key="measure-text"
# Cutting channels with no training afterwards costs too much. MobileNet was trained at its size. By how much is it
# better or worse than ResNet8? A point on 1,000 photos is ten photos; do not trust it too far.
#
# Now, and only now, the **test** images: once, for the final numbers, and on the target: the file that ships, in the
# runtime that ships. The **95 % interval** says how far the accuracy may be off because these photos were drawn and not
# others.
#
# The *dense file* is the ONNX file now, so its bytes differ from those of the PyTorch file above. The *gzip file* is
# the same file, compressed.

# %% play=true key="measure-run"
test = load("cifar10").test[:2000]
before = measure(resnet, test, runner=shipped["ResNet8"], repeats=200)
after = measure(mobilenet, test, runner=shipped["MobileNet"], repeats=200)
pd.DataFrame({"ResNet8": dict(before.rows()), "MobileNet": dict(after.rows())})

# %% [markdown] key="verdict-text"
# `verdict` applies the course's rules of thumb. Good is an accuracy drop under 2 points, a file 50 % smaller, a
# latency 30 % lower. Bad is a drop over 5 points, which nothing makes up for, or no saving worth having. Between
# lies **borderline**.
#
# One rule has to be set aside here. A smaller version of a network should rarely change its mind, so many changed
# answers count against it. These two were trained apart, and each is unsure about other photos.

# %% play=true key="verdict" tags=["hide-input"]
changed = flip_rate(before.predictions, after.predictions)
judged = verdict(replace(before, predictions=None), replace(after, predictions=None))
reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
display(Markdown(f"**{judged.rating}**\n\n{reasons}\n- Set aside: the two answer differently on {changed:.0%} of the "
                 "photos."))

# %% [markdown] key="verdict-after"
# Read each reason. On the validation photos MobileNet was the better one, on the test photos ResNet8 is. Neither
# difference is large, and the intervals overlap: on so few photos that may be chance (lesson 03). The file is smaller
# by less than the rule asks for, and that is the same on every machine. What the latency says was measured on yours.
#
# Is it worth it? If the product waits for an answer, ask the latency. If it has to fit into a small memory, look at
# peak memory first: MobileNet needs more.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Not measuring on the target device.** The switch above. MACs, a desktop, another batch, another runtime: each may
#   tell another story.
# - **Counting the warm-up.** The first calls measure the preparing.
# - **Reporting the mean, or the best run.** Give median and p95.
# - **Timing something else.** Preparing the photo, copying it, printing: keep them apart from the network.
# - **Comparing unlike settings.** Same threads, same batch, same runtime, one after the other on a quiet machine.
# - **Taking MACs for time.** They are a fair guess only between layers of the same kind and size.

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

# %% graded="answer_1" points=1 section="count"
def answer_1(draw):
    inputs, outputs = draw.integer(4, 24, 4), draw.integer(8, 48, 8)
    kernel, size, images = draw.pick([1, 3, 5]), draw.pick([6, 8, 10, 12, 16]), draw.integer(2, 9)
    return draw.number(
        f"A convolution has {inputs} input channels, {outputs} output channels, kernels of {kernel} x {kernel} and a "
        f"bias. For a batch of {images} photos its output has the shape ({images}, {outputs}, {size}, {size}). How "
        "many MACs does it need for **one** photo? Write a number.",
        inputs * outputs * kernel * kernel * size * size, within=(0, 1_000_000_000), tolerance=0,
        hint="How many weights has it, without the bias, and at how many positions of one photo is each of them used?")

# %% graded="answer_2" points=1 section="roof"
def answer_2(draw):
    rate, bandwidth = draw.integer(20, 80, 10), draw.integer(4, 16, 4)
    case = draw.pick(["compute", "memory", "both"])
    moving = draw.integer(2, 9)  # ms
    multiplying = moving if case == "both" else moving * 4 if case == "compute" else max(1, moving // 2) / 2
    return draw.choice(
        f"A machine does at most {rate} billion MACs and moves at most {bandwidth} billion bytes in a second, both at "
        f"once. A layer needs {multiplying * rate:g} million MACs and has to move {moving * bandwidth:g} million "
        "bytes. What does the roofline say about its least time?",
        {"Halving its MACs halves it; halving its bytes changes nothing.": case == "compute",
         "Halving its bytes lowers it; halving its MACs changes nothing.": case == "memory",
         "Only halving both, MACs and bytes, lowers it.": case == "both"},
        never=["Halving its MACs always halves it, for MACs are the work.",
               "Halving either saves a quarter: the two times add up, and each is half of the sum."],
        hint="Work out how long multiplying takes and how long moving takes. The longer one is the least time.")

# %% graded="answer_3" points=1 section="clock"
def answer_3(draw):
    warm_up = draw.integer(2, 3)
    slow = draw.sample([131, 135, 142, 148, 157], warm_up)
    usual = draw.sample(list(range(11, 30)), 3)
    # A slow call is no warm-up because it is slow; it never comes first, or it would look like one that was forgotten.
    counted = [usual[0], *draw.sample([*usual[1:], draw.integer(70, 99)], 3)]
    low, high = sorted(counted)[1:3]
    return draw.number(
        f"Somebody times a network {warm_up + 4} times in a row: {', '.join(map(str, [*slow, *counted]))} ms. The "
        f"first {warm_up} calls are the warm-up. Which median belongs in the report? Write the number of "
        "milliseconds.",
        (low + high) / 2, within=(0, 1000), tolerance=0.01,
        hint="Leave the warm-up out first. Then put what is left in order. With an even number of calls the median "
             "lies half-way between the two in the middle.")

# %% graded="answer_4" points=1 section="clock"
def answer_4(draw):
    fault = draw.pick(["batch", "warm-up", "threads"])
    factor, repeats = draw.integer(18, 39) / 10, draw.integer(40, 200, 10)
    batch = draw.pick([32, 64, 128, 256]) if fault == "batch" else 1
    threads = draw.pick([2, 4, 8]) if fault == "threads" else 1
    left_out = "10 calls of warm-up left out"
    first = "all calls counted, from the first one after loading" if fault == "warm-up" else left_out
    return draw.choice(
        f"\"Our small network is {factor} times as fast.\" The product takes one photo at a time, on one core. It was "
        "measured on the product's own device, in its runtime:\n\n"
        "| | large network | small network |\n|---|---|---|\n"
        f"| photos at a time | {batch} | {batch} |\n| threads | 1 | {threads} |\n"
        f"| calls timed | {repeats}, {first} | {repeats}, {left_out} |\n"
        "| reported | median and p95 | median and p95 |\n\nWhat has to be put right first?",
        {"The batch: measure with as many photos at a time as the product takes.": fault == "batch",
         "The warm-up: leave the first calls out for both networks.": fault == "warm-up",
         "The threads: give both networks the number that the product has.": fault == "threads"},
        never=["The report: give the mean, which counts every call.",
               "The measure: compare MACs, which are the same on every machine."],
        hint="Read the table row by row. Where do the two columns differ from each other, or from the product?")

# %% [markdown] essay="reflect" points=3
# ## Reflect
#
# A company builds a doorbell with a camera. It tells people from cats, one picture at a time, on a small processor with
# one slow core. An engineer writes: "The new network needs 60 % fewer MACs. On my workstation, with 256 pictures at a
# time, it is 2.4 times as fast. Let us ship it."
#
# Write five to eight sentences to the engineer. Say what the figures show and what they do not, with at least two
# numbers that you measured in this lesson. Then say exactly what you want measured before the decision.
#
# === BEGIN MARK SCHEME ===
# One point each, 3 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **MACs are not time.** The answer says that fewer MACs need not mean less time, and gives a reason from the lesson:
#    memory-bound layers, layers without MACs (batch norm, ReLU), or the fixed cost of each call. It supports this with
#    a measured number, for example: half of the channels gave about 4 times fewer MACs and a smaller speed-up;
#    MobileNet has 0.46 times the MACs of ResNet8 and took a larger share of the time. Half a point without a number or
#    a reason.
# 2. **The workstation with 256 pictures is not the doorbell.** The answer names at least two differences that matter
#    (batch, threads or cores, processor and caches, runtime, heat) and says in which way they could change the figure,
#    supported by a second measured number (for example desktop against target, or throughput by batch). Half a point
#    for naming them without saying why they matter, or with no number.
# 3. **A measurement that would settle it.** On the doorbell's own device and runtime, one picture at a time, with its
#    number of threads; warm-up left out, many repeats, median and p95; both networks in the same way; accuracy, and
#    memory or file size, beside it. Half a point if the device or two of the other parts are missing.
#
# No point for a claim that contradicts the lesson (such as "2.4 times as fast, so it will be on the doorbell"): it
# cancels the point of its line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# Beat the even cut. The even cut takes an eighth of the channels of every layer. Save **at least as many MACs**, with
# no training, and keep more validation accuracy. Each group of channels below may lose a share of its own.
#
# Some groups hold a lot of MACs and mind little. Find them: change one share at a time, and look at both numbers. It is
# a step towards the capstone, the task that closes the course (lesson 10): there a device limits bytes and time.

# %% play=true key="challenge-try"
shares = {"conv": 0.125, "block1.conv1": 0.125, "block2.conv1": 0.125, "block2.conv2": 0.125,
          "block3.conv1": 0.125, "block3.conv2": 0.125}

def result_of(amounts):
    network = recalibrate_batch_norm(shrink_channels(resnet, amounts, example=photo), data.train.images[:500])
    saved = 1 - count_macs(network, photo) / count_macs(resnet, photo)
    return saved, accuracy(network, data.validation[:1000])

bar_saved, bar_right = result_of(1 / 8)
saved, right = result_of(shares)
print(f"even cut: {bar_saved:.1%} of the MACs saved, {bar_right:.1%} right")
print(f"yours:    {saved:.1%} of the MACs saved, {right:.1%} right")
print("You beat it." if saved >= bar_saved and right > bar_right else "Not yet.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result" tags=["hide-input"]
but = "but" if sooner < fewer else "and"
display(Markdown(
    f"**Half of ResNet8's channels means {fewer:.1f} times fewer MACs, {but} one photo is done {sooner:.1f} times as "
    "fast on this computer: count the work, then measure the time, on the device that counts.**"))

# %% [markdown] key="sources"
# Sources: S. Williams, A. Waterman, D. Patterson, *Roofline: An Insightful Visual Performance Model for Multicore
# Architectures*, 2009. M. Tan and others, *MnasNet: Platform-Aware Neural Architecture Search for Mobile*, 2019.
# A. Howard and others, *MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications*, 2017.
# M. Horowitz, *Computing's Energy Problem (and what we can do about it)*, 2014.

# %% [markdown] key="title"
# # 09 · Train for low bits
#
# Lesson 08 rounded trained networks to eight bits, and hardly anything was lost.
# Two bits are another matter. Each weight of a layer is then one of three values: minus a step, zero, plus a step.
# The values between the layers have four levels. The trained LeNet falls apart.
# **Can training bring it back? And is there a way to short numbers that needs no training at all?**
#
# After this lesson you can:
#
# - say why rounding stops training, and train through it with the straight-through estimator;
# - let weights share a few values with k-means, and say how many bytes that takes, all parts counted;
# - choose between rounding, training and sharing for a given device, with numbers that you measured.
#
# You need some PyTorch: tensors, a training loop, what `backward` does. Lessons 07 and 08 help with grids and scales;
# what is needed of them is said again here.
#
# **Time:** about 75 minutes: 30 to read, guess and play, 29 for the three exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 58 minutes in all, with the practice. Exercise 4
# is there, and earns points, too.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Scroll back to the top, for the end gives the
# answer away. Then read what is marked *Short path*, up to the next heading; answer the guesses there and move the
# sliders.

# %% setup=true key="setup" tags=["hide-input"]
import copy
from dataclasses import replace
from types import SimpleNamespace

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import Markdown, display
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from shrinklab import plot
from shrinklab.affine import QParams
from shrinklab.codebook import codebook_bytes, codebook_sizes, kmeans, nearest, share_weights, tune_centroids
from shrinklab.codebook.huffman import code_lengths
from shrinklab.codebook.layers import Lookup
from shrinklab.data import load
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.files import file_bytes, sparse_bytes
from shrinklab.masks import apply_masks, global_masks, sparsity
from shrinklab.measure import latency, measure, verdict
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, qat, quantize_model, quantized_bytes
from shrinklab.quantize.training import straight_through
from shrinklab.train import Recipe, fit
from shrinklab.widgets import Bars, Guess, Job, Placement, Practice, RecallCards, explore, low_bits_explorer

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## How few bits can a network live on?
# *Short path*
#
# A grid of `b` bits has 2 to the power of `b` values, or one fewer where it is symmetric. Rounding moves each number
# to the nearest of them. Here LeNet is rounded to 8, 4, 3 and 2 bits, with no training.

# %% key="load"
data = load("mnist")
model = pretrained("lenet")
images = data.validation[:1000]  # images that no training has seen

# %% play=true key="rounded" tags=["hide-input"]
def round_to(bits, values):
    """LeNet with so many bits for its weights and for the values between its layers; no training."""
    scheme = Scheme(bits, values, per_channel=False, observer="mse", weight_observer="mse")
    return quantize_model(model, data.train.images[:128], scheme)


float_right = accuracy(model, images)
print(f"float32: {float_right:.1%} of {len(images):,} validation images right")
rounded_right = {}
for bits in (8, 4, 3, 2):
    small = round_to(bits, bits)
    rounded_right[bits] = accuracy(small, images)
    print(f"{bits} bits:  {rounded_right[bits]:.1%} right, {quantized_bytes(small):,} bytes")

# %% [markdown] key="why-question"
# Eight bits cost nothing, four and three bits little. At two bits the network breaks, although its grids were chosen
# with care. What is left is to change the weights, so that they bear the rounding.
#
# **Quantization-aware training**, QAT for short, does that. It trains on with the rounding switched on.
# The next cell trains the network at several widths, each for two passes over 3,000 images. The sections below explain
# how.

# %% play=true key="train"
few = SimpleNamespace(train=data.train[:3000], validation=images)
recipe = Recipe(epochs=2, learning_rate=0.005, weight_decay=0.0)
trained = {("all", bits): qat(round_to(bits, bits), model, few, recipe, progress=False) for bits in (2, 3, 4, 8)}
trained["weights", 2] = qat(round_to(2, 8), model, few, recipe, progress=False)
trained["codebook", 2] = tune_centroids(share_weights(model, 2), few, recipe, progress=False)
print(f"{len(trained)} networks trained")

# %% play=true key="predict-two" tags=["hide-input"]
Guess("Rounded to two bits, LeNet lost more than a third of its right answers. Then it was trained with the rounding "
      "switched on, for two passes over 3,000 images. How many per cent does it read right now?",
      lambda: 100 * accuracy(trained["all", 2], images), unit="%",
      explain="Every weight is still one of three values. But now it is one of three values that was chosen together "
              "with all the others.")

# %% [markdown] key="play-text"
# Now play. Each move makes LeNet small again, writes its file and runs the 1,000 images. There are three ways:
#
# - *shared values (codebook)*: each layer has a small table, and each weight is one of its values;
# - *even grid, weights*: the weights lie on a grid; the values between the layers keep 8 bits;
# - *even grid, everything*: those values have the bits of the slider, too.
#
# Find out:
#
# 1. At which width does each way begin to lose? Which one holds out longest with no training?
# 2. Look at the number line at 3 bits. Where do the shared values lie, where the points of the grid?
# 3. Set 2 bits. What does training bring, for each of the three ways?
# 4. Which part of the file shrinks with the bits? Which does not?

# %% play=true key="play"
low_bits_explorer(model, images, trained=trained)

# %% [markdown] key="play-after"
# What to look for:
#
# - Rounding everything to two bits breaks the network, and training mends most of it. With the weights alone on the
#   grid far less is lost: most of the harm is done by the values between the layers.
# - The shared values lie closer together where the weights are many. An even grid cannot do that.
# - With no training, the shared values hold out longest. There is a catch: only the **file** is small.
# - The part for the weights shrinks with each bit. Biases and header stay.

# %% [markdown] key="train-one"
# ### Extra: train one yourself
#
# Training takes too long for a slider, so it hangs on a button. Set bits and passes, press, and watch. You may cancel.

# %% play=true key="train-now"
bits_now = ipywidgets.IntSlider(value=3, min=2, max=8, description="bits")
passes = ipywidgets.IntSlider(value=3, min=1, max=10, description="passes")

def train_now(report):
    epochs, start = passes.value, round_to(bits_now.value, bits_now.value)
    report(0, epochs, "training")
    after = qat(start, model, few, replace(recipe, epochs=epochs), progress=False,
                on_epoch=lambda record: report(record["epoch"], epochs, "training"))
    shares = [float_right, accuracy(start, images), accuracy(after, images)]
    return {"headline": f"{start.scheme.weight_bits} bits: {shares[1]:.1%} right before, {shares[2]:.1%} after",
            "bars": {"labels": ["float32", "before", "after"], "values": shares, "unit": "%"}}

button = Job("Train now", train_now, [Bars("bars", "Images right", x="share of the images", x_max=1.0)])
ipywidgets.VBox([bits_now, passes, button])

# %% [markdown] key="slope"
# ## Rounding has no slope
#
# Training asks one question of each weight: if you moved a little, would the loss fall? The answer is the derivative.
# A rounded weight answers: if I move a little, nothing happens at all.
#
# Take a network of a single weight. It is rounded, and its output should be 1.

# %% key="toy-gradient"
weight = torch.tensor(0.25, requires_grad=True)
loss = (weight.round() - 1) ** 2
loss.backward()
print(f"rounded: {weight.round().item():.0f}, loss: {loss.item():.0f}, gradient: {weight.grad.item():.0f}")

# %% [markdown] key="toy-text"
# The loss is 1, so there is much to gain. The gradient is 0, so training sees nothing to gain.
# Rounding is a staircase. On each step it is flat, and its slope is 0. At the edges it jumps and has no slope.

# %% play=true key="predict-stuck" tags=["hide-input"]
def plain_descent():
    at = torch.tensor(0.25, requires_grad=True)
    for _ in range(20):
        gradient, = torch.autograd.grad((at.round() - 1) ** 2, at)
        at = (at - 0.05 * gradient).detach().requires_grad_()
    return round(at.item(), 2)

Guess("The weight starts at 0.25 and takes 20 steps of 0.05 times its gradient. Where is it then?", plain_descent,
      explain="Each gradient is 0, so each step is 0. Waiting longer does not help: the weight is stuck.")

# %% [markdown] key="ste-idea"
# The way out is a useful lie. Forwards, round. Backwards, act as if nothing had been rounded: let the gradient pass
# as it is. This is the **straight-through estimator**, STE for short (named in Bengio and others, 2013, who give the
# idea to a lecture of Geoffrey Hinton). An estimator, since the gradient that comes through is not the true one. It is
# a guess at the direction.
#
# A grid also ends somewhere. Beyond its ends the value is clipped. There a small move really changes nothing,
# and the estimator lets no gradient through.

# %% play=true key="toy-ste"
target, at, path = 1.0, 0.25, []
for step in range(6):
    rounded = round(at)
    passed = 2 * (rounded - target)  # the derivative of the loss for the ROUNDED weight, passed straight through
    path.append((at, rounded, (rounded - target) ** 2))
    print(f"step {step}: weight {at:.2f}, rounded {rounded}, loss {path[-1][2]:.0f}, gradient passed {passed:+.0f}")
    at -= 0.05 * passed

# %% [markdown] key="toy-after"
# The float weight keeps what it has gained, step by step, until the rounded one jumps from 0 to 1.
# So training needs **two** weights: the float one, which remembers small moves, and the rounded one, which is used.
# The float one is called the **latent weight**. When training is over, only the rounded one is kept.

# %% play=true key="ste-picture" tags=["hide-input"]
x = torch.linspace(-2.2, 2.2, 1201)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(x, x.round().clamp(-1, 1), color=plot.COLOURS[0], label="forwards: rounded, slope 0")
left.plot(x, x.clamp(-1, 1), "--", color=plot.COLOURS[1], label="backwards: the slope of this line")
left.set(title="What the estimator pretends (grid -1, 0, 1)", xlabel="weight, in steps of the grid",
         ylabel="value after rounding, in steps")
left.set_ylim(-1.2, 1.9)
left.legend(fontsize="small", loc="upper left")
right.plot(x, (x.round() - 1) ** 2, color=plot.COLOURS[0], label="loss")
right.plot(*zip(*[(at, loss) for at, _, loss in path], strict=True), "o--", color=plot.COLOURS[1],
           label="path with the estimator")
right.plot([0.25], [1], "s", color=plot.COLOURS[6], label="stuck without it")
right.set(title="The loss of the one weight", xlabel="weight", ylabel="loss", xlim=(-0.6, 1.6), ylim=(-0.3, 4.3),
          xticks=[-0.5, 0, 0.5, 1, 1.5])
right.legend(fontsize="small")
plt.show()

# %% [markdown] key="toy-cost"
# The lie has a price. Ask for 0.6, which is no value of the grid. At 0 the estimator says *up*, at 1 it says *down*.
# The weight then swings back and forth about the edge for ever. Networks do the same with many weights at once.
# That is why the steps must become small towards the end of the training.

# %% play=true key="toy-swing"
target, at, seen = 0.6, 0.25, []
for _ in range(16):
    seen.append(round(at))
    at -= 0.05 * 2 * (round(at) - target)
print("rounded weight, step by step:", seen)

# %% [markdown] key="exercise-1"
# ### Exercise 1: round forwards, pass backwards
#
# Write `round_ste(x, gradient, low, high)`. It returns **two** tensors:
#
# 1. what goes forwards: `x` rounded to whole numbers, then clipped to `low` and `high`;
# 2. what goes backwards: `gradient` where `x` lies from `low` to `high`, both ends included, and 0 beyond.
#
# Worked value: `x = [0.3, 1.7, -2.6]`, `gradient = [5., 6., 7.]`, `low = -1`, `high = 1` give
# `[0., 1., -1.]` and `[5., 0., 0.]`.
#
# `x` is counted in steps of the grid, so the whole numbers are the points of the grid.

# %% exercise="round_ste"
def round_ste(x, gradient, low, high):
    """The straight-through estimator: values forwards, gradient backwards.

    x and gradient: the same shape -> two tensors of that shape, rounded and passed.
    """
    ### BEGIN SOLUTION
    rounded = x.round().clamp(low, high)
    inside = (x >= low) & (x <= high)
    return rounded, gradient * inside
    ### END SOLUTION


# %% check="round_ste" points=4 library=["RoundedGrid", "straight_through"]
near, pulls = torch.tensor([-0.6, 0.3, 0.8]), torch.tensor([5.0, -2.0, 0.5])
both = student("round_ste", near, pulls, -1, 1)
expect(both[0], [-1.0, 0.0, 1.0], id="rounded",
       hint="The first of the two tensors is x rounded to whole numbers: 0.3 becomes 0, 0.8 becomes 1. "
            "Rounded x itself, not the gradient, and both returned as a pair.")
expect(both[1], [5.0, -2.0, 0.5], id="passed", needs="rounded",
       hint="Inside the range the gradient passes as it is: not times x, not times the rounded "
            "value, not times the slope of rounding, and not with its sign turned.")
far = torch.tensor([1.7, -2.6, 0.2])
expect(student("round_ste", far, pulls, -1, 1)[0], [1.0, -1.0, 0.0], id="clipped", needs="rounded",
       hint="The grid ends at low and high: 1.7 becomes 1 and -2.6 becomes -1.")
turned = [student("round_ste", far, sign * pulls, -1, 1)[1] for sign in (1, -1)]
expect(turned, [[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]], id="beyond", needs="passed",
       hint="1.7 and -2.6 lie beyond the range, one at either end. Moving them a little changes nothing, so no "
            "gradient gets through, large or small, of either sign.")
edge = torch.tensor([1.4, -1.4, 0.9])
expect(student("round_ste", edge, pulls, -1, 1)[1], [0.0, 0.0, 0.5], id="before-rounding", needs="beyond",
       hint="1.4 rounds to 1 but lies beyond the range. Compare x itself with low and high, "
            "not the rounded or the clipped value.")
ends = torch.tensor([1.0, -1.0, 0.0])
expect(student("round_ste", ends, pulls, -1, 1)[1], [5.0, -2.0, 0.5], id="ends", needs="beyond",
       hint="The ends belong to the range: at exactly low and high the gradient passes.")
other = torch.tensor([2.6, 3.4, -0.2])
expect(student("round_ste", other, pulls, 0, 3), [[3.0, 3.0, 0.0], [5.0, 0.0, 0.0]], id="range", needs="passed",
       hint="Here the grid goes from 0 to 3. Use the arguments low and high, each by itself: a range "
            "need not lie evenly around 0.")
halves = torch.tensor([0.5, 1.5, 2.5])
expect(student("round_ste", halves, pulls, -7, 7)[0], [0.0, 2.0, 2.0], id="halves", needs="rounded",
       hint="Round as torch.round does, halves to the even neighbour, for 1.5 and 2.5 both "
            "become 2. int() and floor() don't round to the nearest.")
expect(both[0], [-1.0, 0.0, 1.0], dtype="float32", id="float", needs="rounded",
       hint="The numbers are right, the type is not: return tensors of x's type, float32, and no lists. The layer "
            "multiplies them by a scale.")
call = student_call("round_ste", far, pulls, -1, 1)
expect(call.arguments[:2], [[1.7, -2.6, 0.2], [5.0, -2.0, 0.5]], id="unchanged", needs="beyond",
       hint="Your function changed what it was given. The latent weights must stay floats: "
            "methods that end in _ and writing into gradient[...] work in place.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

draws = fresh()
kernel, slopes = torch.randn(4, 2, 3, 3, generator=draws) * 3, torch.randn(4, 2, 3, 3, generator=draws)
expect(student("round_ste", kernel, slopes, -3, 3),
       [kernel.round().clip(-3, 3), slopes.where(kernel.abs() <= 3, 0.0)], id="kernel", needs="beyond",
       hint="It must work for any shape, a convolution's four dimensions too.")
### END HIDDEN TESTS

# %% [markdown] key="ste-quick"
# **Going further.** PyTorch's own `torch.fake_quantize_per_tensor_affine` lets the gradient pass up to half a step
# beyond the ends. Write a function with that rule, and train LeNet with it below. Does it help or harm?

# %% [markdown] key="use-text"
# ### Your own function at work
#
# Two short methods make it part of PyTorch: `forward` returns your rounded values, `backward` your gradient.
# `functional_call` runs a network with other weights in place of its own.
#
# The grid here is the worst one of lesson 08: its ends are the smallest and the largest weight. With two bits nearly
# every weight is then rounded to 0. Your function trains LeNet on it, 60 steps of 64 images.

# %% play=true key="own-rounding"
def library_ste(x, gradient, low, high):
    x = x.clone().requires_grad_()
    rounded = straight_through(x, QParams(torch.tensor(1.0), torch.tensor(0), low, high))
    return rounded.detach(), torch.autograd.grad(rounded, x, gradient)[0]

own_ste = use("round_ste", otherwise=library_ste)

@torch.enable_grad()  # some ways to write round_ste use autograd
def both_ways(x, gradient):
    return [tensor.detach() for tensor in own_ste(x.detach(), gradient, -1, 1)]

class Rounding(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return both_ways(x, torch.zeros_like(x))[0]

    @staticmethod
    def backward(ctx, gradient):
        return both_ways(*ctx.saved_tensors, gradient)[1]

# %% play=true key="own-training" tags=["hide-input"]
grids = quantize_model(model, scheme=Scheme(2, None, per_channel=False)).layers
scales = {f"{name}.weight": layer.weight_grid.scale for name, layer in grids.items()}

def on_grid(floats, rounding):
    return floats | {name: rounding(floats[name] / scale) * scale for name, scale in scales.items()}

def train_rounded(rounding, steps=60):
    floats = {name: parameter.detach().clone().requires_grad_() for name, parameter in model.named_parameters()}
    for step in range(steps):
        rows = slice(64 * step, 64 * step + 64)
        logits = functional_call(model, on_grid(floats, rounding), (data.train.images[rows],))
        loss = cross_entropy(logits, data.train.labels[rows])
        gradients = torch.autograd.grad(loss, [floats[name] for name in scales])
        for name, gradient in zip(scales, gradients, strict=True):
            floats[name].data -= 0.05 * gradient
    return floats

def right_with(weights):
    return accuracy(lambda batch: functional_call(model, weights, (batch,)), images)

# %% play=true key="own-result" tags=["hide-input"]
def no_slope(x):
    return x.round().clamp(-1, 1)

start = dict(model.named_parameters())
print(f"three values, no training:       {right_with(on_grid(start, no_slope)):.1%} right")
print(f"60 steps, PyTorch's round alone: {right_with(on_grid(train_rounded(no_slope), no_slope)):.1%} right")
latent = train_rounded(Rounding.apply)
print(f"60 steps, straight through:      {right_with(on_grid(latent, no_slope)):.1%} right")

# %% [markdown] key="own-after"
# PyTorch's `round` alone changes not a single answer: its gradient is 0 everywhere. With the estimator, seconds of
# training on the worst grid bring most of the digits back.

# %% [markdown] key="debug-text"
# ### Debug: training that walks uphill
#
# In PyTorch the estimator is often written in one line, with `detach`. What is detached counts forwards and has no
# slope backwards. So `value + (rounded - value).detach()` is worth `rounded` and has the slope of `value`.
#
# The function below should give the same two tensors as `round_ste`. The rounded values are right. Trained with it, a
# network gets worse from step to step. Mend it.
#
# Worked value: `x = [0.3, 1.7]`, `gradient = [5., 6.]`, `low = -1`, `high = 1` give `[0., 1.]` and `[5., 0.]`.

# %% debug="detached_round"
def detached_round(x, gradient, low, high):
    """The straight-through estimator by autograd.

    x and gradient: the same shape -> two tensors of that shape, rounded and passed.
    """
    x = x.clone().requires_grad_()
    clipped = x.clamp(low, high)
    ### BEGIN FAULTY
    # rounded = clipped.detach() + (clipped.round() - clipped)
    ### END FAULTY
    ### BEGIN SOLUTION
    rounded = clipped + (clipped.round() - clipped).detach()
    ### END SOLUTION
    rounded.backward(gradient)
    return rounded.detach(), x.grad


# %% check="detached_round" points=2 library=["RoundedGrid", "straight_through"]
inner, upstream = torch.tensor([0.3, -0.8, 0.6]), torch.tensor([5.0, -2.0, 3.0])
expect(student("detached_round", inner, upstream, -1, 1)[0], [0.0, -1.0, 1.0], id="rounded",
       hint="Forwards the value must be the rounded one. What you add and take away has to cancel, "
            "so that only round remains. And something must keep its slope, or backward has no way.")
expect(student("detached_round", inner, upstream, -1, 1)[1], [5.0, -2.0, 3.0], id="inside",
       hint="Backwards the gradient should pass as it is, for either sign. Which of the terms has a slope, "
            "and which is detached? The slope of -clipped is -1.")
outer = torch.tensor([1.7, -2.6, 0.2])
expect(student("detached_round", outer, upstream, -1, 1)[0], [1.0, -1.0, 0.0], id="clipped",
       hint="Beyond the range the value is clipped: 1.7 becomes 1. Keep the clamp as it was.")
expect(student("detached_round", outer, upstream, -1, 1)[1], [0.0, 0.0, 3.0], id="beyond",
       hint="Beyond the range no gradient gets through. It has to come through clipped, whose slope is 0 there, "
            "and not through x.")
expect(student("detached_round", torch.tensor([1.0, -1.0, 0.5]), upstream, -1, 1)[1], [5.0, -2.0, 3.0], id="ends",
       hint="The ends belong to the range, as in round_ste: at exactly low and high the gradient passes. clamp does "
            "it that way.")
expect(student_call("detached_round", inner, upstream, -1, 1).arguments[0], inner, id="unchanged",
       hint="Your function changed the weights that it was given. Keep the clone, and write "
            "nothing in place.")
### BEGIN HIDDEN TESTS
block = torch.tensor([[0.4, 3.2], [-0.4, 2.6]])
expect(student("detached_round", block, torch.full((2, 2), -0.5), 0, 3),
       [[[0.0, 3.0], [0.0, 3.0]], [[-0.5, 0.0], [0.0, -0.5]]], id="range",
       hint="Another range, from 0 to 3, and another shape: use low and high as they were used.")
### END HIDDEN TESTS

# %% [markdown] key="qat"
# ## Train with the rounding switched on
#
# `qat` does this for a whole network. In each forward pass it rounds the weights and the values between the layers.
# In each backward pass the estimator lets the gradient through to the latent weights. At the end it keeps the integers.
#
# One thing is new: the **scale**, the width of a grid's step. There are two ways to choose it.
#
# - An **observed scale** follows the weights: in each pass the grid is laid anew over them.
# - A **learned scale** is trained like a weight (LSQ, Esser and others, 2020). It is the default of `qat`.

# %% [markdown] key="scale-slope"
# ### Extra: how does a scale learn?
#
# How can a scale have a gradient? Write `x` in steps, `v = x / scale`. The rounded value is `round(v) * scale`.
# The scale stands in it twice. As a factor it brings the derivative `round(v)`. In `v` it brings `-v`: a wider step
# makes `v` smaller, and the estimator lets that through. Together `round(v) - v`.
# Beyond the grid nothing passes through the rounding. The factor is left, which is the grid's end.

# %% key="tiny-scale"
for x in (0.15, 0.4, 0.9):
    scale = torch.tensor(0.5, requires_grad=True)
    rounded = straight_through(torch.tensor(x), QParams(scale, torch.tensor(0), -1, 1))
    rounded.backward()
    print(f"x = {x:.2f} is {x / 0.5:.1f} steps, becomes {rounded.item():.1f}; "
          f"pull on the scale {scale.grad.item():+.1f}")

# %% [markdown] key="tiny-scale-after"
# 0.3 steps are rounded down to 0: a pull of 0 - 0.3. 0.8 steps are rounded up to 1: a pull of 1 - 0.8.
# 1.8 steps are clipped to 1, and pull with the grid's end, 1. Each counts times the gradient that comes from above.
# So all values of a layer have a say, and the scale goes where the loss falls.

# %% [markdown] key="scales-text"
# ### Two kinds of scales, measured

# %% play=true key="scales-run"
observed = qat(round_to(2, 2), model, few, recipe, scales="observed", progress=False)
for name, network in (("learned scales", trained["all", 2]), ("observed scales", observed)):
    print(f"2 bits, {name}: {accuracy(network, data.validation):.1%} of {len(data.validation):,} validation images")

# %% [markdown] key="scales-after"
# On this small network the two lie within a point or so of each other.

# %% play=true key="predict-eight" tags=["hide-input"]
Guess("At which of these widths did training gain less than one point, or nothing?",
      lambda: ", ".join(f"{bits} bits" for bits in (2, 3, 4, 8)
                        if accuracy(trained["all", bits], images) - rounded_right[bits] < 0.01),
      choices=["8 bits", "4 bits, 8 bits", "3 bits, 4 bits, 8 bits", "2 bits"],
      explain="Training can only give back what rounding took. Where rounding takes nothing, nothing is to be had.")

# %% play=true key="qat-curve" tags=["hide-input"]
rows = []
for bits in (2, 3, 4, 8):
    rows.append({"network": "rounded", "bits": bits, "accuracy": rounded_right[bits]})
    rows.append({"network": "rounded, then trained", "bits": bits, "accuracy": accuracy(trained["all", bits], images)})
curve = pd.DataFrame(rows)
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, curve, "bits", "accuracy", by="network")
ax.axhline(float_right, color="black", linestyle=":", label="float32")
ax.set(title=f"LeNet before and after QAT, {len(images):,} validation images",
       xlabel="bits of weights and of values between layers", xticks=[2, 3, 4, 8])
ax.legend()
plt.show()

# %% play=true key="qat-reading" tags=["hide-input"]
table = curve.pivot(index="bits", columns="network", values="accuracy")
for bits, row in table.iterrows():
    gain = 100 * (row["rounded, then trained"] - row["rounded"])
    print(f"{bits} bits: {row['rounded']:.1%} rounded, {row['rounded, then trained']:.1%} trained, "
          f"gain {gain:+.1f} points")

# %% [markdown] key="qat-paper"
# Esser and others report for ImageNet, a far harder task, and learned scales: networks of 3 bits that reach the float
# ones, and ResNet-18 with 67.6 % at 2 bits. LeNet's column "trained" has the same shape: hardly a loss down to 3 bits,
# more at 2.

# %% [markdown] key="control-text"
# ### Extra: is it the rounding, or the training alone?
#
# QAT trained for two passes. Perhaps any two passes would have helped. The **control** is the same training with no
# rounding in it, and rounding at the end.

# %% play=true key="control"
longer = copy.deepcopy(model)
fit(longer, few, recipe, progress=False)
scheme = Scheme(2, 2, per_channel=False, observer="mse", weight_observer="mse")
afterwards = quantize_model(longer, data.train.images[:128], scheme)
print(f"rounded, no training:            {rounded_right[2]:.1%} right")
print(f"trained as long, rounded after:  {accuracy(afterwards, images):.1%} right")
print(f"trained with the rounding on:    {accuracy(trained['all', 2], images):.1%} right")

# %% [markdown] key="control-after"
# Training alone does little beside that. It is the rounding in the forward pass that makes the difference.
#
# **Pitfall: measuring the latent weights.** During QAT two networks exist: the latent float one, and the rounded one
# that you ship. It is tempting to measure the first, as it lies there as an ordinary network. The switch below does
# that with the weights that your own function trained. Tick it, and compare.

# %% play=true key="pitfall-latent"
def report_accuracy(measure_the_latent_weights):
    figures = {"shipped: rounded": f"{right_with(on_grid(latent, no_slope)):.1%}"}
    if measure_the_latent_weights:
        figures["never shipped: latent"] = f"{right_with(latent):.1%}"
    return figures

explore(report_accuracy, measure_the_latent_weights=False)

# %% [markdown] key="pitfall-latent-after"
# The latent network reads more digits. Nobody will ever run it.

# %% [markdown] key="resnet-given"
# **A harder task, given.** ResNet8 on CIFAR-10 takes half an hour to train, so here are figures that were measured
# once, on 2026-11-25, on all 10,000 test photos (`benchmarks/results/low_bits.md`). Weights and values had 4 bits,
# the first and the last layer 8. Rounded: 80.4 %. After 16 epochs of QAT towards the float network's answers
# (distillation, lesson 05): 87.4 %. The float network: 88.1 %.
# The aim was to lose at most 1.0 point. Training won back 7.0 of 7.7 points, so 0.7 are left. A shorter training on a
# fifth of the photos had won back 6.4, and missed the aim.

# %% [markdown] key="share"
# ## Let weights share values
#
# A grid is even, and weights are not: most lie near 0, few far out. Why not put the values where the weights are?
#
# In **weight sharing** each layer has a small table of values, its **codebook**. A value of it is called a
# **centroid**. Each weight stores only the place of its centroid, the **index**. Four weights and two centroids show
# it.

# %% key="tiny-share"
tiny = torch.tensor([0.0, 1.0, 9.0, 11.0])
centroids = torch.tensor([2.0, 8.0])
distances = (tiny[:, None] - centroids).abs()
print("distances to 2 and 8:", distances.tolist())
print("nearest centroid of each weight:", distances.argmin(1).tolist())
print("means of the two groups:", tiny[:2].mean().item(), "and", tiny[2:].mean().item())

# %% [markdown] key="kmeans-idea"
# This was one step of **k-means** (Lloyd, 1982). It goes on in the same two moves until nothing changes:
#
# 1. give each weight to the nearest centroid;
# 2. put each centroid at the mean of its weights.
#
# Neither move can make the sum of the squared distances larger. So it comes to rest, at a good place though not always
# the best. Han and others (2016) start with centroids spread evenly from the smallest weight to the largest. So the few
# large weights, which matter most, have one near them.

# %% [markdown] key="exercise-2"
# ### Exercise 2: one step of k-means
#
# Write `share_step(weights, centroids)`. It returns two tensors:
#
# 1. `indices`, whole numbers in the shape of `weights`: the place of the nearest centroid, the earlier place in a tie;
# 2. the new centroids: each the mean of the weights that chose it. One that no weight chose stays where it is.
#
# Worked value: weights `[0., 1., 9., 11.]` and centroids `[2., 8.]` give `[0, 0, 1, 1]` and `[0.5, 10.]`.
#
# A loop over the centroids is fine. A loop over the weights is too slow for the slider below: `fc1` has 48,000.

# %% exercise="share_step"
def share_step(weights, centroids):
    """One step of k-means.

    weights: any shape; centroids: (K,) -> indices of weights' shape, new centroids (K,).
    """
    ### BEGIN SOLUTION
    indices = (weights.unsqueeze(-1) - centroids).abs().argmin(-1)
    moved = centroids.clone()
    for place in indices.unique():
        moved[place] = weights[indices == place].mean()
    return indices, moved
    ### END SOLUTION


# %% check="share_step" points=4 library=["_lloyd", "kmeans", "nearest", "share_weights"]
five, two = torch.tensor([0.0, 1.0, 5.0, 9.0, 11.0]), torch.tensor([3.0, 8.0])
pair = student("share_step", five, two)
expect(pair[0], [0, 0, 0, 1, 1], id="nearest",
       hint="0, 1 and 5 are nearer to 3, the centroid at place 0; 9 and 11 to 8, at place 1. Distances have no "
            "sign, and the first tensor holds places, not values.")
expect(pair[1], [2.0, 10.0], id="mean", needs="nearest",
       hint="Each centroid moves to the mean of its own weights: (0 + 1 + 5) / 3 and (9 + 11) / 2. All the way, "
            "and to their mean, not their middle or their sum.")
between = student("share_step", torch.tensor([1.0, 5.0, 7.0]), torch.tensor([0.0, 2.0, 8.0]))
expect(between[0], [0, 1, 2], id="tie", needs="nearest",
       hint="1 is as near to 0 as to 2, and 5 as near to 2 as to 8: take the earlier place, as argmin does. 7 is "
            "nearest to 8, at place 2: there may be more than two centroids.")
swapped = student("share_step", five, two.flip(0))
expect(swapped, [[1, 1, 1, 0, 0], [10.0, 2.0]], id="order", needs="mean",
       hint="Centroids come in any order, and each keeps its place. Here 8 has place 0 and 3 has place 1.")
lonely = student("share_step", torch.tensor([0.0, 1.0]), torch.tensor([0.5, 50.0]))
expect(lonely[1], [0.5, 50.0], id="empty", needs="mean",
       hint="No weight chose 50. It stays: the mean of nothing is not a number, and 0 would be a "
            "new centroid.")
one_step = student("share_step", torch.tensor([0.0, 1.0, 2.0, 9.0]), torch.tensor([0.0, 1.0]))
expect(one_step, [[0, 1, 1, 1], [0.0, 4.0]], id="one-step", needs="mean",
       hint="One step only: give out the weights to the OLD centroids, then move these once. The caller goes on.")
rows = student("share_step", torch.tensor([[0.0, 9.0], [11.0, 1.0], [2.0, 0.0]]), two)
expect(rows[0], [[0, 1], [1, 0], [0, 0]], id="shape", needs="nearest",
       hint="The indices have the shape of the weights, and all weights share the same centroids.")
expect(isinstance(pair[0], torch.Tensor) and not pair[0].is_floating_point(), id="whole", needs="nearest",
       hint="The places are right, the type is not: indices are a tensor of whole numbers, as argmin gives them.")
expect(isinstance(pair[1], torch.Tensor), id="tensor", needs="mean",
       hint="The means are right, the type is not: the new centroids are a tensor, too. torch.stack or torch.tensor "
            "makes one of a list.")
kept = student_call("share_step", five, two)
expect(kept.arguments, [[0.0, 1.0, 5.0, 9.0, 11.0], [3.0, 8.0]], id="unchanged", needs="mean",
       hint="Your function changed the centroids or the weights that it was given. Write into a copy: clone().")
### BEGIN HIDDEN TESTS
layer = pretrained("lenet").conv2.weight.detach()
spread = torch.linspace(-0.31, 0.37, 9)
shared = student("share_step", layer, spread)
expect(shared[0], nearest(layer, spread), id="lenet-indices", needs="nearest",
       hint="On LeNet's conv2 and nine centroids your indices differ from the library's.")
counts = torch.bincount(nearest(layer, spread).flatten(), minlength=9)
sums = torch.bincount(nearest(layer, spread).flatten(), layer.flatten().double(), minlength=9)
expect(shared[1], torch.where(counts > 0, sums / counts.clip(1), spread.double()), id="lenet-means",
       needs="mean", rtol=1e-4, hint="On LeNet's conv2 a centroid is not the mean of its weights.")
### END HIDDEN TESTS

# %% [markdown] key="share-quick"
# **Going further.** Start with centroids at random weights, and run the step to its end from ten such starts. How much
# does the sum of squared distances differ? Does the best start also read the most digits?

# %% [markdown] key="use-share-text"
# ### Your step at work
#
# The next cell shares the weights of all five layers. Your step runs ten times for each.

# %% play=true key="own-codebook"
own_step = use("share_step", otherwise=None)

def codebook_of(weight, clusters):
    if own_step is None:
        return kmeans(weight, clusters)
    centroids = torch.linspace(weight.min().item(), weight.max().item(), clusters)
    for _ in range(10):
        indices, centroids = own_step(weight, centroids)
    return centroids, indices

def shared_copy(clusters):
    shared = copy.deepcopy(model)
    for name in ("conv1", "conv2", "fc1", "fc2", "fc3"):
        weight = shared.get_submodule(name).weight.data
        centroids, indices = codebook_of(weight, clusters)
        weight.copy_(centroids[indices.long()])
    return shared

# %% play=true key="predict-three" tags=["hide-input"]
Guess("Each layer of LeNet keeps three different weights, chosen by k-means, as many as the symmetric grid of two bits "
      "has. No training. How many per cent of the 1,000 images does it read right?",
      lambda: 100 * accuracy(shared_copy(3), images), unit="%",
      explain="With only three values the places matter less than one might think. The slider shows what a fourth "
              "brings.")

# %% [markdown] key="own-slider-text"
# The slider counts the clusters, that is the different values of a layer. Go down to 2.

# %% play=true key="own-slider"
clusters = ipywidgets.IntSlider(value=16, min=2, max=16, description="clusters")
result = ipywidgets.Label()

def show(change=None):
    result.value = f"{clusters.value} values a layer: {accuracy(shared_copy(clusters.value), images):.1%} right"

clusters.observe(show, "value")
show()
ipywidgets.VBox([clusters, result])

# %% [markdown] key="share-after"
# Long before the digits go, the weights are down to a handful of values. At two bits the codebook beats the grid. Is it
# because its values lie where the weights are? Or because it has four, where a symmetric grid has three? The control
# gives both three.

# %% play=true key="share-control"
for name, network in (("grid of two bits, three values", round_to(2, 8)), ("codebook, three values", shared_copy(3)),
                      ("codebook of two bits, four values", shared_copy(4))):
    print(f"{name}: {accuracy(network, images):.1%} of {len(images):,} images right")

# %% [markdown] key="share-control-after"
# With three values each, the two lie close together. So at two bits most of the lead is the fourth value, which a
# symmetric grid gives away. The picture shows what it is used for: two of the four lie close to 0, where most weights
# are. Do the same at three bits: seven clusters beside `round_to(3, 8)`.

# %% play=true key="share-picture" tags=["hide-input"]
weight = model.fc1.weight.detach()
steps = round_to(2, 8).layers["fc1"].weight_grid.qparams
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.hist(weight.flatten().numpy(), bins=80, color="#BBBBBB")
points = torch.tensor([-1, 0, 1]) * steps.scale
for values, colour, style, name in ((kmeans(weight, 4)[0], plot.COLOURS[0], "-", "codebook: four centroids"),
                                    (points, plot.COLOURS[1], "--", "grid: three points")):
    for place, value in enumerate(values.tolist()):
        ax.axvline(value, color=colour, linestyle=style, label=name if place == 0 else None)
ax.set(title="fc1 in two bits: where the values lie", xlabel="weight", ylabel="number of weights", xlim=(-0.22, 0.22))
ax.legend(loc="upper left", fontsize="small")
plt.show()

# %% [markdown] key="size"
# ## What a codebook really weighs
#
# Two bits instead of 32: sixteen times smaller. Is it? A file needs everything that is needed to read it:
#
# - the **indices**, `b` bits for each weight, packed without gaps;
# - the **table** of each layer, 4 bytes for each centroid;
# - biases, and a header with names and shapes.

# %% [markdown] key="exercise-3"
# ### Exercise 3: the bytes of a shared layer
#
# Write `shared_bytes(weight, clusters)`: the bytes of a layer's indices and of its table.
#
# - Each index takes the smallest whole number of bits that can tell `clusters` values apart: 1 bit for 2, 2 for 3 or 4,
#   3 for 5 to 8, and so on.
# - The indices are packed one after the other, and the last byte is filled up.
# - Each centroid takes 4 bytes (float32), whatever the type of the weights.
#
# Worked value: ten weights and 4 clusters. 10 × 2 bits are 20 bits, so 3 bytes; the table has 16; together 19.

# %% exercise="shared_bytes"
def shared_bytes(weight, clusters):
    """Bytes of a layer's packed indices and of its table.

    weight: tensor of any shape; clusters: 2 or more -> int.
    """
    ### BEGIN SOLUTION
    bits = (clusters - 1).bit_length()
    indices = (weight.numel() * bits + 7) // 8
    return indices + 4 * clusters
    ### END SOLUTION


# %% check="shared_bytes" points=2 library=["codebook_bytes", "codebook_sizes", "encoded", "pack"]
lengths_known = [student("shared_bytes", torch.zeros(count), 3) for count in (16, 8)]
expect(lengths_known, [16, 14], id="parts",
       hint="16 indices of 2 bits are 32 bits, 4 bytes, and the table of 3 values has 12. Both parts count, in bytes: "
            "8 bits are one. The values of the weights don't matter.")
expect(student("shared_bytes", torch.zeros(16), 4), 20, id="power", needs="parts",
       hint="4 values have the places 0 to 3, so 2 bits are enough: 4 bytes, and 16 for the table. bit_length() of 4 "
            "itself is 3.")
expect(student("shared_bytes", torch.linspace(-1, 1, 10), 4), 19, id="round-up", needs="power",
       hint="20 bits need 3 whole bytes: 2 are too few, and a part of a byte does not exist.")
expect(student("shared_bytes", torch.zeros(16), 2), 10, id="one-bit", needs="parts",
       hint="Two values are told apart by one bit: 16 bits are 2 bytes, and the table has 8.")
expect(student("shared_bytes", torch.zeros(8), 8), 35, id="packed", needs="parts",
       hint="8 indices of 3 bits are 24 bits: packed without gaps they fill 3 bytes. An index may cross the border of "
            "two bytes, and 3 bits are not made 4.")
expect(student("shared_bytes", torch.zeros(16), 5), 26, id="between", needs="parts",
       hint="2 bits tell 4 values apart, so 5 need 3. Round the bits up, not down and not to the nearest.")
expect(student("shared_bytes", torch.zeros(4, 2, 3, 3), 4), 34, id="dimensions", needs="parts",
       hint="Count the weights over all dimensions: 4 x 2 x 3 x 3 are 72 indices.")
expect(student("shared_bytes", torch.zeros(16).half(), 4), 20, id="table", needs="parts",
       hint="The table is float32, 4 bytes a centroid, even where the weights are float16.")
### BEGIN HIDDEN TESTS
expect(student("shared_bytes", torch.zeros(120, 400), 200), 48_800, id="large", needs="parts",
       hint="48,000 indices of 8 bits are 48,000 bytes, and 200 centroids take 800.")
expect(student("shared_bytes", torch.zeros(1001), 1000), 5252, id="many", needs="parts",
       hint="1,000 values need 10 bits. 10,010 bits fill 1,252 bytes, and the table has 4,000.")
### END HIDDEN TESTS

# %% [markdown] key="bytes-quick"
# **Going further.** From how many weights on is a codebook of 256 values smaller than the dense float32 layer?
# Work it out, then check it with your function.

# %% [markdown] key="use-bytes-text"
# Does your sum hold for a real file? The slider shares all layers, adds up your bytes, and writes the file with
# packed indices. What is left over is the biases and the header.

# %% play=true key="own-bytes"
bytes_of = use("shared_bytes", otherwise=None)

def compare(bits):
    shared = share_weights(model, bits)
    packed = codebook_sizes(shared)[["packed_bytes", "table_bytes"]].to_numpy().sum()
    mine = packed if bytes_of is None else sum(bytes_of(layer.indices, len(layer.centroids))
                                               for layer in shared.layers.values())
    real = codebook_bytes(shared, coding="packed")
    return {"indices and tables": f"{mine:,} bytes", "real file": f"{real:,} bytes",
            "left over": f"{real - mine:,} bytes", "times smaller": f"{file_bytes(model) / real:.1f}"}

explore(compare, bits=(2, 8))

# %% play=true key="predict-small-layer" tags=["hide-input"]
def conv1_bytes():
    conv1 = codebook_sizes(share_weights(model, 8)).set_index("layer").loc["conv1"]
    size = conv1.packed_bytes + conv1.table_bytes
    return "larger" if size > 630 else "about as large" if size > 570 else "smaller"

Guess("conv1 has 150 weights, 600 bytes in float32. It gets a codebook of 8 bits. How large are its indices and its "
      "table together?", conv1_bytes, choices=["smaller", "about as large", "larger"],
      explain="A table with a value for nearly every weight is the weights themselves, and the indices come on top.")

# %% [markdown] key="pitfall-table-text"
# **Pitfall: forgetting the table.** "8 bits, so a quarter" counts the indices alone. In a small layer the table is the
# larger part. Choose a layer and bits, then tick the switch and compare the two ratios.

# %% play=true key="pitfall-table" tags=["hide-input"]
def layer_size(layer, bits, forget_the_table):
    row = codebook_sizes(share_weights(model, bits)).set_index("layer").loc[layer]
    dense, whole = 4 * row.weights, row.packed_bytes + row.table_bytes
    figures = {"dense": f"{dense:,} bytes", "indices and table": f"{whole:,} bytes",
               "times smaller": f"{dense / whole:.2f}"}
    if forget_the_table:
        figures["times smaller, table forgotten"] = f"{dense / row.packed_bytes:.2f}"
    return figures

explore(layer_size, layer=["conv1", "conv2", "fc1", "fc2", "fc3"], bits=(2, 8), forget_the_table=False)

# %% [markdown] key="coding"
# ### Extra: some indices are more common
#
# Most weights are small, so the middle centroids are used far more often than the outer ones.
# A **Huffman code** gives common indices short bit strings and rare ones long strings. No string is the start of
# another, so they can follow each other without gaps. Ten indices show it.

# %% key="tiny-huffman"
often = [7, 1, 1, 1]  # how often the indices 0, 1, 2, 3 occur
lengths = code_lengths(often).tolist()
print("bits of each index:", lengths)
coded = sum(count * bits for count, bits in zip(often, lengths, strict=True))
print(f"coded: {coded} bits; with 2 bits for each index: {2 * sum(often)} bits")

# %% [markdown] key="coding-text"
# The bytes of a Huffman code include the lengths of its strings, which a reader needs.
# `gzip`'s method also finds repeats. The library's file takes for each layer the shortest of the three: packed,
# Huffman, gzip. **Entropy** is the least number of bits for each index that any code of single indices can reach.

# %% play=true key="coding-table"
sizes = codebook_sizes(share_weights(model, 4))
whole_numbers = dict.fromkeys(["weights", "packed_bytes", "huffman_bytes", "gzip_bytes"], "{:,}")
sizes.drop(columns=["bits", "centroids"]).style.hide().format(whole_numbers | {"entropy_bits": "{:.2f}"})

# %% [markdown] key="deep"
# ### Extra: Deep Compression
#
# Han and others (2016) put three things in a row and called it **Deep Compression**: prune (lesson 04) and train on,
# share the weights that are left, and code the indices. After pruning most indices stand for 0. A Huffman code gives
# that one a single bit; `gzip`'s method, which finds runs of it, can do with less.

# %% play=true key="deep-run"
masks = global_masks(model, 0.9)
pruned = apply_masks(model, masks)
fit(pruned, few, Recipe(epochs=2, learning_rate=0.01), masks=masks, progress=False)
deep = share_weights(pruned, 4)
deep_right = accuracy(deep, images)  # a code changes no value
stages = pd.DataFrame({
    "bytes": [file_bytes(model), sparse_bytes(pruned), codebook_bytes(deep, coding="packed"), codebook_bytes(deep)],
    "accuracy": [float_right, accuracy(pruned, images), deep_right, deep_right]},
    index=["float32", f"{sparsity(pruned):.0%} pruned, trained on", "+ 4-bit codebook, packed", "+ coded"])
stages["times smaller"] = file_bytes(model) / stages["bytes"]
stages.style.format({"bytes": "{:,}", "accuracy": "{:.1%}", "times smaller": "{:.1f}"})

# %% [markdown] key="deep-after"
# The paper reports for its LeNet-5: 1,720 kB become 44 kB, **39 times smaller**, at an error of 0.74 % where it was
# 0.80 %. Ours, in the last line, stays below that and loses some accuracy. Why? Their LeNet-5 has 431,000 weights, ours
# 61,470: it has fewer to spare, and the header and the biases weigh more. They pruned and trained in rounds, on all
# images. We pruned once and trained for a second. Larger networks have more to spare: AlexNet became 35 times smaller,
# VGG-16 49 times, with no loss. In AlexNet a convolution has 256 shared values (8 bits), a fully connected layer 32
# (5 bits).
#
# Look at the second and third lines. The codebook, merely packed, is hardly smaller than the sparse file. It spends 4
# bits on each zero, where the sparse file spends one. Only the code makes it pay.

# %% [markdown] key="tune"
# ## Extra: train the shared values
#
# Centroids can be trained too. The indices stay, the table moves. All weights that share a centroid move together.
# So by the chain rule the centroid's gradient is the **sum** of their gradients (Deep Compression, section 3.3).

# %% key="tiny-tune"
table = torch.tensor([0.5, 10.0], requires_grad=True)
places = torch.tensor([0, 1, 0, 1])
pull = torch.tensor([1.0, 2.0, 3.0, -4.0])  # the gradient of each weight
(table[places] * pull).sum().backward()
print("gradient of the two centroids:", table.grad.tolist())

# %% [markdown] key="exercise-4"
# ### Extra: exercise 4, the gradient of a centroid
#
# Write `centroid_gradient(gradient, indices, clusters)`, with no autograd: for each of the `clusters` centroids the sum
# of the gradients of its weights, 0 where it has none.
#
# Worked value: gradient `[1., 2., 3., -4.]`, indices `[0, 1, 0, 1]` and 2 clusters give `[4., -2.]`.
#
# Mind that `indices` may be `uint8`, as in the library's files. PyTorch takes such a tensor for a mask when you index
# with it; `indices.long()` makes places of it.

# %% exercise="centroid_gradient"
def centroid_gradient(gradient, indices, clusters):
    """Sum of the gradients of the weights that share each centroid.

    gradient: any shape; indices: whole numbers, same shape -> (clusters,).
    """
    ### BEGIN SOLUTION
    total = torch.zeros(clusters, dtype=gradient.dtype)
    return total.index_add(0, indices.long().flatten(), gradient.flatten())
    ### END SOLUTION


# %% check="centroid_gradient" points=3 library=["Lookup", "shared_layer", "tune_centroids"]
expect(student("centroid_gradient", torch.tensor([5.0, 7.0]), torch.tensor([1, 0]), 2), [7.0, 5.0], id="place",
       hint="The first weight belongs to place 1, the second to place 0: each centroid gets the "
            "gradient of its own weight, with its sign.")
moves = torch.tensor([1.0, 2.0, 3.0, -4.0])
expect(student("centroid_gradient", moves, torch.tensor([0, 1, 0, 1]), 2), [4.0, -2.0], id="sum", needs="place",
       hint="Centroid 0 gets 1 + 3, centroid 1 gets 2 - 4. The sum, not the mean, and each with its sign. "
            "total[indices] += gradient writes each place only once; index_add, bincount or a loop adds up.")
uneven = student("centroid_gradient", torch.tensor([1.0, 2.0, 3.0, 5.0]), torch.tensor([2, 1, 2, 2]), 4)
expect(uneven, [0.0, 2.0, 9.0, 0.0], id="unused", needs="place",
       hint="There is one entry for each of the `clusters` centroids, in their order, and 0 for those that no weight "
            "uses. They need not have equally many weights.")
expect(student("centroid_gradient", moves.reshape(2, 2), torch.tensor([[0, 1], [1, 0]]), 2), [-3.0, 5.0], id="shape",
       needs="place", hint="Weights may have any shape; the answer has one number for each centroid, over all rows.")
short = torch.tensor([0, 1, 0, 1], dtype=torch.uint8)
expect(student("centroid_gradient", moves, short, 2), [4.0, -2.0], id="uint8", needs="place",
       hint="Indices of type uint8 are taken for a mask, or refused. Make them .long() first.")
expect(student("centroid_gradient", moves * 0.125, torch.tensor([0, 1, 0, 1]), 2), [0.5, -0.25], id="fractions",
       needs="place", hint="Gradients are fractions: the sums must be floats, too.")
given = student_call("centroid_gradient", moves, torch.tensor([0, 1, 0, 1]), 2)
expect(isinstance(given.value, torch.Tensor), id="tensor", needs="sum",
       hint="The sums are right, the type is not: return a tensor. torch.stack or torch.tensor makes one of a list.")
expect(given.arguments[0], [1.0, 2.0, 3.0, -4.0], id="unchanged", needs="sum",
       hint="Your function changed the gradient that it was given. Add up in a new tensor.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

draws = fresh()
kernel = torch.randn(6, 5, 3, 3, generator=draws)
places = torch.randint(0, 5, (6, 5, 3, 3), generator=draws)
expect(student("centroid_gradient", kernel, places.to(torch.uint8), 6),
       torch.bincount(places.flatten(), kernel.flatten().double(), minlength=6), id="kernel", needs="place",
       hint="On a convolution's weights, with 6 centroids of which one is unused, the sums are off.")
### END HIDDEN TESTS

# %% [markdown] key="tune-quick"
# **Going further.** The library's centroids take the **mean** of the gradients, not the sum. Try both on `fc1` and on
# `conv1`: how large is each? What does that mean for one learning rate for all layers?

# %% [markdown] key="use-tune-text"
# Two values a layer: one bit for each weight. Sharing alone breaks the network. Your gradient trains the ten numbers of
# the five tables, and nothing else, for 100 steps.

# %% play=true key="own-tuning"
def library_gradient(gradient, indices, clusters):
    table = torch.ones(clusters, requires_grad=True)
    mean, = torch.autograd.grad(Lookup.apply(table, indices), table, gradient)
    return mean * torch.bincount(indices.flatten().int(), minlength=clusters)

gather = use("centroid_gradient", otherwise=library_gradient)
books = {name: list(kmeans(weight.detach(), 2)) for name, weight in model.named_parameters() if weight.ndim > 1}

def written_out():
    return start | {name: table[indices.long()].detach().requires_grad_() for name, (table, indices) in books.items()}

print(f"two values a layer, no training: {right_with(written_out()):.1%} right")
for step_number in range(100):
    rows = slice(64 * step_number, 64 * step_number + 64)
    weights = written_out()
    loss = cross_entropy(functional_call(model, weights, (data.train.images[rows],)), data.train.labels[rows])
    gradients = torch.autograd.grad(loss, [weights[name] for name in books])
    for name, gradient in zip(books, gradients, strict=True):
        books[name][0] = books[name][0] - 0.0001 * gather(gradient, books[name][1], 2)
print(f"after 100 steps:                 {right_with(written_out()):.1%} right")

# %% [markdown] key="tune-after"
# Ten numbers bring many digits back. And at two bits, with four values a layer?

# %% play=true key="tune-two-bits"
for name, network in (("k-means alone", share_weights(model, 2)), ("tables trained", trained["codebook", 2])):
    print(f"2-bit codebook, {name}: {accuracy(network, data.validation):.2%} of {len(data.validation):,} images right")

# %% [markdown] key="tune-end"
# There the change is small: little was lost, so little can be won back. The same was found on a larger network, given
# from `benchmarks/results/codebook.md` (2026-11-22, test photos): ResNet12 with 4-bit codebooks lost 0.41 points by
# k-means alone and 0.24 after tuning. Its file was 0.117 times the dense one.

# %% [markdown] key="pays"
# ## When each pays
# *Short path*
#
# Three ways to few bits: round, round and train, share. To share is to give each layer a codebook, a small table of
# values; each weight stores its place in the table. In the file, common places get shorter codes than rare ones.
#
# Here are the two ways that need no training, on ResNet8, a harder case than LeNet. We look at 250 photos. One photo is
# 0.4 points, so read the figures roughly.

# %% play=true key="pays-resnet" tags=["hide-input"]
photos, resnet = load("cifar10"), pretrained("resnet8")
checked = photos.validation[:250]
print(f"ResNet8, float32: {accuracy(resnet, checked):.1%} right, {file_bytes(resnet):,} bytes")
for bits in (6, 4, 3):
    book = share_weights(resnet, bits)
    grid = quantize_model(resnet, photos.train.images[:128], Scheme(bits, 8, weight_observer="mse"))
    print(f"{bits} bits: codebook {accuracy(book, checked):.1%}, {codebook_bytes(book):,} bytes; "
          f"grid {accuracy(grid, checked):.1%}, {quantized_bytes(grid):,} bytes")

# %% [markdown] key="pays-resnet-after"
# At 6 and at 4 bits the two lie within a few photos of each other. At 3 bits the codebook is far ahead,
# with eight values where the symmetric grid has seven. Even so it loses more than most uses can bear. The codebook's
# file is the smaller one each time, thanks to the short codes.

# %% play=true key="pays-time-run" tags=["hide-input"]
book = share_weights(model, 4)
unpacked = book.to_float()
whole_time = latency(lambda: model(data.example)).p50_ms
book_time = latency(lambda: book(data.example)).p50_ms
unpacked_time = latency(lambda: unpacked(data.example)).p50_ms

# %% play=true key="predict-latency" tags=["hide-input"]
Guess("A 4-bit codebook makes LeNet's file several times smaller. Its weights are looked up anew for each image. How "
      "long does an image take, beside float32?",
      lambda: ("less time" if book_time < 0.9 * whole_time else "as long" if book_time < 1.15 * whole_time
               else "longer"), choices=["less time", "as long", "longer"],
      explain="The products are still products of floats. And each weight must be looked up first.")

# %% play=true key="pays-time"
print(f"looked up for each image: {book_time / whole_time:.2f} times as long as float32")
print(f"written out once:         {unpacked_time / whole_time:.2f} times as long, in memory as large as float32")

# %% [markdown] key="pays-table"
# | | round (lesson 08) | round and train (QAT) | codebook |
# |---|---|---|---|
# | what becomes small | file and arithmetic | file and arithmetic | the file alone |
# | needs | a few images, no labels | labelled images, training code, time | nothing; to tune, labels |
# | arithmetic | integers | integers | floats |
# | pays | at 8 bits, often at 6 | at 4 bits and fewer | for downloads and flash memory |
# | does not pay | at 4 bits and fewer, often | at 8 bits: here it gained nothing | where time counts |
#
# - **Try rounding first.** It is the cheapest. At 8 bits there is hardly anything to win back.
# - **Train when the device computes in few bits** and rounding loses more than you can bear. Fewer bits than 8 make a
#   program faster only on hardware that has such arithmetic.
# - **Share when the file is what counts.** Every weight is a float again before it is used, so nothing runs faster.
#
# Not both at once: integer arithmetic needs an even grid, and a codebook's values are uneven.

# %% [markdown] key="measure"
# ## Measure, then judge
#
# First choose, on all 4,000 **validation** images: the smallest file that costs less than 1 point. One candidate comes
# from *Extra: Deep Compression*, the *pruned, 4-bit codebook*: 90 % pruned, trained on, then shared and coded.

# %% play=true key="choose"
candidates = {"rounded, 4 bits": round_to(4, 4), "QAT, 4 bits": trained["all", 4], "QAT, 3 bits": trained["all", 3],
              "QAT, 2 bits": trained["all", 2], "codebook, 3 bits": share_weights(model, 3),
              "codebook, 2 bits": share_weights(model, 2), "pruned, 4-bit codebook": deep}
whole = accuracy(model, data.validation)
right = {name: accuracy(network, data.validation) for name, network in candidates.items()}
rows = [{"network": name, "bytes": (quantized_bytes if name[0] in "rQ" else codebook_bytes)(network),
         "drop (points)": 100 * (whole - right[name])} for name, network in candidates.items()]
choice = pd.DataFrame(rows).sort_values("bytes")
good = choice[choice["drop (points)"] < 1]
chosen = good.iloc[0]["network"]
print(f"chosen: {chosen}")
choice.style.hide().format({"bytes": "{:,}", "drop (points)": "{:.2f}"})

# %% [markdown] key="measure-text"
# Now the **test** images, once, for the final numbers. `two bits` is the question of the first section: rounded, and
# trained. The time of integer networks is left out: here they are simulated in floats.

# %% play=true key="measure-run" tags=["hide-input"]
before, after = measure(model, data.test), measure(candidates[chosen], data.test)
two_rounded, two_trained = (measure(network, data.test, repeats=1) for network in (round_to(2, 2), trained["all", 2]))
pd.DataFrame([{"network": name, "accuracy": f"{one.accuracy:.2%}",
               "95 % interval": f"{one.accuracy_low:.2%} to {one.accuracy_high:.2%}",
               "file": f"{one.file_bytes:,} bytes"}
              for name, one in (("float32", before), (f"chosen: {chosen}", after), ("two bits, rounded", two_rounded),
                                ("two bits, QAT", two_trained))]).style.hide()

# %% play=true key="verdict"
judged = verdict(before, after)
reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
display(Markdown(f"The chosen network beside float32: **{judged.rating}**\n\n{reasons}"))

# %% [markdown] key="verdict-after"
# Read each reason. For a download the file counts, and it is a fraction of what it was. For a slow processor the
# time counts. If the choice fell on a codebook, it was looked up for each image and took longer; written out once, it
# would take as long as float32. The rules judge both. Which of them you care about, you have to say.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Measuring the latent weights.** The network that ships is the rounded one. The first switch above.
# - **Forgetting the table.** And the header, and the biases. The size is that of the file. The second switch above.
# - **QAT with no control.** Train the float network as long, round it, and compare. Above, it hardly helped.
# - **QAT at 8 bits out of habit.** Round first, measure the loss, and ask what there is to win back.
# - **A large learning rate to the end.** Rounded weights swing about the edges; let the steps become small.
# - **Taking a codebook for speed.** It is unpacked to floats before it computes.

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

# %% graded="answer_1" points=1 section="slope"
def answer_1(draw):
    top = draw.pick([1, 3, 7])
    inner = [draw.integer(-10 * top + 2, 10 * top - 2) / 10 for _ in range(2)]
    outer = [(10 * top + draw.integer(1, 4)) / 10, -(10 * top + draw.integer(5, 12)) / 10]
    order, pulls = draw.sample([0, 1, 2, 3], 4), draw.sample(range(2, 12), 4)
    values = [(inner + outer)[place] for place in order]
    signs = [draw.pick([-1, 1]) for _ in range(4)]
    gradient = [sign * pull for sign, pull in zip(signs, pulls, strict=True)]
    key = sum(pull for value, pull in zip(values, gradient, strict=True) if abs(value) <= top)
    if key in (sum(gradient), 0):
        return None
    return draw.number(
        f"Latent weights, in steps of a grid from -{top} to {top}: {values}. The gradient for the rounded weights is "
        f"{gradient}. The straight-through estimator passes it on to the latent weights as in exercise 1 (nothing "
        "beyond the range). What is the **sum** of the four gradients that arrive? Write a number.",
        key, within=(-1_000_000, 1_000_000), tolerance=0,
        hint="Which of the four latent weights lie beyond the range, before rounding? Those get 0; the others get "
             "their gradient as it is.")

# %% graded="answer_2" points=1 section="size"
def answer_2(draw):
    inputs, outputs = draw.integer(30, 90, 6), draw.integer(20, 60, 4)
    bits = draw.integer(3, 6)
    clusters = draw.integer(2 ** (bits - 1) + 1, 2 ** bits)
    return draw.number(
        f"A linear layer with {inputs} inputs and {outputs} outputs gets a codebook of {clusters} values. Its indices "
        "are packed, each with the smallest whole number of bits, and the table is float32. How many bytes are indices "
        "and table together, with no bias and no header? Write a number.",
        (inputs * outputs * bits + 7) // 8 + 4 * clusters, within=(0, 1_000_000), tolerance=0,
        hint=f"How many bits tell {clusters} values apart? Pack the indices into whole bytes, then add 4 bytes for "
             "each value of the table.")

# %% graded="answer_3" points=1 section="share"
def answer_3(draw):
    low, high = draw.integer(1, 4), draw.integer(12, 16)
    near, far = draw.sample(range(-3, 6), 3), draw.sample(range(10, 21), 3)
    weights = draw.sample(near + far, 6)
    middle = (low + high) / 2
    asked = draw.pick([low, high])
    group = sorted(weight for weight in weights if (weight < middle) == (asked == low))
    mean = sum(group) / len(group)
    if middle in weights or mean in (asked, group[len(group) // 2], (group[0] + group[-1]) / 2):
        return None  # the middle one, or the middle of the group, must not pass for the mean
    return draw.number(
        f"One step of k-means: the weights {weights} and the centroids {low} and {high}. Where is the centroid that "
        f"was at {asked} after the step? Write a number, to two decimals.",
        round(mean, 2), within=(-50, 50), tolerance=0.01,
        hint="First give each weight to the nearer of the two centroids. Then take the mean of the weights that chose "
             "this one.")

# %% graded="answer_4" points=1 section="pays"
def answer_4(draw):
    megabytes, classes = draw.integer(6, 40, 2), draw.integer(5, 90, 5)
    scene, best = draw.pick([
        ("a web page, which unpacks it once and computes in float32. Only the download counts. There are no labelled "
         "images", "codebook"),
        ("a chip whose arithmetic is 8-bit integers. Some hundred images without labels are at hand, and no training "
         "code", "round"),
        ("a chip whose arithmetic is 3-bit integers. Rounded, the network loses 19 points. Labelled images and "
         "training code are at hand", "qat")])
    return draw.choice(
        f"A network of {megabytes} MB tells {classes} classes apart. It goes to {scene}. What do you try first?",
        {"Share the weights with k-means, and code the indices.": best == "codebook",
         "Round weights and values to the chip's grid after calibration, and measure.": best == "round",
         "Train on with the rounding switched on, through the straight-through estimator.": best == "qat"},
        never=["Train the float network on, and round it at the very end.",
               "Give each layer a codebook, so that the arithmetic becomes faster.",
               "Train with `torch.round` in the forward pass and its own derivative."],
        hint="What must be small here, the file or the arithmetic? And what is at hand: labels, training code?")

# %% [markdown] essay="reflect" points=3
# ## Reflect
#
# Two teams want a small LeNet. Team A puts it into a phone app: the download should shrink, and the app computes in
# float32. Team B builds a sensor whose chip multiplies 2-bit integers and nothing else. A colleague proposes one
# solution for both: "QAT at 2 bits. Trained is always better."
#
# Write six to ten sentences. Say for each team what you would do and why, with at least two numbers that you measured
# in this lesson. Say what the proposal gets right and where it is wrong.
#
# === BEGIN MARK SCHEME ===
# One point each, 3 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **Team A: the file counts.** The answer proposes a codebook (alone, or after pruning, with coded indices), or
#    another way to a small file, and says that QAT is not needed for it: at equal bits the codebook keeps accuracy with
#    no training. One number of the lesson supports it (with the shipped LeNet: a 2-bit codebook about 98.8 % on the
#    1,000 images in about 15 kB; pruned, shared and coded below 9 kB; dense 248 kB). Half a point without a number.
# 2. **Team B: the arithmetic counts.** The answer says that the chip needs an even grid of integers for weights and for
#    the values between layers, so that a codebook does not help; that rounding alone breaks the network at 2 bits; and
#    that QAT brings it back. One number supports it (about 58 % rounded, about 98 % after QAT). Half a point
#    without a number, or when the values between the layers are forgotten.
# 3. **"Always better" is wrong.** The answer gives one sound reason: at 8 bits QAT gained nothing here; it needs
#    labelled images, training code and time; its gain has to be compared with rounding alone, or with a control
#    trained as long; or it brings a float app no speed. It may add that the choice is made on validation images.
#
# No point for a claim that contradicts the lesson (such as "the codebook makes the app faster"): it cancels the point
# of its line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# Make LeNet's file **at most 8,000 bytes** and keep **98 %** of the 4,000 validation images. Everything of this course
# is allowed: prune more or less, train on with the masks, choose bits for each layer (`layers={"conv1": 5}`), tune the
# tables. Change the settings and run the cell. It is a step towards the capstone of lesson 10, where a device sets such
# a budget and time counts too.

# %% play=true key="challenge-try"
amount, bits, passes_after = 0.8, 3, 0
kept = global_masks(model, amount)
mine = apply_masks(model, kept)
if passes_after:
    fit(mine, few, Recipe(epochs=passes_after, learning_rate=0.02), masks=kept, progress=False)
mine = share_weights(mine, bits, layers={})
mine_right = accuracy(mine, data.validation)
print(f"yours: {codebook_bytes(mine):,} bytes, {mine_right:.2%} right")
met = codebook_bytes(mine) <= 8000 and mine_right >= 0.98
print("You met it." if met else "Not yet: 8,000 bytes and 98 % are wanted.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result" tags=["hide-input"]
display(Markdown(
    f"**With two bits for every weight and every value, LeNet is right on {two_rounded.accuracy:.0%} of the test "
    f"images when it is rounded, and on {two_trained.accuracy:.0%} when it is trained with the rounding switched "
    "on.**\n\n"
    "Where the file alone counts, there is another way: a two-bit codebook, with no training, is right on "
    f"{right['codebook, 2 bits']:.0%} of the validation images. A two-bit grid for the weights alone is right on "
    f"{accuracy(round_to(2, 8), data.validation):.0%} of them. With the codebook the values between the layers stay "
    "floats, and so does the arithmetic."))

# %% [markdown] key="sources"
# Sources: Y. Bengio, N. Léonard, A. Courville, *Estimating or Propagating Gradients Through Stochastic Neurons for
# Conditional Computation*, 2013. S. K. Esser and others, *Learned Step Size Quantization*, 2020. S. Han, H. Mao,
# W. Dally, *Deep Compression*, 2016. S. Lloyd, *Least Squares Quantization in PCM*, 1982. D. Huffman, *A Method for the
# Construction of Minimum-Redundancy Codes*, 1952.

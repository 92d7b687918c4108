# %% [markdown] key="title"
# # 04 · Magnitude pruning
#
# A trained LeNet reads handwritten digits. All that it knows is in its weights, some 61,000 numbers.
# You may delete weights, the smallest first. **How many can go before it forgets its digits?**
#
# After this lesson you can:
#
# - score weights, turn scores into a mask, and prune a trained network with it;
# - find the layers that mind, and the amount at which accuracy falls off a cliff;
# - say what a mask saves on disk and in time, and what it does not.
#
# You need some PyTorch: tensors, layers, and what a forward pass is.
#
# **Time:** about 74 minutes: 31 to read, guess and play, 27 for the three exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 52 minutes in all, with the practice. Exercise 3
# is there, and earns points, too.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Then read what is marked *Short path*, up to
# the next heading; answer the guesses there and move the sliders.

# %% setup=true key="setup" tags=["hide-input"]
import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.utils.prune
from IPython.display import Markdown, display

from shrinklab import plot
from shrinklab.criteria import l1, random
from shrinklab.data import load
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.files import file_bytes, gzip_bytes, sparse_bytes
from shrinklab.masks import (
    apply_masks,
    global_masks,
    keep_highest,
    layer_masks,
    n_m_masks,
    prunable,
    sensitivity,
    sparsity,
)
from shrinklab.measure import Budget, count_macs, latency, measure, verdict
from shrinklab.metrics import accuracy, predict
from shrinklab.models import pretrained
from shrinklab.widgets import Guess, Placement, Practice, RecallCards, explore, magnitude_explorer

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## How many weights can go?
# *Short path*
#
# Here is the network at work. Above each image stands what it says.

# %% key="load"
data = load("mnist")
model = pretrained("lenet")
images = data.validation[:1000]  # images that no training has seen

# %% key="digits" play=true
figure, axes = plt.subplots(1, 8, figsize=(8, 1.5), layout="constrained")
answers = predict(model, images.images[:8]).argmax(1)
plot.images(axes, data.to_pixels(images.images[:8]), [f"says {answer}" for answer in answers])
figure.suptitle("Eight validation images and LeNet's answers")
plt.show()

# %% [markdown] key="aim"
# **Pruning** removes the parts of a network that contribute least.
# The aim is a smaller file and less work for each image, at nearly the same accuracy.
# Pruning adds nothing: no layers, no data, no other programming language.
# It takes a network that is trained and finds what it can do without.
#
# The parts can be single weights, as in this lesson, or whole channels, as in lesson 06.
#
# How much is there to remove? Let us count.

# %% play=true key="weights"
parameters = dict(model.named_parameters())
# Copies: whatever you try on them, the network stays as it is.
weights = {name: parameters[name].detach().clone() for name in prunable(model)}
for name, weight in weights.items():
    print(f"{name:13} {str(tuple(weight.shape)):15} {weight.numel():7,} weights")
together = sum(weight.numel() for weight in weights.values())
everything = sum(parameter.numel() for parameter in model.parameters())
print(f"together {together:,} weights, and {everything - together} biases, which are not pruned")
print(f"accuracy on {len(images):,} validation images: {accuracy(model, images):.1%}")

# %% [markdown] key="predict-half-text"
# Commit to a guess before you go on. A wrong guess is worth more here than none: you will remember the answer.

# %% play=true key="predict-half" tags=["hide-input"]
Guess("Delete the smaller half of all weights. How many per cent of the 1,000 images does LeNet still read right?",
      lambda: 100 * accuracy(apply_masks(model, global_masks(model, 0.5)), images), unit="%",
      explain="The small half carries next to nothing. The rest of the lesson finds out how far this goes, and why.")

# %% [markdown] key="play-text"
# Now play. Each move of the slider deletes weights of a copy of LeNet, runs the 1,000 images again, and writes
# real files. Find out:
#
# 1. At which amount does accuracy begin to fall? How steep is the fall?
# 2. Which layer loses the largest share of its weights? Which the smallest?
# 3. Which of the numbers do not follow the slider?
#
# The histogram shows the weights of one layer; the list above it chooses which. What lies between the two dashed
# lines goes.

# %% play=true key="play"
magnitude_explorer()

# %% [markdown] key="play-after"
# What to look for: for a long way nothing happens, then a cliff.
# With one cut for all, the big layer `fc1` loses the largest share, and the first one, `conv1`, the smallest.
# The dense file never changes. The latency jitters a little, and does not care how many weights are zero.
# The sections below take these three apart, one by one.

# %% [markdown] key="score"
# ## Which weights matter least?
#
# Start with one neuron and four weights. Delete each weight in turn and see how far the output moves.

# %% key="tiny-neuron"
tiny = torch.tensor([0.9, -0.05, -3.0, 0.2])
inputs = torch.ones(4)
for index in range(4):
    without = tiny.clone()
    without[index] = 0
    moved = (inputs @ without - inputs @ tiny).abs()
    print(f"without {tiny[index]:5.2f} the output moves by {moved:.2f}")

# %% [markdown] key="score-idea"
# Deleting -3.0 does the most harm, deleting -0.05 the least.
# With inputs of the same size, the harm is the weight's distance from zero: its **magnitude**.
#
# A rule that gives each weight a **score**, larger for more important, is called a **criterion**.
# Magnitude is the simplest one and still hard to beat.
# Han and others (2015) pruned AlexNet with it, trained on after the cut, and report 6.7 million parameters where 61
# million were, at no loss of accuracy. You will see below how far it goes here, with no training afterwards.

# %% [markdown] key="exercise-1"
# ### Exercise 1: score the weights
#
# Write `magnitude_scores(weight)`: for each weight its distance from zero, in a new tensor of the same shape.
#
# Worked value: `tensor([-3.0, 1.0])` gives `tensor([3.0, 1.0])`.

# %% exercise="magnitude_scores"
def magnitude_scores(weight):
    """Score each weight: the larger, the more it matters.

    weight: any shape -> tensor of that shape.
    """
    ### BEGIN SOLUTION
    return weight.abs()
    ### END SOLUTION


# %% check="magnitude_scores" points=2 library=["l2", "scores", "taylor"]
scores = student("magnitude_scores", torch.tensor([1.0, 0.0]))
expect(scores, [1.0, 0.0], id="direction",
       hint="A larger weight gets a larger score, and a weight of 0 gets 0. A positive weight "
            "scores itself.")
expect(student("magnitude_scores", torch.tensor([-1.0, 1.0])), [1.0, 1.0], id="sign",
       hint="A weight of -1 matters as much as one of +1: drop the sign.")
expect(isinstance(scores, torch.Tensor), id="tensor", needs="sign",
       hint="The numbers are right. Return them as a tensor, not as a list: the library "
            "compares and cuts tensors.")
expect(student("magnitude_scores", torch.tensor([-3.0, 2.0])), [3.0, 2.0], id="size",
       hint="The score is the distance from zero itself: no square, and nothing to divide by. "
            "Scores of different layers will be compared with each other.")
block = torch.tensor([[-1.0, 2.0, -3.0], [4.0, -5.0, 6.0]])
expect(student("magnitude_scores", block), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], id="shape",
       needs="size", hint="One score for each weight: 2 x 3 weights give 2 x 3 scores. Don't sum and don't "
            "flatten.")
call = student_call("magnitude_scores", torch.tensor([-3.0, 0.5]))
expect(call.arguments[0], [-3.0, 0.5], id="unchanged", needs="size",
       hint="Your function changed the weights that it was given: this would damage the "
            "network. Make a new tensor; methods that end in _ work in place.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

kernel = 10 * torch.randn(3, 2, 5, 5, generator=fresh())
expect(student("magnitude_scores", kernel), kernel.where(kernel > 0, -kernel), id="fractions",
       hint="Scores are exact and work for any weights: a convolution's with four dimensions, "
            "fractions, and large ones.")
### END HIDDEN TESTS

# %% [markdown] key="score-quick"
# **Going further.** Inputs are not all of the same size. Write a criterion that multiplies each weight of `fc1` by
# the mean size of the input that it meets, and prune `fc1` with both. Which keeps more accuracy at 95 % removed?
# (Sun and others, 2023, prune language models with a score of this kind. They call it Wanda.)

# %% [markdown] key="mask"
# ## A mask says yes or no
#
# A **mask** has the shape of the weights and one yes or no for each: `True` keeps, `False` removes.
# Where it says `False`, the weight becomes 0.

# %% key="tiny-mask"
keep = torch.tensor([True, False, True, False])
print("weights    ", tiny)
print("with mask  ", tiny.where(keep, 0.0))

# %% [markdown] key="pytorch-text"
# PyTorch has this built in. `l1_unstructured` takes a layer, the name of its weight and the share to remove.
# **Unstructured** means: single weights, wherever they are.

# %% play=true key="predict-pytorch" tags=["hide-input"]
Guess("A linear layer has 100 inputs and 50 outputs. PyTorch removes 20 % of its weights. How many are not zero?",
      lambda: int(torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(100, 50), "weight", amount=0.2)
                  .weight.count_nonzero()), unit="weights", explain="100 x 50 = 5,000 weights, and 80 % of them stay.")

# %% key="pytorch"
layer = torch.nn.Linear(100, 50)
torch.nn.utils.prune.l1_unstructured(layer, "weight", amount=0.2)
print("shape of the weight:", tuple(layer.weight.shape))
print(f"entries: {layer.weight.numel():,}, of them not zero: {layer.weight.count_nonzero():,}")
print("what the layer holds now:", [name for name, _ in layer.named_parameters()],
      "and", [name for name, _ in layer.named_buffers()])

# %% [markdown] key="pytorch-after"
# 4,000 weights are left, and the tensor is as large as before. **This is masking, not removal.**
# While it prunes, PyTorch keeps even more: the old weights (`weight_orig`) and the mask beside them.
#
# Pruned twice? The second call counts from the weights that are left. 20 % of 5,000 go, then 20 % of 4,000.
#
# `prune.remove` ends the pruning. What does it remove? Look at the **`state_dict`**: all tensors of the layer by
# name. This is what gets saved.

# %% key="pytorch-remove"
layer = torch.nn.Linear(100, 50)
torch.nn.utils.prune.l1_unstructured(layer, "weight", amount=0.2)
print("before:", {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()})
torch.nn.utils.prune.remove(layer, "weight")
print("after: ", {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()})
print(f"entries: {layer.weight.numel():,}, of them not zero: {layer.weight.count_nonzero():,}")

# %% [markdown] key="pytorch-remove-after"
# It removes the mask and the old weights, and nothing else. The zeros stay where they are, in a tensor of full size.

# %% [markdown] key="exercise-2"
# ### Exercise 2: from scores to a mask
#
# Write `prune_mask(scores, amount)`: a mask that removes the lowest scores.
#
# - `False` for exactly `round(amount * number of scores)` of the lowest scores, `True` for all others.
# - Among equal scores any may go, but the number removed stays exact.
# - All scores of the tensor compete, whatever its shape. The mask has the same shape.
#
# Worked values: scores `[0.1, 0.4, 0.2, 0.3]` and amount 0.5 give `[False, True, False, True]`.
# With amount 0.25 one score goes, the lowest: `[False, True, True, True]`.
#
# Helpful: `flatten()` makes one long row of any shape, and `reshape` undoes that. `argsort()` gives the places of a
# row from its lowest score to its highest; `topk` those of its highest.

# %% exercise="prune_mask"
def prune_mask(scores, amount):
    """Mask that removes the share `amount` of the lowest scores.

    scores: any shape; amount: 0 to 1 -> bool tensor of that shape, True = keep.
    """
    ### BEGIN SOLUTION
    remove = round(amount * scores.numel())
    lowest = scores.flatten().argsort()[:remove]
    keep = torch.ones(scores.numel(), dtype=torch.bool)
    keep[lowest] = False
    return keep.reshape(scores.shape)
    ### END SOLUTION


# %% check="prune_mask" points=4 library=["_keep", "global_masks", "layer_masks", "rewound"]
worked = torch.tensor([0.1, 0.4, 0.2, 0.3])
mask = student("prune_mask", worked, 0.25)
expect(mask, [False, True, True, True], id="keep",
       hint="A quarter of four scores is one: 0.1 goes, and three stay. All swapped? True "
            "keeps. Only one left? k = round(amount * n) is the number that goes, not the "
            "number that stays. And the amount is no value to compare scores with.")
expect(student("prune_mask", worked, 0.5), [False, True, False, True], id="half", needs="keep",
       hint="Half of four scores is two: 0.1 and 0.2 go, 0.4 and 0.3 stay.")
expect(mask, [False, True, True, True], dtype="bool", id="bool", needs="half",
       hint="The places are right, the type is not. A mask is a bool tensor, as a comparison "
            "gives it. torch.ones(n, dtype=torch.bool) makes one, too.")
rows = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
expect(student("prune_mask", rows, 0.5), [[False] * 4, [True] * 4], id="shape", needs="half",
       hint="All scores compete, not each row by itself, and the mask has the shape of the "
            "scores. Flatten, choose, then reshape.")
uneven = torch.arange(100.0) ** 2
removed = [int((student("prune_mask", uneven[:n], share) == 0).sum())
           for share, n in ((0.29, 100), (0.55, 100), (0.5, 7))]
expect(removed, [29, 55, 4], id="count", needs="half",
       hint="Remove round(amount * number of scores). In floating point 0.29 * 100 is a "
            "little under 29 and 0.55 * 100 a little over 55: int() and ceil() miss by one.")
expect(int(student("prune_mask", torch.ones(6), 0.5).sum()), 3, id="ties", needs="half",
       hint="Six equal scores, and half must go: exactly three. Comparing with a cut takes "
            "all equal scores or none. Take the places of the lowest scores instead: argsort "
            "or topk gives them.")
expect(student("prune_mask", worked, 0.0), [True] * 4, id="nothing", needs="half",
       hint="With amount 0 nothing goes. Look out for [-0:], which is the whole list, and for "
            "a minimum of one.")
expect(student("prune_mask", worked, 1.0), [False] * 4, id="everything", needs="half",
       hint="With amount 1 everything goes. Look out for [-0:], which is the whole list.")
signed = torch.tensor([-2.0, 0.0, 0.0, 1.0, 3.0, -1.0])
expect(student("prune_mask", signed, 1 / 3), [False, True, True, True, True, False], id="any-score",
       needs="half", hint="A score may be 0 or negative. Take the lowest as they are, without abs(), and mark places: "
            "a score of 0 is no sign that it was removed.")
expect(student_call("prune_mask", rows, 0.5).arguments[0], rows, id="unchanged", needs="shape",
       hint="Your function changed the scores. flatten() and view() may share memory with the "
            "tensor they come from: write into a new tensor.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

weight = pretrained("lenet").fc1.weight.detach()
expect(student("prune_mask", weight.abs(), 0.83), keep_highest(l1(weight), 0.83), id="lenet",
       hint="On LeNet's largest layer your mask differs from the one of torch.nn.utils.prune.")
expect((student("prune_mask", uneven[:5], 0.5) == 0).sum(), 2, id="halves", needs="half",
       hint="round(2.5) is 2 in Python, and the text asks for round(); int(x + 0.5) gives 3.")
coarse = torch.randint(0, 4, (4, 3, 5, 5), generator=fresh()).float()
mask = torch.as_tensor(student("prune_mask", coarse, 0.6)).bool().reshape(coarse.shape)
expect([int(mask.sum()), bool(coarse[mask].min() >= coarse[~mask].max())], [120, True], id="coarse",
       hint="With many equal scores the number must stay exact, and no kept score may be "
            "lower than a removed one.")
### END HIDDEN TESTS

# %% [markdown] key="mask-quick"
# **Going further.** Your mask works on one tensor. Use it, unchanged, to prune all layers of LeNet against each
# other: put all scores into one long tensor, mask it, and cut the mask into the layers' shapes again.
# `global_masks(model, 0.5)` must give the same.

# %% [markdown] key="use-text"
# ### Your own function at work
#
# Now your `magnitude_scores` prunes LeNet, under a slider that you could have written yourself.
# This is plain ipywidgets: a slider, a label, and a function that runs when the slider moves.

# %% play=true key="own-slider"
score = use("magnitude_scores", otherwise=l1)
amount = ipywidgets.FloatSlider(value=0.5, min=0, max=0.95, step=0.05, description="amount")
result = ipywidgets.Label()

def show(change=None):
    pruned = apply_masks(model, global_masks(model, amount.value, score))
    right = accuracy(pruned, images)
    result.value = f"{sparsity(pruned):.0%} zero, {right:.1%} of the images right"

amount.observe(show, "value")
show()
ipywidgets.VBox([amount, result])

# %% [markdown] key="use-explore-text"
# `explore` makes such sliders for any function. Here your `prune_mask` masks each layer by itself.
# Look for the amount at which accuracy falls below 90 %. It comes much earlier than in the first explorer.

# %% play=true key="own-mask"
keep_best = use("prune_mask", otherwise=keep_highest)

def each_layer(amount):
    masks = {name: keep_best(score(weight), amount) for name, weight in weights.items()}
    return f"{accuracy(apply_masks(model, masks), images):.1%} of the images right"

explore(each_layer, amount=(0.0, 0.95, 0.05))

# %% [markdown] key="scope"
# ## One cut for all, or one for each layer
#
# There are two ways to remove half of all weights.
#
# - **Per layer:** half of each layer goes. Each layer has a cut of its own.
# - **Global:** one cut for all weights. The layers compete, and some lose more than others.
#
# Two tiny layers show the difference.

# %% key="tiny-scope"
first, second = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.25, 1.0, 2.0, 3.0])
each = [keep_highest(layer, 0.5).int().tolist() for layer in (first, second)]
print("per layer:", *each)
both = keep_highest(torch.cat([first, second]), 0.5).int()
print("global:   ", both[:4].tolist(), both[4:].tolist())

# %% play=true key="predict-scope" tags=["hide-input"]
Guess("LeNet loses half of its weights. Which way keeps more accuracy?",
      lambda: "one cut for all" if (
          accuracy(apply_masks(model, global_masks(model, 0.5)), images)
          > accuracy(apply_masks(model, layer_masks(model, 0.5)), images)) else "half of each layer",
      choices=["one cut for all", "half of each layer"],
      explain="The next picture shows it for all amounts, beside a control: weights drawn by lot (at random).")

# %% play=true key="curve"
rows = []
amounts = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
for share in amounts:
    ways = {"global": global_masks(model, share), "per layer": layer_masks(model, share),
            "by lot, global": global_masks(model, share, random)}
    for way, masks in ways.items():
        right = accuracy(apply_masks(model, masks), images)
        rows.append({"way": way, "amount": share, "accuracy": right})
curve = pd.DataFrame(rows)

# %% play=true key="curve-picture" tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, curve, "amount", "accuracy", by="way")
ax.set_title(f"LeNet on {len(images):,} validation images, no training after pruning")
plt.show()

# %% play=true key="curve-reading" tags=["hide-input"]
at_half = curve[curve.amount == 0.5].set_index("way").accuracy
at_eighty = curve[curve.amount == 0.8].set_index("way").accuracy
print(f"50 % removed: global {at_half['global']:.1%}, per layer {at_half['per layer']:.1%}, "
      f"by lot {at_half['by lot, global']:.1%}")
print(f"80 % removed: global {at_eighty['global']:.1%}, per layer {at_eighty['per layer']:.1%}, "
      f"by lot {at_eighty['by lot, global']:.1%}")

# %% [markdown] key="scope-after"
# The line "by lot" is the **control**. It shows that the choice of weights matters, and not their number alone.
#
# Why does one cut for all keep more? The same share for each layer takes from every layer, whether it can spare the
# weights or not. The harms add up, and more: a layer that gets damaged input has less to work with.
# One cut for all takes where many weights are small.
#
# On another network, where one layer has small weights that matter, the global cut may be the worse one.
# So measure both.

# %% [markdown] key="scan"
# ## Which layer minds most?
#
# A **sensitivity scan** prunes one layer at a time and leaves the others whole.
# What accuracy is left says how much this layer minds.

# %% play=true key="predict-scan" tags=["hide-input"]
Guess("Remove 90 % of one layer, and nothing elsewhere. Which layer hurts most?",
      lambda: min(weights, key=lambda name: accuracy(
          apply_masks(model, layer_masks(model, {name: 0.9})), images)),
      choices=list(weights), explain="A convolution uses each of its weights at every position of the image.")

# %% play=true key="scan-run"
scan = sensitivity(model, images, [0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, scan, "amount", "accuracy", by="layer")
ax.set(title="Sensitivity: one layer pruned, the others whole",
       xlabel="share of this layer's weights removed (%)")
plt.show()

# %% play=true key="scan-reading" tags=["hide-input"]
at_ninety = scan[scan.amount == 0.9].set_index("layer").accuracy.sort_values()
for name, value in at_ninety.items():
    share = weights[name].numel() / together
    print(f"{name:13} holds {share:5.1%} of the weights; without 90 % of it: {value:.1%} right")
for pair in ("conv1.weight", "conv2.weight"), ("fc1.weight", "fc2.weight"):
    share = sum(weights[name].numel() for name in pair) / together
    print(f"{' and '.join(pair)} together: {share:.0%}")

# %% [markdown] key="scan-after"
# The two convolutions mind most, and together they hold few of the weights.
# `fc1` and `fc2` hold nearly all of them, and mind little.
# That is why so much can go, and why one share for every layer is a poor plan.
#
# To have few weights is no reason alone: `fc3` has 840, fewer than `conv2`, and minds little too.

# %% [markdown] key="debug-text"
# ### Debug: a scan that breaks its own network
#
# Below is a function for such a scan. It should return **new** weights, in which only the layer `name` is pruned.
# The result looks right. Still, each scan made with it comes out too low from the second layer on. Mend it.
#
# `weights` is a dict, `{layer name: tensor}`. Worked value: pruning half of `"a"` in
# `{"a": [4, 1, 3, 2], "b": [5, 6]}` gives `{"a": [4, 0, 3, 0], "b": [5, 6]}`, and the weights given stay whole.

# %% debug="prune_one_layer"
def prune_one_layer(weights, name, amount):
    """New weights, with the smallest share `amount` of layer `name` set to 0.

    weights: {name: tensor} -> such a dict, new.
    """
    ### BEGIN FAULTY
    # pruned = dict(weights)
    ### END FAULTY
    ### BEGIN SOLUTION
    pruned = {key: tensor.clone() for key, tensor in weights.items()}
    ### END SOLUTION
    flat = pruned[name].view(-1)
    lowest = flat.abs().argsort()[:round(amount * flat.numel())]
    flat[lowest] = 0
    return pruned


# %% check="prune_one_layer" points=2
layers = {"a": torch.tensor([4.0, -1.0, -3.0, 2.0]), "b": torch.tensor([[5.0, 6.0]])}
call = student_call("prune_one_layer", layers, "a", 0.5)
expect(isinstance(call.value, dict) and call.value.keys() == layers.keys(), id="all-layers",
       hint="Return all layers, the pruned one and the others, so that the network can run.")
expect(call.value["b"], [[5.0, 6.0]], id="others",
       hint="Only the layer `name` is pruned; b must come back as it was.")
expect(call.value["a"], [4.0, 0.0, -3.0, 0.0], id="pruned",
       hint="In a, the two weights nearest to zero become 0 in the tensors that you return: "
            "-1 and 2.")
expect(call.arguments[0], layers, id="unchanged",
       hint="The weights given have changed. A dict is a list of names for tensors: copying "
            "the dict copies the names, not the tensors. Copy the tensor that you write into, "
            "before you write: clone() does it, view() and flatten() share the memory.")
expect(student("prune_one_layer", layers, "b", 0.5)["b"], [[0.0, 6.0]], id="rows",
       hint="Here b is the layer to prune, and it has a row: 5 becomes 0, 6 stays, and the "
            "shape is 1 x 2 as before.")
### BEGIN HIDDEN TESTS
block = {"e": torch.tensor([[1.0, 2.0], [3.0, -4.0]])}
expect(student("prune_one_layer", block, "e", 0.5)["e"], [[0.0, 0.0], [3.0, -4.0]], id="whole-layer",
       hint="All weights of the layer compete. The smallest of each row are not the smallest of the layer.")
long = {"c": torch.arange(1.0, 101.0)}
expect((student("prune_one_layer", long, "c", 0.29)["c"] == 0).sum(), 29, id="count",
       hint="round(amount * number of weights) go; int() removes one too few when 0.29 * 100 "
            "is a little under 29.")
same = {"d": torch.ones(5)}
zeros_left = [(student("prune_one_layer", same, "d", share)["d"] == 0).sum() for share in (0.0, 0.5, 1.0)]
expect(zeros_left, [0, 2, 5], id="ties",
       hint="Among equal weights the number that goes stays exact, and with amount 0 nothing goes: "
            "keep argsort()[:round(...)] as it was.")
### END HIDDEN TESTS

# %% [markdown] key="pitfall-scan-text"
# **Pitfall: scanning a network that is already pruned.** The switch below turns the mistake on: after each layer
# the scan goes on with the pruned network and forgets to go back to the whole one. Tick it, and compare the two
# columns.
# The honest one judges each layer by itself. In the other one the last layers look guilty of what the first did.

# %% play=true key="pitfall-scan" tags=["hide-input"]
def scan_layers(forget_to_restore):
    current, rows = model, {}
    for name in prunable(model):
        masks = layer_masks(model, {name: 0.8})
        honest = apply_masks(model, masks)
        current = apply_masks(current if forget_to_restore else model, masks)
        rows[name] = {"honest": f"{accuracy(honest, images):.1%}",
                      "this scan": f"{accuracy(current, images):.1%}"}
    return pd.DataFrame(rows).T

explore(scan_layers, forget_to_restore=False)

# %% [markdown] key="cliff"
# ## The cliff
# *Short path*
#
# Back to the global cut: one cut for all layers together, as in the first explorer.
# For a long way accuracy hardly moves. What comes then?

# %% play=true key="predict-cliff" tags=["hide-input"]
at_sixty = accuracy(apply_masks(model, global_masks(model, 0.6)), images)
Guess(f"With 60 % of its weights removed, LeNet still reads {at_sixty:.1%} of the images right. How many per cent "
      "with 97 % removed, beyond the end of the slider?",
      lambda: 100 * accuracy(apply_masks(model, global_masks(model, 0.97)), images), unit="%",
      explain="Beyond some amount every step costs more than the last one.")

# %% [markdown] key="over-pruning"
# Pruning beyond the flat part is called **over-pruning**. It is tempting, because the flat part looks as if it
# would go on for ever.
#
# The switch below turns that mistake on: it takes the slope between 30 and 60 % and draws it on.
# Tick it. Start at 60 %, go up step by step, and compare what it expects with the measurement.

# %% play=true key="pitfall-cliff" tags=["hide-input"]
def over_prune(amount, trust_the_flat_part):
    at = {share: accuracy(apply_masks(model, global_masks(model, share)), images)
          for share in (0.3, 0.6, amount)}
    figures = {"measured": f"{at[amount]:.1%}"}
    if trust_the_flat_part:
        slope = (at[0.6] - at[0.3]) / 0.3
        figures["expected from the flat part"] = f"{at[0.6] + slope * (amount - 0.6):.1%}"
    return figures

explore(over_prune, amount=(0.6, 0.95, 0.05), trust_the_flat_part=False)

# %% play=true key="cliff-picture" tags=["hide-input"]
one_cut = curve[curve.way == "global"].assign(way="measured")
at = one_cut.set_index("amount").accuracy
slope = (at[0.6] - at[0.3]) / 0.3
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, one_cut, "amount", "accuracy", by="way")
ax.plot([0.3, 0.95], [at[0.3], at[0.3] + slope * 0.65], "--", color="black",
        label="the flat part, drawn on")
ax.set(title="The cliff: LeNet with one cut for all layers", ylim=(0, 1.05))
ax.legend(loc="lower left")
plt.show()

# %% [markdown] key="cliff-after"
# The expected figure hardly falls; the measured one collapses.
# A network has spare weights, and when those are gone it has none.
# Han and others (2015) report the same shape for AlexNet: half of the weights go for free with no training, and
# 9 times fewer with it. Training again after pruning moves the cliff. That is lesson 05.
#
# So never read an amount off a slope. Measure it, on validation images.

# %% [markdown] key="two-four"
# ## Extra: two of every four
#
# Scattered zeros are hard to use: a processor that wants to skip them has to look for them first.
# A pattern helps. In **2:4 sparsity**, two of every four neighbouring weights are zero.
# The hardware then knows where to look: for each weight that stays, two bits say which of the four it was.
#
# Mishra and others (2021) describe NVIDIA's sparse tensor cores, which run such products at up to twice the rate.
# This computer has none, so here 2:4 is a mask like any other. You can still see what it costs in accuracy.

# %% [markdown] key="exercise-3"
# ### Extra: exercise 3, a 2:4 mask
#
# Write `two_of_four_mask(weight)`. Each row is cut into groups of four neighbours, and in each group the two
# weights farthest from zero stay.
#
# - `weight` has shape (outputs, inputs), and inputs is a multiple of 4.
# - Exactly two of each group stay, also when weights are equal.
#
# Worked value: `[[0.1, -0.4, 0.2, -0.3]]` gives `[[False, True, False, True]]`.
#
# This is the hardest exercise of the lesson. Two ways lead there:
#
# - two loops, over the rows and over the starts 0, 4, 8, ... of the groups; `topk(2).indices` of a group's four
#   sizes says which two stay, counted from the start of the group;
# - no loop: `reshape(-1, 4)` puts each group in a row of its own, `topk(2, dim=1)` gives two places in each row, and
#   `mask.scatter_(1, places, True)` writes True there. Plain `mask[places] = True` does not work: it takes the
#   places for rows.

# %% exercise="two_of_four_mask"
def two_of_four_mask(weight):
    """Mask with two True in each four neighbours of a row.

    weight: (outputs, inputs) -> bool tensor of that shape.
    """
    ### BEGIN SOLUTION
    groups = weight.abs().reshape(-1, 4)
    best = groups.topk(2, dim=1).indices
    keep = torch.zeros_like(groups, dtype=torch.bool)
    keep[torch.arange(len(groups))[:, None], best] = True
    return keep.reshape(weight.shape)
    ### END SOLUTION


# %% check="two_of_four_mask" points=3 library=["n_m_masks"]
row = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
expect(student("two_of_four_mask", row), [[False, True, False, True]], id="two-stay",
       hint="True for the two largest of the four, 0.4 and 0.3, and False for the other two.")
signed = torch.tensor([[0.1, -0.4, 0.2, -0.3]])
expect(student("two_of_four_mask", signed), [[False, True, False, True]], id="sign",
       hint="-0.4 and -0.3 are farthest from zero: compare without the sign.")
expect(student("two_of_four_mask", row), [[False, True, False, True]], dtype="bool", id="bool",
       needs="two-stay",
       hint="The places are right, the type is not. A mask is a bool tensor, as a comparison "
            "gives it.")
pairs = torch.tensor([[2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0]])
expect(student("two_of_four_mask", pairs), [[True, True, False, False] * 2], id="shape",
       needs="two-stay",
       hint="The mask has the shape of the weight, (outputs, inputs): undo the grouping "
            "before you return.")
falling = torch.tensor([[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
expect(student("two_of_four_mask", falling), [[True, True, False, False] * 2], id="groups",
       needs="two-stay",
       hint="Each group of four neighbours keeps two of its own: 8 and 7 of the first, 4 and "
            "3 of the second. It is not the better half of the row, and neighbours stand side "
            "by side.")
square = torch.arange(1.0, 17.0).reshape(4, 4)
expect(student("two_of_four_mask", square), [[False, False, True, True]] * 4, id="rows",
       needs="two-stay",
       hint="Groups run along a row, over the inputs of one output: the last dimension.")
stay = [student("two_of_four_mask", equal).reshape(2, 4).sum(1) for equal in (torch.ones(1, 8), torch.zeros(1, 8))]
expect(stay, [[2, 2], [2, 2]], id="ties", needs="two-stay",
       hint="Four equal weights, four zeros too: still exactly two stay. Comparing with a cut keeps all of "
            "them or none; take places with topk or argsort.")
expect(student_call("two_of_four_mask", -square).arguments[0], -square, id="unchanged",
       needs="rows",
       hint="Your function changed the weights. Work on a copy, and without methods that end "
            "in _.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

wide = 1e-6 * torch.randn(7, 24, generator=fresh())
layer = torch.nn.Linear(24, 7)
layer.weight.data = wide.clone()
expect(student("two_of_four_mask", wide), n_m_masks(layer)["weight"], id="any-size",
       hint="Your mask differs from the library's on a 7 x 24 weight with very small numbers.")
### END HIDDEN TESTS

# %% [markdown] key="two-four-quick"
# **Going further.** Write `n_of_m_mask(weight, n, m)`. Then compare 1:2, 2:4 and 4:8 on LeNet: the same share goes
# in all three, but the larger groups leave more freedom. Does accuracy follow?

# %% play=true key="two-four-use"
own_pattern = use("two_of_four_mask", otherwise=None)
linear = ["fc1.weight", "fc2.weight", "fc3.weight"]
masks = n_m_masks(model, names=linear)
if own_pattern:
    masks = {name: own_pattern(weights[name]) for name in linear}
free = layer_masks(model, dict.fromkeys(linear, 0.5))
print(f"whole network:                         {accuracy(model, images):.1%}")
print(f"2:4 in the linear layers:              {accuracy(apply_masks(model, masks), images):.1%}")
print(f"half of each linear layer, no pattern: {accuracy(apply_masks(model, free), images):.1%}")

# %% [markdown] key="two-four-after"
# All three lie close together. The linear layers can spare half of their weights, so even the strict pattern finds
# enough that may go. It leaves less choice, though: where three of four neighbours matter, one of them goes all the
# same. A difference of 0.1 % is one image, and says nothing.

# %% [markdown] key="cost"
# ## What a mask costs and saves
# *Short path*
#
# Most of LeNet's weights can be zero. Time to ask what that buys.

# %% play=true key="predict-file" tags=["hide-input"]
Guess("80 % of the weights are zero. You save the network the usual way. How large is the file?",
      lambda: "as large as before" if file_bytes(apply_masks(model, global_masks(model, 0.8))) == file_bytes(model)
      else "smaller", choices=["a fifth", "smaller, but more than a fifth", "as large as before"],
      explain="A zero is stored like any other number: in 4 bytes.")

# %% play=true key="cost-files"
pruned = apply_masks(model, global_masks(model, 0.8))
sizes = pd.DataFrame({"whole": [file_bytes(model), gzip_bytes(model), sparse_bytes(model)],
                      "80 % zero": [file_bytes(pruned), gzip_bytes(pruned), sparse_bytes(pruned)]},
                     index=["dense file", "dense file, gzip", "sparse file"])
sizes["times smaller"] = file_bytes(model) / sizes["80 % zero"]  # always than the dense file
sizes.style.format({"whole": "{:,} bytes", "80 % zero": "{:,} bytes", "times smaller": "{:.2f}"})

# %% [markdown] key="cost-files-after"
# - The **dense file** stores every entry of every tensor. It does not change by a byte.
# - **gzip** finds runs of zeros by itself and packs them. The file must be unpacked before use.
# - The **sparse file** stores only the nonzero values, and one bit for each entry that says where they belong.
#   A tensor with so few zeros that this would be larger is stored as it is.
#
# gzip does about as well. Why then a sparse form? It is not undone before use: a program can take one layer out of
# the file and keep it packed in memory. The unpacked gzip file is a dense network again.

# %% [markdown] key="exercise-4"
# ### Exercise 4: the size of a sparse tensor
#
# Write `packed_bytes(weight)`: how many bytes a tensor takes in the sparse form. Add up two parts:
#
# - each nonzero value takes `weight.element_size()` bytes: 4 for float32, 2 for float16;
# - the places take one bit for each entry of the tensor, zero or not, rounded up to whole bytes.
#
# Worked value: 16 float32 weights, 3 of them nonzero: 3 × 4 + 16 / 8 = 14 bytes.

# %% exercise="packed_bytes"
def packed_bytes(weight):
    """Bytes of the nonzero values and of one bit an entry.

    weight: tensor of any shape and dtype -> int.
    """
    ### BEGIN SOLUTION
    values = int(weight.count_nonzero()) * weight.element_size()
    bits = weight.numel()
    return values + (bits + 7) // 8
    ### END SOLUTION


# %% check="packed_bytes" points=2 library=["save_sparse", "sparse_bytes"]
zeros = torch.zeros(16)
expect(student("packed_bytes", zeros), 2, id="bits",
       hint="16 zeros: no value is stored, and 16 bits are 2 bytes. Each entry has its bit, "
            "zero or not.")
three = torch.cat([torch.tensor([0.5, 0.5, 4.0]), torch.zeros(13)])
expect(student("packed_bytes", three), 14, id="values",
       hint="3 nonzero values of 4 bytes, and 2 bytes of places. Count the values; their size "
            "does not matter.")
expect(student("packed_bytes", -three), 14, id="negative",
       hint="A negative weight is not zero either.")
tiny_values = three * 1e-30
expect(student("packed_bytes", tiny_values), 14, id="small-values",
       hint="A weight of 1e-30 is not zero: it needs its 4 bytes. Only exact zeros are "
            "left out.")
expect(student("packed_bytes", torch.zeros(17)), 3, id="round-up",
       hint="17 bits need 3 whole bytes: 2 are too few, and a part of a byte does not exist.")
expect(student("packed_bytes", torch.zeros(4, 2, 3, 3)), 9, id="dimensions",
       hint="Count the entries over all dimensions: 4 x 2 x 3 x 3 are 72 bits.")
expect(student("packed_bytes", three.half()), 8, id="dtype",
       hint="A float16 value takes 2 bytes, not 4: ask weight.element_size().")
expect(student("packed_bytes", torch.ones(16)), 66, id="full", needs="values",
       hint="16 nonzero values take 64 bytes and the places 2 more, 66 together. Add up both "
            "parts, also where the dense tensor would be smaller.")
expect(student_call("packed_bytes", three).arguments[0], three, id="unchanged", needs="values",
       hint="Your function changed the weights that it was given. Count without writing into them.")
### BEGIN HIDDEN TESTS
expect(student("packed_bytes", three.double()), 26, id="double",
       hint="A float64 value takes 8 bytes: ask weight.element_size().")
layer = apply_masks(pretrained("lenet"), global_masks(pretrained("lenet"), 0.8)).fc1.weight.detach()
expect(student("packed_bytes", layer), 4 * (layer != 0).sum() + 6000, id="lenet",
       hint="On LeNet's pruned fc1 the number is off.")
### END HIDDEN TESTS

# %% [markdown] key="packed-quick"
# **Going further.** Another way to store places is one 16-bit number for each nonzero value. From which share of
# zeros on is that smaller than one bit for each entry? Work it out, then check it with a slider.

# %% [markdown] key="packed-use-text"
# Does your formula hold for a real file? The slider prunes, adds up your bytes over all tensors, and writes the
# file. For each tensor it takes your bytes or the dense bytes, whichever are fewer, as the file does.
#
# What is left over is the file's header: names and shapes. It grows when a tensor is stored sparse, for then it
# has two entries there, values and places.

# %% play=true key="packed-use"
def sparse_file_of_one(weight):
    empty = sparse_bytes(torch.nn.ParameterList([torch.zeros(0)]))  # nothing but the header
    return sparse_bytes(torch.nn.ParameterList([weight])) - empty

bytes_of = use("packed_bytes", otherwise=sparse_file_of_one)

def compare(amount):
    pruned = apply_masks(model, global_masks(model, amount))
    mine = sum(min(bytes_of(tensor), tensor.nbytes) for tensor in pruned.state_dict().values())
    real = sparse_bytes(pruned)
    return {"computed": f"{mine:,} bytes", "real file": f"{real:,} bytes",
            "left over": f"{real - mine:,} bytes"}

explore(compare, amount=(0.0, 0.95, 0.05))

# %% [markdown] key="latency-text"
# Now time. The whole network and the pruned one run the same image, 200 times each, on one thread.

# %% play=true key="latency"
whole_time = latency(lambda: model(data.example), repeats=200)
pruned_time = latency(lambda: pruned(data.example), repeats=200)
for name, timed in (("whole:", whole_time), ("80 % zero:", pruned_time)):
    print(f"{name:10} {timed.p50_ms:.3f} ms (median), {timed.p95_ms:.3f} ms (95th percentile)")
print(f"the pruned network takes {pruned_time.p50_ms / whole_time.p50_ms:.2f} times as long")
print("multiplications an image:", f"{count_macs(model, data.example):,} whole,",
      f"{count_macs(pruned, data.example):,} pruned")

# %% [markdown] key="latency-why"
# Both networks take about the same time. Why?
# A dense layer is one big matrix product. A **kernel** computes it: here that is the routine that computes a layer, not
# the weights of a convolution. Its loop goes over all entries and never looks at their values.
# A product with zero takes as long as any other. You can see it on a bare matrix.

# %% play=true key="latency-zeros"
matrix, column = torch.randn(512, 512), torch.randn(512, 1)
for name, one in (("random", matrix), ("90 % zero", matrix.where(torch.rand(512, 512) < 0.1, 0.0)),
                  ("all zero", torch.zeros(512, 512))):
    timed = latency(lambda one=one: one @ column, warm_up=50, repeats=500)
    print(f"{name:10} {1000 * timed.p50_ms:6.1f} microseconds")

# %% [markdown] key="cost-after"
# To gain time you need one of three things:
#
# - hardware and kernels for a pattern, such as 2:4 (two zeros in each four weights, see above);
# - kernels for scattered zeros, which have to look up where each weight belongs;
# - tensors that really shrink: whole channels go, and the product gets smaller. That is lesson 06.
#
# **A mask alone makes nothing faster, and nothing smaller until it is packed.**
#
# **Going further.** `matrix.to_sparse_csr() @ column` is such a kernel for scattered zeros. Time it with 50, 80, 95
# and 99 % zeros. From where on does it beat the dense product on your machine?

# %% [markdown] key="resnet"
# ## A harder task
#
# MNIST is easy, and LeNet has weights to spare. ResNet8 has a few more weights and a much harder task:
# telling ten kinds of things apart on small colour photos, CIFAR-10. How far does magnitude pruning go there?
# We look at 500 photos, so one point is five photos: read the curve roughly.

# %% play=true key="load-resnet"
photos = load("cifar10").validation[:500]
resnet = pretrained("resnet8")
print(f"accuracy on {len(photos)} validation photos: {accuracy(resnet, photos):.1%}")

# %% play=true key="predict-resnet" tags=["hide-input"]
Guess("ResNet8 loses half of its weights, one cut for all. How many points of accuracy does that cost?",
      lambda: 100 * (accuracy(resnet, photos)
                     - accuracy(apply_masks(resnet, global_masks(resnet, 0.5)), photos)), unit="points",
      explain="A network with fewer weights to spare meets its cliff sooner.")

# %% play=true key="resnet-curve" tags=["hide-input"]
rows = []
for share in (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9):
    rows.append({"network": "ResNet8 on CIFAR-10", "amount": share,
                 "accuracy": accuracy(apply_masks(resnet, global_masks(resnet, share)), photos)})
    rows.append({"network": "LeNet on MNIST", "amount": share,
                 "accuracy": accuracy(apply_masks(model, global_masks(model, share)), images)})
networks = pd.DataFrame(rows)
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, networks, "amount", "accuracy", by="network")
ax.set_title("Two networks, one global cut, no training after pruning (validation)")
plt.show()

# %% play=true key="resnet-reading" tags=["hide-input"]
for name, rows in networks.groupby("network"):
    rows = rows.set_index("amount").accuracy
    safe = max(share for share in rows.index if (rows[rows.index <= share] > rows[0.0] - 0.02).all())
    print(f"{name}: {safe:.0%} can go for less than 2 points")

# %% [markdown] key="resnet-after"
# There is no amount that fits every network. It depends on the network, on the task, and on the data.
# What carries over is the way to find it.

# %% [markdown] key="measure"
# ## Measure, then judge
#
# First choose, on **validation** images: all 4,000, so that a point is more than a few images.
# Take the largest amount that costs less than 1 point.

# %% play=true key="choose"
before_choice = accuracy(model, data.validation)
for share in (0.6, 0.7, 0.75, 0.8, 0.85, 0.9):
    drop = before_choice - accuracy(apply_masks(model, global_masks(model, share)), data.validation)
    print(f"{share:.0%} removed costs {100 * drop:.2f} points")
    if drop < 0.01:
        chosen = share
print(f"chosen: {chosen:.0%}")

# %% [markdown] key="measure-text"
# Does an amount cost less than the one before it? That is noise: one of 4,000 images is 0.025 points.
#
# Now, and only now, the **test** images: once, for the final numbers.
# Had we chosen the amount on them, the number would flatter us.
#
# Lessons 01 and 02 explain the measures. In short: the **95 % interval** says how far the accuracy may be off because
# these images were drawn and not others. A **MAC** is one multiplication and the addition that goes with it. The
# **median** of the latency is the middle run; **p95** is the time that 95 of 100 runs stay under.

# %% play=true key="measure-run"
small = apply_masks(model, global_masks(model, chosen))
before = measure(model, data.test)
after = measure(small, data.test)
pd.DataFrame({"whole": dict(before.rows()), f"{chosen:.0%} zero": dict(after.rows())})

# %% [markdown] key="verdict-text"
# `verdict` applies the course's rules of thumb. Good is an accuracy drop under 2 points, a file 50 % smaller, a
# latency 30 % lower. Bad is a drop over 5 points, which nothing makes up for, or no saving worth having. Between
# lies **borderline**. A `Budget` holds these limits, and says which file you ship.

# %% play=true key="verdict" tags=["hide-input"]
judged = verdict(before, after, Budget(file="sparse_bytes"))
reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
dense = verdict(before, after).rating
display(Markdown(
    f"With the sparse file: **{judged.rating}**\n\n{reasons}\n\nWith the dense file: **{dense}**"))

# %% [markdown] key="verdict-after"
# Read each reason. The accuracy is good, and so is the size, provided that the sparse file is what you ship.
# Any difference in latency is chance: run the two cells again, and it is another one.
# (`mcnemar` is a test that compares two networks image by image. Lesson 03 explains it.)
#
# Is this worth it? For a download over a slow network, yes. For a slow processor, no.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Scanning a network that is already pruned.** The first switch above. Each layer starts from the whole network.
# - **Over-pruning.** The flat part ends in a cliff. The second switch above; look at both figures again.
# - **Taking zeros for savings.** "80 % sparse" says nothing about bytes or milliseconds. Measure the file that you
#   ship, and the time on the device that you ship to.
# - **Choosing on the test set.** Amounts, layers and criteria are chosen on validation images.

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

# %% graded="answer_1" points=1 section="cost"
def answer_1(draw):
    network, percent = draw.pick(["LeNet", "ResNet8", "a small VGG", "a network"]), draw.integer(50, 90, 5)
    removed, packed = draw.pick([(True, False), (True, True), (False, False)])
    after = "calls `prune.remove` on each layer" if removed else "does nothing else with the layers"
    return draw.choice(
        f"A colleague prunes {percent} % of each layer of {network} with `l1_unstructured`, {after}, and saves the "
        f"`state_dict`{' compressed with gzip' if packed else ''}. \"The download is now {percent} % smaller.\" "
        f"What is true, beside the whole network {'compressed' if packed else 'saved'} in the same way?",
        {"The file is about as large: the zeros are stored like any other number.": removed and not packed,
         "The file is about twice as large: it holds the old weights and a mask for each.": not removed,
         "The file is clearly smaller: the zeros are still in the tensors, and take hardly any room.":
             removed and packed},
        never=["The file is smaller: a pruned tensor holds only the weights that are left.",
               "The file is smaller as soon as the network has run once and the zeros are dropped.",
               "The file is about as large: pruning marks weights and changes no number."],
        hint="Which tensors are in the state_dict now, of which shape, and what do they hold? And what does the way "
             "of saving do with a long row of zeros?")

# %% graded="answer_2" points=1 section="scan"
def answer_2(draw):
    layers, small = ["first", "second", "third"], draw.integer(2, 6)
    large = draw.integer(40, 54)
    shares = draw.sample([small, large, 100 - small - large], 3)
    losses = draw.sample([draw.integer(2, 9), draw.integer(25, 60), draw.integer(90, 400)], 3)  # in tenths of a point
    whole = draw.integer(985, 995)
    must = draw.integer(26, 30)
    enough = [layer for layer, share in enumerate(shares) if 0.8 * share >= must]
    best = min(enough, key=losses.__getitem__)
    rows = "\n".join(f"| {layers[i]} | {shares[i]} % | {(whole - losses[i]) / 10:.1f} % |" for i in range(3))
    return draw.choice(
        f"A sensitivity scan at 80 % gives these accuracies; the whole network has {whole / 10:.1f} %.\n\n"
        "| layer | share of all weights | accuracy with 80 % of this layer removed |\n|---|---|---|\n" + rows +
        f"\n\nAt least {must} % of all weights must go, with as little harm as possible. Which plan does the scan "
        "speak for?",
        {f"Remove 80 % of the {layers[i]} layer, and measure.": i == best for i in range(3)},
        never=[f"Remove {must} % of each layer: the scan shows that all of them mind alike.",
               "Remove 80 % of all three: the accuracies show that each of them bears it."],
        hint="Work out how many of all weights each plan removes, and what the scan says about that layer. A layer "
             "that is too small cannot give what must go.")

# %% graded="answer_3" points=1 section="cost"
def answer_3(draw):
    inputs, outputs = draw.integer(48, 240, 16), draw.integer(24, 120, 8)
    entries = inputs * outputs
    mask, kept = draw.pick([("A 2:4 mask (two of every four weights go) is applied", entries // 2),
                            ("A mask removes 75 % of its weights", entries // 4),
                            ("A mask removes a quarter of its weights", entries * 3 // 4)])
    return draw.number(
        f"A linear layer has {inputs} inputs and {outputs} outputs. {mask}, and then the layer's weights are stored in "
        "the sparse form of exercise 4 (float32, one bit an entry). How many bytes is that? Write a number.",
        kept * 4 + entries // 8, within=(0, 10_000_000), tolerance=0,
        hint=f"Two parts: the {kept:,} entries that stay at 4 bytes each, and one bit for every entry.")

# %% graded="answer_4" points=1 section="scan"
def answer_4(draw):
    same, falls = draw.pick([(True, False), (False, False), (False, True)])
    limit, first = draw.integer(3, 19) / 100, draw.integer(961, 993)
    second = first - draw.integer(21, 140) if falls else first
    return draw.choice(
        "What does this program tell about the network?\n\n```python\n"
        'network = pretrained("lenet")\n'
        f"shrunk = {'network' if same else 'copy.deepcopy(network)'}\n"
        "for weight in shrunk.parameters():\n"
        f"    weight.data[weight.data.abs() < {limit}] = 0\n"
        "print(accuracy(network, images), accuracy(shrunk, images))\n```\n\n"
        f"It prints `{first / 1000} {second / 1000}`.",
        {"Nothing: both names stand for one network, so it is compared with itself.": same,
         f"On these images it does as well without the weights below {limit}.": not same and not falls,
         f"It needs some of the weights below {limit}: without them it is right less often.": falls},
        never=["Nothing: `accuracy` trains the network again before it measures.",
               "Nothing: `parameters()` gives copies, so that no weight was changed.",
               "Pruning single weights never changes the accuracy; only channels count."],
        hint="Which object does the second line make? Remember the debug exercise. Then compare the two numbers.")

# %% [markdown] essay="reflect" points=3
# ## Reflect
#
# A company sorts parcels with a network like LeNet. It reads the digits of the postcode on a small computer at each
# gate. A colleague proposes to prune 90 % of the weights, "because 80 % cost almost nothing". The computers have
# slow processors and enough disk.
#
# Write five to eight sentences to your colleague. Say what you expect to happen to accuracy, to the file and to the
# speed, with at least two numbers that you measured in this lesson. Then say what you would do instead.
#
# === BEGIN MARK SCHEME ===
# One point each, 3 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **Accuracy falls off a cliff.** The answer says that the cost at 80 % tells nothing about 90 %, and supports it
#    with a number measured in the lesson: accuracy or drop at 85 or 90 % (with the shipped LeNet and the global cut
#    about 98 % and about 91 % on validation images; per layer far lower). Half a point without a number. (A strong
#    answer may go on: of postcodes of five digits, each right at 91 %, only about 62 % are right as a whole.)
# 2. **No speed from a mask.** The answer says that latency stays the same, because dense kernels multiply by zero
#    too, or that the dense file keeps its size, with one measured number or ratio (time, bytes). Since the
#    processors are the problem and the disk is not, unstructured pruning does not help here. Half a point for
#    "the file gets smaller, the time stays", without saying that this misses the company's problem.
# 3. **A sound alternative.** For example: choose the amount on validation images of these gates; set a limit for
#    the accuracy drop first (a wrong postcode sends a parcel astray); fine-tune after pruning; remove whole
#    channels; use hardware for 2:4; measure on the gate's own computer; or leave the network as it is. Half a point
#    for an alternative that would not help a slow processor and is not about accuracy either.
#
# No point for a claim that contradicts the lesson (such as "90 % fewer weights run ten times as fast"): it cancels
# the point of its line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# Beat the global cut. Remove **at least 90 %** of LeNet's weights, with no training, and keep more validation
# accuracy than `global_masks(model, 0.9)` does. The sensitivity scan tells you where to be gentle.
# Fill in your shares and run the cell. It is a step towards the capstone, the task that closes the course (lesson
# 10): there the file is limited too.

# %% play=true key="challenge-try"
shares = {"conv1.weight": 0.9, "conv2.weight": 0.9,
          "fc1.weight": 0.9, "fc2.weight": 0.9, "fc3.weight": 0.9}
mine = apply_masks(model, layer_masks(model, shares))
bar = apply_masks(model, global_masks(model, 0.9))
print(f"global cut: {sparsity(bar):.1%} removed, {accuracy(bar, data.validation):.2%} right")
print(f"yours:      {sparsity(mine):.1%} removed, {accuracy(mine, data.validation):.2%} right")
better = accuracy(mine, data.validation) > accuracy(bar, data.validation)
print("You beat it." if better and round(sparsity(mine), 4) >= 0.9 else "Not yet.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result" tags=["hide-input"]
points_lost = 100 * (before.accuracy - after.accuracy)
display(Markdown(
    f"**LeNet can lose {chosen:.0%} of its weights, with no training, for {points_lost:.1f} "
    "points of test accuracy; but its file gets smaller only when the zeros are packed, and it gets no faster.**"))

# %% [markdown] key="sources"
# Sources: S. Han, J. Pool, J. Tran, W. Dally, *Learning both Weights and Connections for Efficient Neural Networks*,
# 2015. A. Mishra and others, *Accelerating Sparse Deep Neural Networks*, 2021. M. Sun, Z. Liu, A. Bair, Z. Kolter,
# *A Simple and Effective Pruning Approach for Large Language Models*, 2023.

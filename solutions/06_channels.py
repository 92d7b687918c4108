# %% [markdown] key="title"
# # 06 · Channels: really smaller, really faster
#
# ResNet8 names what it sees on small colour photos. For each photo it does 12.5 million multiplications.
# You may cut out whole channels, a quarter of each layer. **How much faster does it get, and what does it still know?**
#
# After this lesson you can:
#
# - score channels, choose which stay, and cut them out of every tensor that holds them;
# - say which layers have to lose the same channels, and why;
# - tell saved multiplications from saved milliseconds, and win back some of the accuracy.
#
# You need some PyTorch: convolutions, batch norm, what a forward pass is. Lesson 04 helps, but is not needed.
#
# **Time:** about 71 minutes: 30 to read, guess and play, 25 for the three exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 47 minutes in all, with the practice.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Then read what is marked *Short path*, up to
# the next heading; answer the guesses there and move the sliders.

# %% setup=true key="setup" tags=["hide-input"]
from types import SimpleNamespace

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import Markdown, display
from torch.nn.functional import conv2d

from shrinklab import channels, plot
from shrinklab.channel_amounts import amount_for_macs
from shrinklab.channels import (
    channel_groups,
    channel_masks,
    recalibrate_batch_norm,
    remove_channels,
    shrink_channels,
)
from shrinklab.criteria import l1, random
from shrinklab.data import load
from shrinklab.distill import distill
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.fast import fast
from shrinklab.files import file_bytes
from shrinklab.masks import apply_masks, prunable, sparsity
from shrinklab.measure import count_macs, latency, measure, verdict
from shrinklab.metrics import accuracy, predict
from shrinklab.models import build, pretrained
from shrinklab.reconstruct import reconstruct
from shrinklab.train import Recipe
from shrinklab.widgets import Guess, Placement, Practice, RecallCards, channels_explorer, explore

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## From zeros to smaller tensors
# *Short path*
#
# A mask sets weights to zero. The tensors keep their size, and the processor multiplies by zero as slowly as by
# anything else. To save time, tensors have to shrink.
#
# A convolution makes several pictures of its input, one for each of its **filters**. Each of these pictures is a
# **channel**. Remove a filter, and its channel is gone: fewer weights, fewer products, a smaller picture stack for the
# next layer. Removing whole channels is called **channel pruning** or **structured pruning**.
#
# Here is the network.

# %% play=true key="load"
data = load("cifar10")
resnet = pretrained("resnet8")
photos = data.validation[:500]  # photos that no training has seen
look = data.train.images[:200]  # training photos, used without their labels

def right(network):
    return accuracy(fast(network), photos)  # fast: the same predictions, sooner

# %% play=true key="photos" tags=["hide-input"]
figure, axes = plt.subplots(1, 8, figsize=(9, 1.6), layout="constrained")
answers = predict(resnet, photos.images[:8]).argmax(1)
plot.images(axes, data.to_pixels(photos.images[:8]), [f"says {data.classes[answer]}" for answer in answers])
figure.suptitle("Eight validation photos and ResNet8's answers")
plt.show()
print(f"{right(resnet):.1%} of {len(photos)} photos right, {count_macs(resnet, data.example):,} multiplications each")

# %% [markdown] key="macs-text"
# A multiplication with the addition that follows is one **MAC** (multiply-accumulate). It measures work, not time.
#
# Commit to three guesses before you go on.

# %% play=true key="predict-macs" tags=["hide-input"]
Guess("Every layer loses a quarter of its channels. How many per cent of the MACs are left?",
      lambda: 100 * count_macs(shrink_channels(resnet, 0.25, example=data.example), data.example)
      / count_macs(resnet, data.example), unit="%",
      explain="A layer then has three quarters of its inputs and three quarters of its outputs: 0.75 × 0.75 is 0.56. "
              "The colours of the photo and the ten classes stay.")

# %% play=true key="predict-time" tags=["hide-input"]
quarter = shrink_channels(resnet, 0.25, example=data.example)
Guess("And how many per cent of the time for one photo?",
      lambda: 100 * latency(lambda: quarter(data.example), repeats=200).p50_ms
      / latency(lambda: resnet(data.example), repeats=200).p50_ms, unit="%",
      explain="As a rule less is saved than the MACs promise. The section about the clock finds out why.")

# %% play=true key="predict-accuracy" tags=["hide-input"]
whole = right(resnet)
Guess(f"The whole network gets {whole:.1%} of the photos right. How many per cent without that quarter?",
      lambda: 100 * right(quarter), unit="%",
      explain="Most of what it knew seems gone. Not all of it is: the explorer below wins some back, and so will you.")

# %% [markdown] key="play-text"
# Now play. Each move cuts a new ResNet8, writes its file, times it beside the whole one, and runs 250 photos.
# Each box of the drawing is one layer: as wide as its inputs, as high as its outputs. Find out:
#
# 1. Remove 25 %. Which of the bars falls most, which least?
# 2. Tick the box about batch norms. What does it do to the accuracy, and what to the bars?
# 3. Judge the channels by lot. How much was the choice worth?
# 4. Round the channels kept to multiples of 8. Which layers change?

# %% play=true key="play"
channels_explorer()

# %% [markdown] key="play-after"
# What to look for: parameters, MACs and the file fall together. The time follows too, as a rule more slowly.
# The accuracy falls early, and looking again at some photos repairs a part of it.
# Small layers have to round up: 12 channels become 16 again, so with multiples of 8 less is removed.

# %% [markdown] key="cut"
# ## A channel has a maker and a reader
#
# Take two tiny convolutions. The first makes three channels of an image, the second reads them and adds them up.
# The kernels are 1 × 1, so that you can follow each number.

# %% key="tiny-pair"
image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
makes = torch.tensor([2.0, -1.0, 0.5]).reshape(3, 1, 1, 1)  # three filters, one input
reads = torch.tensor([1.0, 3.0, 4.0]).reshape(1, 3, 1, 1)   # one filter, three inputs
three = conv2d(image, makes)
print("whole:             ", conv2d(three, reads).flatten().tolist())

# %% key="tiny-cut"
zeroed = three.clone()
zeroed[:, 1] = 0
print("channel 1 is zero: ", conv2d(zeroed, reads).flatten().tolist())
keep = [0, 2]
print("channel 1 is gone: ", conv2d(conv2d(image, makes[keep]), reads[:, keep]).flatten().tolist())

# %% [markdown] key="cut-after"
# Gone and zero give exactly the same output. A sum does not notice whether a term is zero or missing.
#
# Look at what was cut. The **maker** lost a filter: an entry of its first dimension, the outputs.
# The **reader** lost what it did with that channel: an entry of its second dimension, the inputs.
# A convolution's weight has the shape (outputs, inputs, height, width).
#
# One warning. The *channel* was zero here. A *filter* of zeros is not enough when a bias or a batch norm follows.

# %% key="tiny-filter-zero"
norm = torch.nn.BatchNorm2d(1).eval()
norm.bias.data = torch.tensor([0.7])
behind = norm(torch.zeros(1, 1, 1, 3)).flatten().tolist()
print("a channel of zeros, behind a batch norm with bias 0.7:", [round(value, 1) for value in behind])

# %% [markdown] key="score"
# ## Which channels matter least?
#
# Li and others (2017) score a channel by its filter: the sum of the absolute values of all its weights.
# A filter of small weights makes a faint channel.

# %% [markdown] key="exercise-1"
# ### Exercise 1: score the channels
#
# Write `channel_scores(weight)`: for each output channel the sum of the absolute values of its filter.
#
# - `weight` is that of a convolution, (outputs, inputs, height, width), or of a linear layer, (outputs, inputs).
# - Return one row: a tensor with as many numbers as there are outputs.
#
# Worked value: two filters with two inputs each, `[[1, -2], [0.5, 4]]`, give `[3, 4.5]`.

# %% exercise="channel_scores"
def channel_scores(weight):
    """Score each output channel by the size of its filter.

    weight: (outputs, inputs, ...) -> tensor (outputs,).
    """
    ### BEGIN SOLUTION
    return weight.abs().flatten(1).sum(1)
    ### END SOLUTION


# %% check="channel_scores" points=2 library=["channel_scores", "scores_of"]
square = torch.tensor([[1.0, 2.0], [2.0, 5.0]]).reshape(2, 2, 1, 1)
expect(student("channel_scores", square), [3.0, 7.0], id="sum",
       hint="Two filters, so two numbers in one row: 1 + 2 and 2 + 5. Add the sizes up: no mean, no square, no "
            "largest. flatten(1) puts each filter into a row.")
signed = torch.tensor([[1.0, -2.0], [-2.0, 4.5]]).reshape(2, 2, 1, 1)
expect(student("channel_scores", signed), [3.0, 6.5], id="sign",
       hint="1 + 2 and 2 + 4.5. A weight of -2 counts as much as one of +2: drop the sign of each weight before you "
            "add, not of the sum. Fractions stay.")
tall = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).reshape(3, 2, 1, 1)
expect(student("channel_scores", tall), [3.0, 7.0, 11.0], id="axis",
       hint="Three filters with two inputs each. The first dimension counts the filters, and weight[0] is one of "
            "them: add over all dimensions but the first.")
kernels = torch.arange(8.0).reshape(2, 1, 2, 2)
expect(student("channel_scores", kernels), [6.0, 22.0], id="kernel",
       hint="A filter has height and width too: 0 + 1 + 2 + 3 for the first one. Each of its weights counts.")
expect(student("channel_scores", tall.flatten(1)), [3.0, 7.0, 11.0], id="linear",
       hint="A linear layer's weight has two dimensions only. flatten(1) works for both kinds of layer.")
expect(isinstance(student("channel_scores", square), torch.Tensor), id="tensor", needs="sum",
       hint="The numbers are right. Return them as a tensor: the library sorts and adds tensors.")
call = student_call("channel_scores", signed)
expect(call.arguments[0], signed, id="unchanged", needs="sign",
       hint="Your function changed the weights that it was given. Methods that end in _ work in place.")
### BEGIN HIDDEN TESTS
from shrinklab.exercise import fresh

filters = torch.randn(5, 3, 3, 3, generator=fresh())
expect(student("channel_scores", filters), filters.where(filters > 0, -filters).sum((1, 2, 3)), id="fractions",
       hint="Scores are exact for any number of filters, and for fractions.")
### END HIDDEN TESTS

# %% [markdown] key="score-quick"
# **Going further.** Score by the square root of the sum of squares instead (He and others, 2018, do so). For which
# layers of ResNet8 does the order change? Does it matter for the accuracy?

# %% [markdown] key="score-picture-text"
# Now score the trained ResNet8. Each line is a layer, its channels in order from the largest score to the smallest.
# The two layers in shortcuts and `block1.conv2` share a line with another layer, as a later section explains.

# %% play=true key="score-picture" tags=["hide-input"]
weights = {name: dict(resnet.named_parameters())[name].detach().clone() for name in prunable(resnet)}
table = channels.channel_scores(resnet, example=data.example, reads=False)
rows = [{"layer": name, "place": place / (len(scores) - 1), "score": score / scores.max().item()}
        for name, scores in table.items() for place, score in enumerate(scores.sort(descending=True).values.tolist())]
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, pd.DataFrame(rows), "place", "score", by="layer")
ax.set(title="Channel scores of ResNet8, from the largest down", xlabel="place (0 = largest, 1 = smallest)",
       ylabel="score / the layer's largest score", ylim=(0, 1.05))
plt.show()

# %% [markdown] key="score-picture-after"
# A line that falls early would belong to a layer with many faint channels. Here no line falls far: even the faintest
# channel has more than half of the largest score. All channels look alike, so the score is a weak guide, and you
# should expect to lose accuracy soon.

# %% [markdown] key="exercise-2"
# ### Exercise 2: choose the channels that stay
#
# Write `keep_channels(scores, amount)`: the places of the channels that stay, as a tensor of whole numbers.
#
# - `round(amount * number of channels)` channels with the lowest scores go. Among equal scores any may go.
# - At least one channel stays, the best one, also with amount 1. A layer without channels can't run.
# - The places come in ascending order, so that the channels keep their order.
#
# Worked values: scores `[4, 3, 0.1, 2]` and amount 0.25 give `[0, 1, 3]`. With amount 0.5 they give `[0, 1]`.
#
# Helpful: `argsort()` gives the places from the lowest score to the highest, and `sort().values` puts numbers in order.

# %% exercise="keep_channels"
def keep_channels(scores, amount):
    """Places of the channels that stay when the share `amount` of the lowest scores goes.

    scores: (channels,); amount: 0 to 1 -> int64 tensor, ascending, at least one place.
    """
    ### BEGIN SOLUTION
    gone = min(round(amount * len(scores)), len(scores) - 1)
    return scores.argsort()[gone:].sort().values
    ### END SOLUTION


# %% check="keep_channels" points=3 library=["_compete", "channel_masks", "choose", "kept_counts"]
four = torch.tensor([4.0, 3.0, 0.1, 2.0])
expect(torch.as_tensor(student("keep_channels", four, 0.25)).sort().values, [0, 1, 3], id="worked",
       hint="A quarter of four channels is one: channel 2 has the lowest score and goes. Return the places of those "
            "that stay: no mask, no scores. And amount is the share that goes.")
expect(torch.as_tensor(student("keep_channels", four, 0.5)).sort().values, [0, 1], id="half", needs="worked",
       hint="Half of four are two: channels 2 and 3 go. The amount is a share, no value to compare scores with.")
rising = torch.tensor([1.0, 2.0, 8.0, 9.0, 7.0])
expect([student("keep_channels", four, 0.25), student("keep_channels", rising, 0.4)], [[0, 1, 3], [2, 3, 4]],
       id="order", needs="worked",
       hint="The places are right, their order is not. argsort and topk order by score; sort the places themselves "
            "at the end, or the channels change places.")
uneven = torch.arange(100.0) ** 2
left = [len(student("keep_channels", uneven[:n], share)) for share, n in ((0.29, 100), (0.55, 100), (0.5, 7))]
expect(left, [71, 45, 3], id="count", needs="half",
       hint="round(amount * number of channels) go. In floating point 0.29 * 100 is a little under 29 and 0.55 * 100 "
            "a little over 55: int() and ceil() miss by one.")
equal = torch.as_tensor(student("keep_channels", torch.ones(6), 0.5)).flatten()
expect([len(equal), len(equal.unique())], [3, 3], id="ties", needs="half",
       hint="Six equal scores, and exactly three different places stay. A cut takes equal scores all or none, and a "
            "score looked up by its value is found at one place only: use places, from argsort or topk.")
expect(student("keep_channels", torch.tensor([1.0, 5.0, 2.0]), 1.0), [1], id="one-left", needs="half",
       hint="With amount 1 the best channel stays all the same. Look out for [-0:], which is the whole list.")
expect(student("keep_channels", rising, 0.0), [0, 1, 2, 3, 4], id="nothing", needs="half",
       hint="With amount 0 all channels stay. Look out for [-0:] and for a minimum of one that goes.")
expect(student("keep_channels", four, 0.5), [0, 1], dtype="int64", id="whole-numbers", needs="half",
       hint="The places are right, the type is not. A tensor is indexed with a tensor of int64.")
expect(student_call("keep_channels", rising, 0.4).arguments[0], rising, id="unchanged", needs="half",
       hint="Your function changed the scores that it was given. Write into a copy.")
### BEGIN HIDDEN TESTS
expect(len(student("keep_channels", uneven[:5], 0.5)), 3, id="halves", needs="half",
       hint="round(2.5) is 2 in Python, and the text asks for round(); int(x + 0.5) gives 3.")
signed = torch.tensor([0.0, -3.0, 2.0])
expect(student("keep_channels", signed, 1 / 3), [0, 2], id="any-score", needs="half",
       hint="A score may be 0 or negative: take the lowest as they are, and mark places, not scores.")
filters = pretrained("resnet8").block3.conv1.weight.detach().abs().sum((1, 2, 3))
expect(student("keep_channels", filters, 0.3), channels.choose({"one": filters}, 0.3)["one"].nonzero().flatten(),
       id="resnet", needs="half", hint="On a layer of ResNet8 your choice differs from the library's.")
### END HIDDEN TESTS

# %% [markdown] key="keep-quick"
# **Going further.** Add `multiple=8`: the number that stays becomes the nearest multiple of it, at least one multiple
# and at most all. Halfway it goes up: 12 become 16. `shrink_channels(..., round_to=8)` shows what should come out.

# %% [markdown] key="pair"
# ## Cut both sides
#
# Between maker and reader there is often a batch norm. It holds four numbers for each channel: a scale (`weight`), a
# `bias`, and the mean and variance that it has seen (`running_mean`, `running_var`). They go with their channel.

# %% [markdown] key="exercise-3"
# ### Exercise 3: cut a pair of layers
#
# Write `cut_pair(first, norm, second, keep)`: the three parts without the channels that are not in `keep`.
#
# - `first` makes the channels, `norm` carries them, `second` reads them. Each is a dict `{name: tensor}`.
# - `first` and `second` have a `"weight"`, (outputs, inputs, height, width), and sometimes a `"bias"`, (outputs,).
# - `norm` has four tensors, (channels,): `"weight"`, `"bias"`, `"running_mean"`, `"running_var"`.
# - `keep` holds the places that stay. Return three new dicts, `first, norm, second`; those given stay as they are.
#
# Worked value: a first layer with 1 input and 3 outputs, a second one with 3 inputs and 5 outputs, 1 × 1 kernels, and
# `keep = tensor([0, 2])`. The weights then have the shapes (2, 1, 1, 1) and (5, 2, 1, 1).
#
# Which tensors lose entries of their first dimension? Which one of the second? And which one nothing at all?

# %% exercise="cut_pair"
def cut_pair(first, norm, second, keep):
    """The three parts with the channels `keep` alone.

    first, norm, second: {name: tensor}; keep: int64 tensor -> three dicts like them, new.
    """
    ### BEGIN SOLUTION
    first = {name: tensor[keep] for name, tensor in first.items()}
    norm = {name: tensor[keep] for name, tensor in norm.items()}
    second = second | {"weight": second["weight"][:, keep]}
    return first, norm, second
    ### END SOLUTION


# %% check="cut_pair" points=3 library=["_resize", "cut_channels", "remove_channels", "shrink_channels"]
first = {"weight": torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1), "bias": torch.tensor([0.1, 0.2, 0.3])}
norm = {"weight": torch.tensor([4.0, 5.0, 6.0]), "bias": torch.tensor([0.4, 0.5, 0.6]),
        "running_mean": torch.tensor([7.0, 8.0, 9.0]), "running_var": torch.tensor([0.7, 0.8, 0.9])}
second = {"weight": torch.arange(9.0).reshape(3, 3, 1, 1), "bias": torch.tensor([10.0, 20.0, 30.0])}
keep = torch.tensor([0, 2])
expect(student("cut_pair", first, norm, second, keep)[0]["weight"].flatten(), [1.0, 3.0], id="outputs",
       hint="The first layer keeps the filters of channels 0 and 2: 1 and 3. Its outputs are the first dimension. "
            "keep holds the places that stay; nothing is set to zero.")
expect(student("cut_pair", first, norm, second, keep)[0].get("bias"), [0.1, 0.3], id="bias", needs="outputs",
       hint="The first layer's bias has one number for each output: it loses the same channels as the weight.")
expect(student("cut_pair", first, norm, second, keep)[2]["weight"].flatten(1),
       [[0.0, 2.0], [3.0, 5.0], [6.0, 8.0]], id="inputs",
       hint="The second layer reads the channels: they are its inputs, the second dimension. All of its filters stay, "
            "each with one input less.")
expect(student("cut_pair", first, norm, second, keep)[2].get("bias"), [10.0, 20.0, 30.0], id="reader-bias",
       needs="inputs",
       hint="The second layer makes as many outputs as before, so its bias stays whole.")
cut = student("cut_pair", first, norm, second, keep)
expect([cut[1].get("weight"), cut[1].get("bias")], [[4.0, 6.0], [0.4, 0.6]], id="norm",
       hint="Scale and bias of the batch norm have one number for each channel: channels 0 and 2 stay.")
expect([cut[1].get("running_mean"), cut[1].get("running_var")], [[7.0, 9.0], [0.7, 0.9]], id="statistics",
       hint="The batch norm also holds the mean and variance of each channel. They go with their channel.")
plain, two = {"weight": torch.arange(4.0).reshape(2, 2, 1, 1)}, {name: row[:2] for name, row in norm.items()}
made = {"weight": torch.tensor([2.0, 3.0]).reshape(1, 2, 1, 1)}
read = {"weight": torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)}
one = torch.tensor([1])
expect([student("cut_pair", plain, two, plain, one)[0], student("cut_pair", plain, two, plain, one)[2]], [made, read],
       id="no-bias",
       hint="ResNet8's convolutions have no bias: cut what is in the dict, and neither expect nor add more than that. "
            "Here channel 1 stays alone, and each weight keeps its four dimensions.")
call = student_call("cut_pair", first, norm, second, keep)
expect(call.arguments, [first, norm, second, keep], id="unchanged", needs="outputs",
       hint="The dicts or tensors that were given have changed. Build new ones.")
### BEGIN HIDDEN TESTS
state = pretrained("resnet8").state_dict()
made = {"weight": state["block1.conv1.weight"]}
carried = {name: state[f"block1.bn1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
best = torch.tensor([1, 2, 5, 6, 11])
stays = torch.zeros(16, dtype=torch.bool).index_fill(0, best, True)
small = remove_channels(pretrained("resnet8"), {"block1.conv1": stays}, example=torch.zeros(1, 3, 32, 32)).block1
got = student("cut_pair", made, carried, {"weight": state["block1.conv2.weight"]}, best)
expect(got[0]["weight"], small.conv1.weight.detach(), id="kernels-made",
       hint="On ResNet8's first block the maker's kernels of 3 x 3 come back in another shape or order.")
expect(got[2]["weight"], small.conv2.weight.detach(), id="kernels-read",
       hint="On ResNet8's first block the reader's kernels of 3 x 3 come back in another shape or order.")
expect(got[1].get("running_var"), small.bn1.running_var, id="block-norm",
       hint="On ResNet8's first block the batch norm's variances are off.")
### END HIDDEN TESTS

# %% [markdown] key="pair-quick"
# **Going further.** Write `cut_depthwise(first, depthwise, second, keep)`. A **depthwise** convolution filters each
# channel by itself: its weight has the shape (channels, 1, height, width). Which dimension loses entries there?

# %% [markdown] key="use-text"
# ### Your own functions at work
#
# The first block of ResNet8 has such a pair. The slider cuts it with your three functions, one after the other, and
# loads the tensors into a smaller network. Nothing else of ResNet8 changes.
#
# Look for: the network really has fewer parameters and fewer MACs. The first channels cost little, the next ones more
# and more. Nothing repairs the accuracy yet.

# %% play=true key="library-versions" tags=["hide-input"]
def library_scores(weight):
    """The library's scores of one layer, with a second one that reads it."""
    rows = weight.flatten(1)
    two = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], len(rows)), torch.nn.Linear(len(rows), 1))
    two[0].weight.data = rows
    return channels.channel_scores(two, reads=False, example=torch.zeros(1, rows.shape[1]))["0"]

def library_choice(scores, amount):
    return channels.choose({"layer": scores}, amount)["layer"].nonzero().flatten()

def chosen_mask(kept, size):
    """The places that stay as a mask, as the library wants it."""
    return torch.zeros(size, dtype=torch.bool).index_fill(0, torch.as_tensor(kept), True)

# %% play=true key="own-block"
score = use("channel_scores", otherwise=library_scores)
choose = use("keep_channels", otherwise=library_choice)
pair = use("cut_pair", otherwise=None)

def cut_block(kept):
    if pair is None:
        mask = chosen_mask(kept, 16)
        return remove_channels(resnet, {"block1.conv1": mask}, example=data.example)
    state, names = resnet.state_dict(), ("block1.conv1", "block1.bn1", "block1.conv2")
    parts = [{key: state[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
              if f"{name}.{key}" in state} for name in names]
    for name, tensors in zip(names, pair(*parts, kept), strict=True):
        state.update({f"{name}.{key}": tensor for key, tensor in tensors.items()})
    small = build("resnet8", widths=[16, len(kept), 16, 32, 32, 64, 64])
    small.load_state_dict(state)
    return small.eval()

def first_block(amount):
    kept = choose(score(weights["block1.conv1.weight"]), amount)
    small = cut_block(kept)
    return {"channels kept": len(kept), "parameters": f"{sum(p.numel() for p in small.parameters()):,}",
            "MACs": f"{count_macs(small, data.example):,}", "photos right": f"{right(small):.1%}"}

explore(first_block, amount=(0.0, 0.9, 0.1))

# %% [markdown] key="residual"
# ## Where an addition ties channels
#
# A **residual addition** adds a block's input to its output. The path around the block is the **shortcut**. Channel 0
# is added to channel 0, channel 1 to channel 1. What if the two sides keep different channels?

# %% key="tiny-addition"
block, shortcut = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 30.0])
print("whole:                             ", (block + shortcut).tolist())
print("both keep 0 and 2:                 ", (block[[0, 2]] + shortcut[[0, 2]]).tolist())
print("one keeps 0 and 2, the other 0, 1: ", (block[[0, 2]] + shortcut[[0, 1]]).tolist())
try:
    print(block[[0, 2]] + shortcut)
except RuntimeError as error:
    print("one keeps two, the other three:     error:", str(error)[:40], "…")

# %% [markdown] key="residual-groups"
# Different *numbers* give an error. Different *channels* give none, and that is worse: the sum is nonsense.
#
# So the channels on both sides of an addition form a **group**: they stay or go together. A group has makers, layers
# that carry it (batch norms), and readers. The library traces one forward pass, gives each channel a number and follows
# it.

# %% play=true key="predict-groups" tags=["hide-input"]
Guess("ResNet8 has nine convolutions: one stem, two in each of three blocks, and two in shortcuts. How many groups of "
      "channels can be pruned on their own?", lambda: len(channel_groups(resnet, data.example)), unit="groups",
      explain="Three additions tie nine layers to six groups. Each block has one free layer inside.")

# %% play=true key="groups"
groups = channel_groups(resnet, data.example)
for group in groups:
    print(f"{group.size} channels made by {' + '.join(group.makes)}")
    print(f"   carried by {', '.join(group.carries)}; read by {', '.join(group.reads)}")

# %% [markdown] key="groups-after"
# The stem `conv` and `block1.conv2` are one group: block 1 has a plain shortcut. The stem's channels go through it
# unchanged into the addition. The library scores a channel by all layers that touch it: it adds what makers,
# depthwise layers and readers hold for this channel.

# %% [markdown] key="depthwise"
# MobileNet has depthwise convolutions, which filter each channel by itself. They mix nothing and so make no new
# channels: they carry those that arrive, and are cut along.

# %% play=true key="depthwise-groups"
mobile = pretrained("mobilenet")
for group in channel_groups(mobile, data.example)[:2]:
    print(f"{group.size} channels made by {' + '.join(group.makes)}, carried by {', '.join(group.carries)}")
print("a depthwise weight:", tuple(mobile.blocks[1].depthwise.weight.shape), "= (channels, 1, height, width)")

# %% [markdown] key="pitfall-addition-text"
# **Pitfall: each layer keeps its own best channels.** The switch below turns this mistake on for `conv` and
# `block1.conv2`: same number, own choice. There is no error message. Tick it, and compare.
# Both networks get new batch-norm statistics, which a later section explains.

# %% play=true key="pitfall-addition" tags=["hide-input"]
few = photos[:250]  # a slider should answer at once

def recalibrated_share(network):
    return f"{accuracy(fast(recalibrate_batch_norm(network, look[:100])), few):.1%}"

def cut_addition(channels_gone, each_its_own):
    stem, inner = (score(weights[f"{name}.weight"]) for name in ("conv", "block1.conv2"))

    def best(scores):
        return channels.choose({"layer": scores}, channels_gone / 16)["layer"]

    together = remove_channels(resnet, {"conv": best(stem + inner)}, example=data.example)
    figures = {"tied": recalibrated_share(together)}
    if each_its_own:
        apart = remove_channels(resnet, {"conv": best(stem)}, example=data.example)
        other = remove_channels(resnet, {"conv": best(inner)}, example=data.example)
        apart.block1.conv2, apart.block1.bn2 = other.block1.conv2, other.block1.bn2
        figures["each its own"] = recalibrated_share(apart)
    return figures

explore(cut_addition, channels_gone=(1, 6), each_its_own=False)

# %% [markdown] key="slider-text"
# Now the whole network, with your `channel_scores` on all makers of each group. This is plain ipywidgets: a slider, a
# label, and a function that runs when the slider moves.
# Look for the amount at which half of the parameters are gone. It is not one half.

# %% play=true key="own-slider"
table = {group.name: sum(score(weights[f"{name}.weight"]) for name in group.makes) for group in groups}
amount = ipywidgets.FloatSlider(value=0.1, min=0, max=0.75, step=0.05, description="amount")
result = ipywidgets.Label()

def show(change=None):
    small = shrink_channels(resnet, amount.value, criterion=table, example=data.example)
    size = sum(parameter.numel() for parameter in small.parameters())
    result.value = f"{size:,} parameters, {right(small):.1%} of the photos right"

amount.observe(show, "value")
show()
ipywidgets.VBox([amount, result])

# %% [markdown] key="refused"
# **What cannot be traced is refused, by name.** Better an error than a network that is cut wrongly. (Optional.)

# %% play=true key="refused-run"
mixed = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3, groups=2), torch.nn.Conv2d(8, 4, 1))
try:
    channel_groups(mixed, data.example)
except ValueError as error:
    print(error)

# %% [markdown] key="flatten"
# ## Behind a flatten
#
# LeNet goes from channels to a linear layer. `flatten` writes the pixels of channel 0 first, then all those of
# channel 1, and so on. So a channel owns a **block of columns**, not one column.

# %% key="tiny-flatten"
maps = torch.tensor([[[1, 2], [3, 4]], [[10, 20], [30, 40]], [[100, 200], [300, 400]]])
print("three channels of 2 x 2 pixels, flattened:")
print(maps.flatten().tolist())

# %% [markdown] key="debug-text"
# ### Debug: the wrong columns
#
# Below is a function that cuts the linear layer behind a flatten. The shapes are right, no error is raised, and the
# network answers nonsense. Mend it.
#
# Worked value: 3 channels of 2 pixels make 6 columns. `keep = tensor([0, 2])` keeps the columns 0, 1, 4 and 5.

# %% debug="cut_flatten"
def cut_flatten(weight, keep, channels):
    """The linear layer's weight with the columns of the channels `keep` alone.

    weight: (outputs, channels * pixels); keep: int64 tensor -> (outputs, len(keep) * pixels).
    """
    places = torch.arange(weight.shape[1])
    ### BEGIN FAULTY
    # columns = places.reshape(-1, channels)[:, keep].flatten()
    ### END FAULTY
    ### BEGIN SOLUTION
    columns = places.reshape(channels, -1)[keep].flatten()
    ### END SOLUTION
    return weight[:, columns]


# %% check="cut_flatten" points=2 library=["_resize", "cut_channels", "remove_channels", "shrink_channels"]
six = torch.arange(12.0).reshape(2, 6)
expect(torch.as_tensor(student("cut_flatten", six, torch.tensor([0, 2]), 3)).shape, [2, 4], id="count",
       hint="Two of three channels stay, each with 2 columns: four columns, and all rows. Nothing is set to zero.")
expect(student("cut_flatten", six, torch.tensor([0, 2]), 3), [[0.0, 1.0, 4.0, 5.0], [6.0, 7.0, 10.0, 11.0]],
       id="blocks",
       hint="flatten writes all pixels of channel 0, then all of channel 1: a channel's columns stand side by side. "
            "reshape(channels, -1) gives each channel a row of its columns.")
eight = torch.arange(8.0).reshape(1, 8)
expect(student("cut_flatten", eight, torch.tensor([1]), 2), [[4.0, 5.0, 6.0, 7.0]], id="pixels",
       hint="Here each channel has 4 pixels, and channel 1 stays: columns 4 to 7. The number of pixels follows from "
            "the number of columns and of channels.")
expect(student("cut_flatten", six, torch.tensor([1, 2, 5]), 6), [[1.0, 2.0, 5.0], [7.0, 8.0, 11.0]], id="one-pixel",
       hint="Six channels of one pixel: a column is a channel.")
expect(student_call("cut_flatten", six, torch.tensor([0, 2]), 3).arguments[0], six, id="unchanged", needs="blocks",
       hint="The weights given have changed. Return a new tensor.")
expect(isinstance(student("cut_flatten", six, torch.tensor([0, 2]), 3), torch.Tensor), id="tensor", needs="blocks",
       hint="The numbers are right. Return them as a tensor: they become a layer's weight.")
### BEGIN HIDDEN TESTS
fc1 = pretrained("lenet").fc1.weight.detach()
expect(student("cut_flatten", fc1, torch.tensor([3, 4, 15]), 16), torch.cat([fc1[:, 75:125], fc1[:, 375:]], 1),
       id="lenet", hint="On LeNet's fc1, 16 channels of 25 pixels, the columns are off.")
### END HIDDEN TESTS

# %% [markdown] key="pitfall-flatten-text"
# **Pitfall: columns in the order of another framework.** The faulty line would be right where channels lie last in
# memory, as in TensorFlow. In PyTorch it mixes all channels.
# Tick the switch, and compare the two figures.

# %% play=true key="load-lenet" tags=["hide-input"]
lenet, digits = pretrained("lenet"), load("mnist").validation[:1000]

def library_columns(weight, keep, count):
    """The library's cut of a linear layer behind a flatten."""
    maker, reader = torch.nn.Conv2d(1, count, 1), torch.nn.Linear(weight.shape[1], len(weight))
    reader.weight.data = weight
    model, line = torch.nn.Sequential(maker, torch.nn.Flatten(), reader), torch.zeros(1, 1, 1, weight.shape[1] // count)
    return remove_channels(model, {"0": chosen_mask(keep, count)}, example=line)[2].weight.detach()

# %% play=true key="pitfall-flatten"
block_columns = use("cut_flatten", otherwise=library_columns)

def cut_lenet(channels_gone, wrong_columns):
    state = lenet.state_dict()
    kept = choose(score(state["conv2.weight"]), channels_gone / 16)
    ways = {"blocks of columns": block_columns(state["fc1.weight"], kept, 16)}
    if wrong_columns:
        mixed = torch.arange(400).reshape(-1, 16)[:, kept].flatten()
        ways["channels last"] = state["fc1.weight"][:, mixed]
    figures = {}
    for way, columns in ways.items():
        small = build("lenet", channels=[6, len(kept)])
        small.load_state_dict(state | {"conv2.weight": state["conv2.weight"][kept],
                                       "conv2.bias": state["conv2.bias"][kept], "fc1.weight": columns})
        figures[way] = f"{accuracy(small, digits):.1%} of the digits right"
    return figures

explore(cut_lenet, channels_gone=(1, 8), wrong_columns=False)

# %% [markdown] key="flatten-after"
# Some of the sixteen channels cost LeNet next to nothing. The same cut with the wrong columns destroys it.
# Check a cut by its logits: they must equal those of the network in which the channels are read as zero.

# %% [markdown] key="norm"
# ## Batch norm has to look again
# *Short path*
#
# A **batch norm** subtracts a stored mean and divides by a stored deviation, for each channel. It took both from the
# sums that arrived in training. Now each sum has fewer terms.

# %% play=true key="norm-shift"
cut = shrink_channels(resnet, 0.25, example=data.example)
fresh = recalibrate_batch_norm(cut, look)
stored, now = cut.block2.bn1.running_mean, fresh.block2.bn1.running_mean
print("stored means:     ", [round(mean, 1) for mean in stored[:6].tolist()])
print("what arrives now: ", [round(mean, 1) for mean in now[:6].tolist()])

# %% [markdown] key="norm-idea"
# The stored means are those of the old network. `recalibrate_batch_norm` runs some training photos and stores the
# means and variances that arrive now. This is **recalibration**: no labels, no gradients, no weight changes.

# %% play=true key="predict-norm" tags=["hide-input"]
eighth = shrink_channels(resnet, 0.125, example=data.example)
Guess(f"Without an eighth of its channels, ResNet8 gets {right(eighth):.1%} of the photos right. How many per cent "
      f"after its batch norms have looked at {len(look)} training photos?",
      lambda: 100 * right(recalibrate_batch_norm(eighth, look)), unit="%",
      explain="The channels that are left had not forgotten what they knew. Their scale was wrong.")

# %% play=true key="curve"
rows = []
for share in (0.0, 0.125, 0.25, 0.375, 0.5):
    for way, criterion in (("smallest filters", l1), ("by lot", random)):
        small = shrink_channels(resnet, share, criterion=criterion, example=data.example)
        if way == "smallest filters":
            rows.append({"way": "smallest filters, as cut", "amount": share, "accuracy": right(small)})
        small = recalibrate_batch_norm(small, look)
        rows.append({"way": f"{way}, recalibrated", "amount": share, "accuracy": right(small)})
curve = pd.DataFrame(rows)

# %% play=true key="curve-picture" tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, curve, "amount", "accuracy", by="way")
ax.set(title=f"ResNet8 on {len(photos)} validation photos, no training after the cut", ylim=(0, 1),
       xlabel="share of channels removed in every layer (%)")
plt.show()
at = curve[curve.amount == 0.125].set_index("way").accuracy
print(f"an eighth removed: {at['smallest filters, as cut']:.1%} as cut, {at['smallest filters, recalibrated']:.1%} "
      f"recalibrated, {at['by lot, recalibrated']:.1%} by lot")

# %% [markdown] key="curve-after"
# Never judge a cut network before its batch norms have looked again: the line "as cut" judges old statistics. The line
# "by lot" is the **control**. The choice of channels is worth the gap to it.
#
# Use training images for this. Statistics taken from test images would leak the test set into the network.
#
# Even so, this network falls early. ResNet8 was built small for microcontrollers, and has few channels to spare.

# %% [markdown] key="time"
# ## Fewer multiplications, and the clock
# *Short path*
#
# First the promise of this lesson. Take a network with channels *zeroed* by a mask, and one with the same channels
# *removed*. Both give the same answers.

# %% play=true key="mask-or-cut"
keep = channel_masks(resnet, 0.25, example=data.example)
removed = remove_channels(resnet, keep, example=data.example)
zero = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
for group in groups:
    for name in group.makes:
        zero[f"{name}.weight"][~keep[group.name]] = False
    for name in group.reads:
        zero[f"{name}.weight"][:, ~keep[group.name]] = False
masked = apply_masks(resnet, zero)
apart = (predict(masked, photos.images[:100]) - predict(removed, photos.images[:100])).abs().max()
print(f"{sparsity(masked):.0%} of the weights are zero; largest difference of the logits: {apart:.0e}")

# %% play=true key="mask-or-cut-table" tags=["hide-input"]
rows = {}
for name, network in (("whole", resnet), ("masked", masked), ("removed", removed)):
    timed = latency(lambda network=network: network(data.example), repeats=200)
    rows[name] = {"photos right": f"{right(network):.1%}", "dense file": f"{file_bytes(network):,} bytes",
                  "MACs": f"{count_macs(network, data.example):,}", "time for one photo": f"{timed.p50_ms:.2f} ms"}
pd.DataFrame(rows)

# %% [markdown] key="mask-or-cut-after"
# Same zeros, same answers. The mask saves nothing here. The removal saves bytes and work, and the time follows, with no
# special file format and no special kernel.
#
# But compare the last two rows: on most machines the time falls less than the MACs.

# %% [markdown] key="time-floor"
# ### Why does the clock lag behind?
#
# Take it to the extreme.

# %% play=true key="predict-floor" tags=["hide-input"]
Guess("Leave one single channel in every layer: 0.4 % of the MACs. How many per cent of the time does one photo take?",
      lambda: 100 * latency(lambda: tiniest(data.example), repeats=200).p50_ms
      / latency(lambda: resnet(data.example), repeats=200).p50_ms, unit="%",
      explain="What is left is the cost of calling two dozen layers, whatever their size.")

# %% play=true key="time-run"
tiniest = shrink_channels(resnet, 1.0, example=data.example)
rows = []
for share in (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0):
    small = shrink_channels(resnet, share, example=data.example)
    both = [latency(lambda network=network: network(data.example), repeats=60).p50_ms for network in (resnet, small)]
    left = {"MACs": count_macs(small, data.example) / count_macs(resnet, data.example),
            "dense file": file_bytes(small) / file_bytes(resnet), "time": both[1] / both[0]}
    rows += [{"what": what, "amount": share, "left": value} for what, value in left.items()]
costs = pd.DataFrame(rows)

# %% play=true key="time-picture" tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, costs, "amount", "left", by="what")
ax.set(title="What is left of ResNet8: work, bytes and time (one photo, one thread)", ylim=(0, 1.1),
       xlabel="share of channels removed in every layer (%)", ylabel="left, share of the whole")
plt.show()
for share in (0.25, 0.5, 1.0):
    at = costs[costs.amount == share].set_index("what").left
    print(f"{share:.0%} removed: {at['MACs']:.1%} of the MACs, {at['time']:.0%} of the time")

# %% [markdown] key="time-why"
# The clock lags behind for three reasons.
#
# - **A fixed part.** Calling a layer costs time, however small it is. One channel a layer shows this floor.
# - **Work that shrinks more slowly.** Batch norm, ReLU and additions touch every value once. Half the channels halve
#   their work, while the MACs fall to a quarter.
# - **Blocks of channels.** Processors compute 8, 16 or 32 values at once. What does not fill a block costs as much as
#   a full one.
#
# The last point can be seen on a single convolution.

# %% play=true key="blocks" tags=["hide-input"]
counts = list(range(8, 41, 2))
times = []
for count in counts:
    layer, image = torch.nn.Conv2d(count, count, 3, padding=1), torch.randn(1, count, 32, 32)
    times.append(1000 * latency(lambda layer=layer, image=image: layer(image), repeats=80).p50_ms)
figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
ax.plot(counts, times, marker="o", markersize=4, color=plot.COLOURS[0], label="measured")
ax.plot(counts, [times[counts.index(32)] * (count / 32) ** 2 for count in counts], "--", color="black",
        label="if time followed the MACs (through 32)")
ax.set(title="One 3 × 3 convolution on 32 × 32 pixels, n channels to n channels", xlabel="channels n",
       ylabel="time (microseconds)", xticks=range(8, 41, 4), ylim=0)
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %% [markdown] key="blocks-after"
# Look for flat stretches and jumps. Where the line is flat, fewer channels save nothing; after a jump, a few more cost
# a lot. Where they are depends on the processor, and not every one shows them.
# So keep counts that suit your device: `round_to=8` or 16. And time the network on the device itself.
#
# Large networks have it better: the fixed part weighs little beside the work. On ours it weighs a lot.

# %% [markdown] key="recover"
# ## Extra: give the rest a chance
#
# Not every group minds as much. Take half of one group, leave the others whole, and look again: this is the
# **sensitivity scan** of lesson 04, for channels.

# %% play=true key="predict-scan" tags=["hide-input"]
Guess("Half of one group goes, the batch norms look again. Which group hurts most?",
      lambda: min(groups, key=lambda group: right(recalibrate_batch_norm(
          shrink_channels(resnet, {group.name: 0.5}, example=data.example), look))).name,
      choices=[group.name for group in groups],
      explain="It is a group that an addition ties: two layers make its channels. The table shows all six groups.")

# %% play=true key="scan"
rows = {}
for group in groups:
    small = shrink_channels(resnet, {group.name: 0.5}, example=data.example)
    rows[group.name] = {"photos right": right(recalibrate_batch_norm(small, look)),
                        "MACs saved": 1 - count_macs(small, data.example) / count_macs(resnet, data.example),
                        "bytes saved": 1 - file_bytes(small) / file_bytes(resnet)}
scan = pd.DataFrame(rows).T
scan.style.format("{:.1%}")

# %% [markdown] key="scan-after"
# Half of `block1.conv1` costs little and saves a fifth of the work. This is the free layer inside block 1, on large
# pictures. Half of `block3.conv1` saves the most bytes. So take from these first, and be gentle with tied groups.
#
# The channels that stay can also **take over** what the removed ones did. Say channel 1 is always three times
# channel 0. A reader that loses channel 1 can read channel 0 with more weight, and nothing is lost.

# %% play=true key="tiny-reconstruct"
two = torch.nn.Sequential(torch.nn.Linear(1, 2, bias=False), torch.nn.Linear(2, 1, bias=False))
two[0].weight.data = torch.tensor([[1.0], [3.0]])  # channel 1 is three times channel 0
two[1].weight.data = torch.tensor([[5.0, 2.0]])
inputs, stays = torch.tensor([[1.0], [2.0], [4.0]]), {"0": torch.tensor([True, False])}
mended = reconstruct(two, stays, inputs, ridge=0)
print("whole:       ", two(inputs).flatten().tolist())
print("cut:         ", remove_channels(two, stays, example=inputs)(inputs).flatten().tolist())
taken_over = remove_channels(mended, stays, example=inputs)(inputs)
print("taken over:  ", [round(value, 3) for value in taken_over.flatten().tolist()])

# %% [markdown] key="reconstruct-text"
# `reconstruct` does this for every reader, by least squares on some hundred photos, without labels. This is
# **reconstruction**. He and others (2017) mend cut networks in this way. They report VGG-16 five times faster with
# 0.3 % more error. At twice the speed, ResNet loses 1.4 % of accuracy and Xception 1.0 %. What does ours lose?

# %% play=true key="predict-reconstruct" tags=["hide-input"]
recalibrated = right(fresh)
Guess(f"A quarter of all channels gone, batch norms recalibrated: {recalibrated:.1%}. How many per cent with "
      "`reconstruct`, on the same training photos?",
      lambda: 100 * right(remove_channels(reconstruct(resnet, keep, look), keep, example=data.example)), unit="%",
      explain="The size and the time are the same; the readers' weights are new, and no label was used.")

# %% play=true key="plans"
def mend(shares):
    stays = channel_masks(resnet, shares, example=data.example)
    return remove_channels(reconstruct(resnet, stays, look), stays, example=data.example)

plans = {"equal shares": amount_for_macs(resnet, 0.75, example=data.example),
         "by the scan": {"block1.conv1": 0.5, "block3.conv1": 0.25},
         "by the scan, further": {"block1.conv1": 0.5, "block2.conv1": 0.25, "block3.conv1": 0.25}}
chance = data.validation[:1000]
mended = {name: mend(shares) for name, shares in plans.items()}
reached = {name: accuracy(fast(network), chance) for name, network in mended.items()}
base = accuracy(fast(resnet), chance)
for name, network in mended.items():
    share = count_macs(network, data.example) / count_macs(resnet, data.example)
    lost = 100 * (base - reached[name])
    print(f"{name:21} {share:.0%} of the MACs, {reached[name]:.1%} right, {lost:.1f} points lost")

# %% [markdown] key="plans-after"
# All three are mended with `reconstruct`, and judged on 1,000 validation photos. The shares of the scan keep more at
# fewer MACs than equal shares do. One share for every layer is a poor plan for channels too.
#
# Put the points lost beside the 1.4 % that He and others (2017) report for ResNet at twice the speed. Ours loses more
# and saves less: it is far smaller than theirs.
#
# Can a short training add to that? The next cell trains the first plan of the scan for one pass over 2,000
# photos. It learns from the whole network's answers (**distillation**, lesson 05).

# %% play=true key="tune"
part = SimpleNamespace(train=data.train[:2000], validation=data.validation[1000:1250])
tuned = distill(mended["by the scan"], resnet, part, Recipe(epochs=1, learning_rate=0.01), progress=False)
after_tuning = accuracy(fast(tuned), chance)
print(f"reconstructed: {reached['by the scan']:.1%}, then one pass of training: {after_tuning:.1%}")
saved = 1 - count_macs(tuned, data.example) / count_macs(resnet, data.example)
print(f"{saved:.0%} of the MACs saved, {100 * (base - after_tuning):.1f} points below the whole network")

# %% [markdown] key="tune-after"
# One short pass moves the accuracy by about a point at most: no more than the noise of 1,000 photos.
#
# Li and others (2017) retrain the network after the cut. On CIFAR-10 they report up to 34 % less inference cost for
# VGG-16 and up to 38 % for ResNet-110, and retraining regains close to the original accuracy. The last line above is
# ours: less is saved, and more is lost. It had one short pass and has few channels to spare. Lesson 05 trains longer.

# %% [markdown] key="measure"
# ## Measure, then judge
#
# Equal shares are a poor plan. The *Extra* part above found a better one: half of the channels of `block1.conv1` and a
# quarter of those of `block3.conv1`. There `reconstruct` gives the channels that stay new weights, so that they take
# over, and a short training may follow. Take the version that did better on the validation photos. Then, once, **test**
# photos: 2,000 of them. The 95 % interval says how far the accuracy may be off because these photos were drawn and not
# others.

# %% play=true key="measure-run"
final = tuned if after_tuning > reached["by the scan"] else mended["by the scan"]
test = data.test[:2000]
before, after = measure(resnet, test, repeats=100), measure(final, test, repeats=100)
pd.DataFrame({"whole": dict(before.rows()), "channels removed": dict(after.rows())})

# %% [markdown] key="verdict-text"
# `verdict` applies the course's rules of thumb. Good is an accuracy drop under 2 points, a file 50 % smaller, a
# latency 30 % lower. Bad is a drop over 5 points, or no saving worth having. Between lies **borderline**.

# %% play=true key="verdict"
judged = verdict(before, after)
reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
display(Markdown(f"**{judged.rating}**\n\n{reasons}"))

# %% [markdown] key="verdict-after"
# Read each reason. The savings need no special help: a plain file, plain kernels. None of them is large, and the
# accuracy pays for them. About one photo in ten gets another answer than before; above 10 % the rules call that
# **unstable**, and so bad.
#
# ResNet8 was built small, with few channels to spare. Is that the fault of channel pruning, or of this network?
# Do the same with LeNet, which has plenty in its linear layers. The shares were chosen on validation digits.

# %% play=true key="verdict-lenet" tags=["hide-input"]
mnist = load("mnist")
stays = channel_masks(lenet, {"conv2": 0.25, "fc1": 0.5, "fc2": 0.5}, example=mnist.example)
slim = remove_channels(reconstruct(lenet, stays, mnist.train.images[:200]), stays, example=mnist.example)
print(f"validation: {accuracy(lenet, digits):.1%} whole, {accuracy(slim, digits):.1%} without these channels")
whole_digits, slim_digits = (measure(network, mnist.test[:2000], repeats=200) for network in (lenet, slim))
judged = verdict(whole_digits, slim_digits)
reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
display(Markdown(f"**{judged.rating}**\n\n{reasons}"))

# %% [markdown] key="verdict-lenet-after"
# LeNet gives away more than half of its bytes for next to nothing, in a plain file, with no training. If its time
# hardly moved, the fixed part rules: its layers are very small.
#
# So ask three questions before you cut: are there channels to spare, is there work to save, and does this
# device's time follow the work? A larger network says yes more often. In this project's benchmark half of the MACs
# go, with `reconstruct` and no training (test photos; `benchmarks/results/channels.md` and the README). ResNet12,
# with eighteen times the weights, falls from 92.5 to 87.7 %; ResNet8 from 88.1 to 70.0 %.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Each layer of an addition keeps its own best.** The first switch above: no error, nonsense as an answer.
# - **The wrong columns behind a flatten.** The second switch. Check a cut by its logits.
# - **Judging before recalibration.** Old batch-norm statistics make a good cut look ruined.
# - **A filter of zeros for a channel of zeros.** Bias and batch norm fill it up again.
# - **Taking MACs for milliseconds.** Time the network on the device that you ship to.

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

# %% graded="answer_1" points=1 section="cut"
def answer_1(draw):
    inputs, made, outputs = draw.integer(3, 24, 3), draw.integer(16, 64, 8), draw.integer(8, 48, 4)
    side, percent = draw.pick([8, 10, 16, 20]), draw.pick([25, 50, 75])
    kept = made * (100 - percent) // 100
    return draw.number(
        f"A network sees pictures of {side} × {side} pixels with {inputs} channels. One 3 × 3 convolution with padding "
        f"makes {made} channels of them, a second one makes {outputs}, and the pictures keep their size. "
        f"{percent} % of the first one's filters are cut out properly. How many MACs does one picture take "
        "in both layers? Write a number.",
        kept * (inputs + outputs) * 9 * side ** 2, within=(0, 100_000_000), tolerance=0,
        hint=f"{kept} filters stay. The first layer has that many outputs, the second that many inputs. Each output "
             "value of a layer takes 9 products for each input.")

# %% graded="answer_2" points=1 section="residual"
def answer_2(draw):
    line, tied = draw.pick([("out = relu(y + x)", "x"), ("out = relu(y + shortcut(x))", "shortcut"),
                            ("out = torch.cat([y, x], dim=1)", "none")])
    made, gone = draw.integer(16, 96, 16), draw.integer(2, 9)
    return draw.choice(
        "A block of a network. All layers named are convolutions, and `x` comes from another one:\n\n```python\n"
        f"y = second(relu(first(x)))\n{line}\n```\n\n`second` makes {made} channels, and {gone} of them are to go. "
        "Which other outputs have to lose the same channels?",
        {"Those of the layer that made `x`.": tied == "x",
         "Those of `shortcut`.": tied == "shortcut",
         "None: the layers behind have to lose the inputs, and that is all.": tied == "none"},
        never=["Those of `first`.", "Those of the layer that reads `out`."],
        hint="Which channels does the last line add to which? A concatenation puts them side by side.")

# %% graded="answer_3" points=1 section="flatten"
def answer_3(draw):
    channels, side = draw.integer(12, 48, 4), draw.integer(3, 7)
    place, start = draw.integer(2, 11), draw.pick([True, False])
    which = "first" if start else "last"
    return draw.number(
        f"A convolution makes {channels} channels of {side} × {side} pixels. `flatten` follows, then a linear layer. "
        f"Columns and channels count from 0. Which is the {which} column of the linear layer's weight that belongs to "
        f"channel {place}? Write a number.",
        place * side ** 2 if start else (place + 1) * side ** 2 - 1, within=(0, 10_000_000), tolerance=0,
        hint="flatten writes all pixels of channel 0, then all pixels of channel 1, and so on.")

# %% graded="answer_4" points=1 section="cut"
def answer_4(draw):
    count, place = draw.integer(8, 48, 4), draw.integer(1, 7)
    between, lines, kind = draw.pick([
        ("no bias, then ReLU", f"first.weight.data[{place}] = 0", "same"),
        ("a bias of 0.5 for each channel, then ReLU", f"first.weight.data[{place}] = 0", "not zero"),
        ("batch norm with a bias of 0.3 for each channel and running means of 0, then ReLU",
         f"first.weight.data[{place}] = 0", "not zero"),
        ("no bias, then ReLU", f"stay = [i for i in range({count}) if i != {place}]\n"
                               "first.weight.data = first.weight.data[stay]", "error")])
    return draw.choice(
        f"A convolution `first` makes {count} channels, with {between}; a convolution `second` reads them. A colleague "
        f"writes\n\n```python\n{lines}\n```\n\nand runs the network. She compares its answers with those of a network "
        f"from which channel {place} was removed properly. What does she find?",
        {"The same answers: the channel is zero, and a sum does not notice a missing zero.": kind == "same",
         "Other answers: the channel is a constant, and not zero.": kind == "not zero",
         "An error: `second` still expects the channel that is gone.": kind == "error"},
        never=["The same answers, and half the time: zeros are skipped.",
               "Other answers: `second` learns new weights for the channels that are left."],
        hint="What does the channel hold behind everything that follows the filter? And how many inputs does `second` "
             "have?")

# %% [markdown] essay="reflect" points=3
# ## Reflect
#
# A camera in a forest counts animals. It runs a network like ResNet8 on a slow processor, from a battery. A colleague
# writes: "I set half of the channels to zero in every layer. That is a quarter of the multiplications, so it
# will run four times as fast. The accuracy fell to 12 %, so channel pruning does not work for us."
#
# Write five to eight sentences to your colleague. Say what is wrong with the expected speed and with the verdict
# on the accuracy, with at least two numbers that you measured in this lesson. Then say what you would do next.
#
# === BEGIN MARK SCHEME ===
# One point each, 3 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **The speed.** Two faults are in it: zeroed channels save no time at all (tensors keep their size; they have to be
#    removed), and MACs are not milliseconds, supported by a measured number (with the shipped ResNet8 about 57 % of
#    the MACs and about 75 to 85 % of the time at a quarter removed; about 26 % and about 55 % at half; about a quarter
#    of the time with one channel a layer). Half a point for one of the two faults, or for both without a number.
# 2. **The accuracy.** The network was judged with old batch-norm statistics and equal shares in all layers: say that
#    recalibration, `reconstruct` or training afterwards brings much of it back, or that groups differ in how much they
#    mind, with a measured number (for example about 20 % as cut, about 53 % recalibrated, about 75 % reconstructed at
#    a quarter removed). Half a point without a number. An honest "half of all channels is too much for a network
#    this small, even so" is welcome and earns the same.
# 3. **A sound next step.** For example: scan the groups and take from those that mind little; round the counts to the
#    processor's blocks; measure on the camera's own processor; set a limit for the drop first; fine-tune or distil;
#    take a larger network and prune that. Half a point for a step that is sound but not tied to this camera.
#
# No point for a claim that contradicts the lesson (such as "a mask is faster too"): it cancels the point of its line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# Beat equal shares. Leave **at most 60 %** of ResNet8's MACs, with `reconstruct` and no training, and keep more of
# the 1,000 validation photos than equal shares do. The scan tells you where to be gentle. Fill in your shares and run
# the cell. It is a step towards the capstone, the task that closes the course (lesson 10).

# %% play=true key="challenge-try"
shares = {"conv": 0.25, "block1.conv1": 0.25, "block2.conv1": 0.25, "block2.conv2": 0.25,
          "block3.conv1": 0.25, "block3.conv2": 0.25}
bar, mine = mend(amount_for_macs(resnet, 0.6, example=data.example)), mend(shares)
(bar_work, bar_right), (my_work, my_right) = (
    (count_macs(network, data.example) / count_macs(resnet, data.example), accuracy(fast(network), chance))
    for network in (bar, mine))
print(f"equal shares: {bar_work:.1%} of the MACs, {bar_right:.1%} right")
print(f"yours:        {my_work:.1%} of the MACs, {my_right:.1%} right")
print("You beat it." if my_work <= 0.6 and my_right > bar_right else "Not yet.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result" tags=["hide-input"]
work, clock = 100 * after.macs / before.macs, 100 * after.latency_ms / before.latency_ms
pace = "really runs faster" if clock < 95 else "runs hardly faster here"
display(Markdown(
    f"**ResNet8 without some channels needs {work:.0f} % of the MACs and {pace}, in {clock:.0f} % of the "
    f"time, for {100 * (before.accuracy - after.accuracy):.1f} points of accuracy on {len(test):,} test photos.**"))

# %% [markdown] key="sources"
# Sources: H. Li, A. Kadav, I. Durdanovic, H. Samet, H. Graf, *Pruning Filters for Efficient ConvNets*, 2017. Y. He,
# X. Zhang, J. Sun, *Channel Pruning for Accelerating Very Deep Neural Networks*, 2017. Y. He and others, *Soft Filter
# Pruning for Accelerating Deep Convolutional Neural Networks*, 2018. B. Li and others, *EagleEye: Fast Sub-net
# Evaluation for Efficient Neural Network Pruning*, 2020. G. Fang and others, *DepGraph: Towards Any Structural
# Pruning*, 2023.

# %% [markdown] key="title"
# # 03 · Can you trust the difference?
#
# ResNet8 tells ten kinds of things apart on small photos. Somebody set a quarter of its weights to zero.
# On 1,000 photos the smaller network is right more often than the whole one. **Is it better? Or is it luck?**
#
# After this lesson you can:
#
# - say how far an accuracy may be off, and compare two networks on the same images;
# - plan how many images it takes to see a difference;
# - find the leaks that make a figure too good: images seen in training, twins, and too much tuning.
#
# You need some PyTorch: tensors, indexing with a bool tensor, and what an accuracy is.
#
# **Time:** about 75 minutes: 30 to read, guess and play, 29 for the three exercises and the function to debug, 16 for
# quiz and reflection. Headings that begin with *Extra* lead to more: 55 minutes in all, with the practice. Exercise 4
# is there, and earns points, too.
#
# **You have 8 minutes?** Run all cells (menu *Run*, *Run All Cells*). Then read what is marked *Short path*, up to
# the next heading; answer the guesses there and move the sliders.

# %% setup=true key="setup" tags=["hide-input"]
from types import SimpleNamespace

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from shrinklab import leakage, plot, significance
from shrinklab.augment import augmented
from shrinklab.data import load
from shrinklab.exercise import check, expect, student, student_call, use
from shrinklab.fast import fast, fast_images
from shrinklab.masks import apply_masks, global_masks
from shrinklab.measure import Budget, measure, verdict
from shrinklab.metrics import accuracy, bootstrap_interval, correct, mcnemar, predict
from shrinklab.models import pretrained
from shrinklab.quantize import quantize_model
from shrinklab.significance import drop_interval
from shrinklab.train import Recipe, fit
from shrinklab.widgets import Guess, Placement, Practice, RecallCards, explore, trust_explorer

# %% [markdown] key="test-first"
# ## Extra: test first
#
# This is optional. Ten questions over the whole lesson show what you know already.
# At the end each section is strong, shaky or weak, with a link to what to read.
# All strong? Go straight to the exercises.

# %% play=true key="placement" tags=["hide-input"]
Placement("practice.yml")

# %% [markdown] key="why"
# ## Is the smaller network better?
# *Short path*
#
# Here are the two networks. The second one is a copy of the first. A quarter of its weights, the ones nearest to zero,
# are now zero. (Lesson 04 shows how.) `fast` makes a copy that gives the same predictions sooner.

# %% key="networks"
data = load("cifar10")
resnet = pretrained("resnet8")
pruned = apply_masks(resnet, global_masks(resnet, 0.25))

# %% [markdown] key="flags-text"
# Each network answers 4,000 photos that no training has seen. All that we keep is **right or wrong**, one flag for
# each photo.

# %% play=true key="flags"
photos, labels = fast_images(data.validation.images), data.validation.labels
logits = predict(fast(resnet), photos)
whole_right = correct(logits, labels)
pruned_right = correct(predict(fast(pruned), photos), labels)
for name, right in (("whole: ", whole_right), ("pruned:", pruned_right)):
    print(name, f"{int(right[:1000].sum())} of the first 1,000 photos right")

# %% [markdown] key="why-question"
# The pruned network wins on these 1,000 photos. There are 3,000 more.

# %% play=true key="predict-all" tags=["hide-input"]
Guess("On all 4,000 photos: is the accuracy of the pruned network higher or lower than that of the whole one?",
      lambda: "higher" if pruned_right.sum() > whole_right.sum() + 4 else
      "lower" if pruned_right.sum() < whole_right.sum() - 4 else "the same to 0.1 points",
      choices=["higher", "the same to 0.1 points", "lower"],
      explain="The first 1,000 photos told a story that the others do not confirm. "
              "The next cell shows it step by step.")

# %% play=true key="why-sizes"
for size in (100, 200, 500, 1000, 2000, 4000):
    points = 100 * (whole_right[:size].double().mean() - pruned_right[:size].double().mean())
    print(f"first {size:5,} photos: the whole network is {points:+.2f} points ahead")

# %% [markdown] key="why-after"
# A **point** is a per cent of all images. A plus means that pruning cost accuracy, a minus that it brought some.
# The sign changes on the way, and nothing about the networks did. Only the photos changed.
#
# So how many photos does it take? Play first. The networks are LeNet, which reads digits, and its pruned copy.
# Each move prunes a copy, draws images by lot, and runs the copy on them. Find out:
#
# 1. Stay at 200 images and move the *draw*. How far does the drop jump, with the same two networks?
# 2. Raise the number of images. What happens to the coloured band? It is the **95 % interval** of the drop: by these
#    images alone, the true drop may well lie anywhere in it.
# 3. At 80 % removed: from how many images on do the two *differ* in most draws? And at 88 %?
#
# The **p-value** says how often luck alone would give a difference at least as large. Below 0.05 we say: they differ.

# %% play=true key="play"
trust_explorer()

# %% [markdown] key="play-after"
# What to look for: with 200 images the drop jumps from draw to draw, and the band is wide.
# The band narrows slowly: four times the images halve it. It is drawn up to the images that you have measured.
# A large drop is seen with few images, a small one needs many.
# The table below the curves counts the images on which both are right, only one is, or none.
# The sections below take these apart, one by one.

# %% [markdown] key="interval"
# ## How far off can one accuracy be?
#
# Start with ten flags. Eight are right, so the accuracy is 80 %. Other images would have given another figure.
# We have no others. But we can draw ten flags from our ten, each draw from all of them, so that some come twice and
# some never. That is to draw *with replacement*. It is called **resampling**, and the whole method is the
# **bootstrap** (Efron, 1979).

# %% key="tiny-bootstrap"
ten = torch.tensor([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]).bool()
chance = torch.Generator().manual_seed(1)
for _ in range(4):
    rows = torch.randint(10, (10,), generator=chance)
    print("drawn", rows.sort().values.tolist(), f"-> {ten[rows].double().mean():.0%} right")

# %% [markdown] key="interval-idea"
# Each line is a test set that might have been ours. Repeat it 2,000 times and sort the 2,000 accuracies.
# Cut off the lowest 2.5 % and the highest 2.5 %. What is left is the **95 % interval**.
#
# What does it promise? The *true* accuracy is the one on endlessly many photos of this kind. Of 100 such intervals,
# each from a test set of its own, about 95 hold it. With few images they are somewhat fewer.

# %% play=true key="predict-interval" tags=["hide-input"]
Guess("ResNet8 is tested on 200 photos, and is right on about 88 %. How many points wide is the 95 % interval?",
      lambda: 100 * float(np.diff(bootstrap_interval(torch.arange(200) < 177))[0]), unit="points",
      explain="About nine points: far more than most of what this course will measure. "
              "A drop of one or two points disappears in it.")

# %% [markdown] key="exercise-1"
# ### Exercise 1: the interval of an accuracy
#
# Write `accuracy_interval(correct, repeats, seed)`: the 95 % bootstrap interval, as a pair `(low, high)` of shares
# between 0 and 1.
#
# - `correct` is a bool tensor with N flags. Each repeat draws N of them, with replacement.
# - `seed` starts the random numbers, so that the same seed gives the same interval.
#
# Worked value: 1,000 flags, 900 of them right, give about `(0.881, 0.919)`.
# Another seed moves the ends by about 0.001.
#
# Helpful: `torch.randint(N, (repeats, N), generator=...)` draws the rows of all repeats at once.
# `quantile(0.025)` of a tensor is the value that 2.5 % of its entries stay below.

# %% exercise="accuracy_interval"
def accuracy_interval(correct, repeats=2000, seed=0):
    """95 % bootstrap interval of an accuracy: bool (N,) -> (low, high)."""
    ### BEGIN SOLUTION
    chance = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(correct), (repeats, len(correct)), generator=chance)
    accuracies = correct.float()[rows].mean(1)
    return accuracies.quantile(0.025).item(), accuracies.quantile(0.975).item()
    ### END SOLUTION


# %% check="accuracy_interval" points=3 library=["drop_interval", "measure"]
flags = torch.arange(1000) % 10 != 3
ends = student("accuracy_interval", flags)
expect(ends, [0.8814, 0.9186], atol=0.0125, id="pair",
       hint="Two shares, the low end first, around 0.9 and almost 4 points apart. No width at all? Draw with "
            "replacement, anew for each repeat.")
expect(ends, [0.8814, 0.9186], atol=0.0018, id="width",
       hint="Near, but not the middle 95 %: cut 2.5 % off on each side, and let each repeat draw as many flags as "
            "there are, N.")
twenty = torch.arange(20) % 19 > 0
expect(student("accuracy_interval", twenty), [0.75, 1.0], atol=0.01, id="quantile",
       hint="20 flags, the first and the last one wrong: the middle 95 % of the repeats run from 75 to 100 %. Draw "
            "from all N flags. The ends are quantiles of the repeats; mean and deviation miss them.")
one = student("accuracy_interval", flags, repeats=1)
expect(one[0] - one[1], 0.0, id="repeats", needs="pair",
       hint="With repeats=1 there is one resampled accuracy, so both ends are equal: use `repeats`.")
expect(student("accuracy_interval", flags, repeats=20, seed=5),
       student("accuracy_interval", flags, repeats=20, seed=5), id="same-seed", needs="pair",
       hint="The same seed must give the same interval: make a generator from `seed` and draw with it.")
first, second = (student("accuracy_interval", flags, repeats=20, seed=seed) for seed in (6, 7))
expect(str(first) != str(second), id="seed-used", needs="pair",
       hint="Another seed gives another draw: use the `seed` that is passed in.")
expect(student_call("accuracy_interval", flags).arguments[0], flags, id="unchanged", needs="pair",
       hint="Your function changed the flags that it was given.")
### BEGIN HIDDEN TESTS
uneven = torch.arange(640) % 4 > 0
expect(student("accuracy_interval", uneven, repeats=3000, seed=2), bootstrap_interval(uneven, repeats=3000), atol=0.006,
       id="other", needs="pair", hint="On 640 flags, three of four right, the interval is off.")
expect(student("accuracy_interval", torch.ones(30).bool()), [1.0, 1.0], id="all-right", needs="pair",
       hint="When all are right, every repeat is all right: the interval is (1, 1).")
### END HIDDEN TESTS

# %% [markdown] key="interval-quick"
# **Going further.** 30 of 30 right gives the interval (1, 1). That is too sure of itself. Look up the *Wilson interval*
# and the *rule of three*, write one of them, and compare on 30 of 30, 29 of 30 and 900 of 1,000.

# %% [markdown] key="own-slider-text"
# Now your function at work, under a slider that you could have written yourself. Each move prunes LeNet by 90 %
# and tests it on so many validation images. Look for the number of images at which the interval is 8 points wide. How
# many make it 4 points wide?

# %% play=true key="own-slider"
interval = use("accuracy_interval", otherwise=bootstrap_interval)
digits, lenet = load("mnist").validation, pretrained("lenet")
test_size = ipywidgets.IntSlider(value=100, min=50, max=1000, step=50, description="images")
result = ipywidgets.Label()

def show(change=None):
    test, small = digits[:test_size.value], apply_masks(lenet, global_masks(lenet, 0.9))
    low, high = interval(correct(predict(small, test.images), test.labels))
    result.value = f"{low:.1%} to {high:.1%}, {100 * (high - low):.1f} points wide"

test_size.observe(show, "value")
show()
ipywidgets.VBox([test_size, result])

# %% [markdown] key="interval-root"
# Half the width takes four times the images: the width falls with the **square root** of their number.
# The picture shows it for ResNet8.

# %% play=true key="interval-picture" tags=["hide-input"]
rows = []
for size in (50, 100, 200, 500, 1000, 2000, 4000):
    low, high = bootstrap_interval(whole_right[:size])
    rows.append({"test photos": size, "width of the 95 % interval (points)": 100 * (high - low)})
widths = pd.DataFrame(rows)
figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
plot.lines(ax, widths, *widths.columns)
ax.set(title="ResNet8: four times the photos, half the width", xscale="log", ylim=(0, None))
ax.set_xticks(widths["test photos"], [f"{size:,}" for size in widths["test photos"]])
ax.minorticks_off()
plt.show()

# %% [markdown] key="pairs"
# ## The same images, twice
#
# Now compare two networks. Do their intervals overlap? Many people stop there. Look at the two on 4,000 photos.

# %% play=true key="overlap"
for name, right in (("whole: ", whole_right), ("pruned:", pruned_right)):
    low, high = bootstrap_interval(right)
    print(f"{name} {right.double().mean():.1%}, 95 % interval {low:.1%} to {high:.1%}")

# %% [markdown] key="overlap-after"
# They overlap by a good part. Does that mean that the difference is luck? No. The two networks saw **the same
# photos**. A hard photo is hard for both. Most of the luck is shared, and drops out of the difference.
# Results of two networks on the same images are called **paired**.
#
# Ten photos show which of them matter.

# %% key="tiny-pairs"
whole10 = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 0]).bool()
pruned10 = torch.tensor([1, 1, 1, 1, 0, 0, 0, 1, 0, 0]).bool()
print("both right:        ", int((whole10 & pruned10).sum()))
print("only whole right:  ", int((whole10 & ~pruned10).sum()), " <- b")
print("only pruned right: ", int((~whole10 & pruned10).sum()), " <- c")
print("both wrong:        ", int((~whole10 & ~pruned10).sum()))

# %% [markdown] key="mcnemar-idea"
# Six of the ten photos say nothing: both networks agree there. Only four tell the two apart.
# An image on which one network is right and the other wrong is a **discordant pair**. There are b + c of them.
#
# Now suppose that pruning makes no difference. Then each discordant pair falls to b or to c like a **fair coin**.
# Here three of four fell to b. Is that unusual? Count all 16 ways in which four coins can fall: in 5 of them three
# or four fall to b, and in 5 as many fall to c. Together 10 of 16, more than half. Not unusual at all.
#
# This is **McNemar's test** (1947). The share, here 10/16 = 0.625, is the **p-value**: how often luck alone gives a
# result at least so uneven, to either side.

# %% [markdown] key="exercise-2"
# ### Exercise 2: McNemar's test
#
# Write `paired_test(first, second)`. Both are bool tensors, one flag for each image. Return `(b, c, p)`:
#
# - b: images on which only the first network is right; c: only the second;
# - p: twice the chance that b + c fair coins show `min(b, c)` heads or fewer, and at most 1.
#
# The chance of exactly k heads with n coins is `math.comb(n, k) / 2 ** n`. (`import math` inside the function.)
#
# Worked values: the ten photos above give `(3, 1, 0.625)`. With b = 6 and c = 0 it is 2 × 1/64, so `(6, 0, 0.03125)`.

# %% exercise="paired_test"
def paired_test(first, second):
    """McNemar's exact test on the same images: bool (N,), bool (N,) -> (b, c, p)."""
    ### BEGIN SOLUTION
    import math
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    ways = sum(math.comb(b + c, heads) for heads in range(min(b, c) + 1))
    return b, c, min(1.0, 2 * ways / 2 ** (b + c))
    ### END SOLUTION


# %% check="paired_test" points=4
yes, no = torch.ones(6).bool(), torch.zeros(6).bool()
expect(student("paired_test", yes, no), [6, 0, 0.03125], atol=0.97, id="pairs",
       hint="Six images, all right in the first network and wrong in the second: b is 6, c is 0, and then comes p. "
            "Return the three numbers in this order.")
expect(student("paired_test", yes, no), [6, 0, 0.03125], id="tail", needs="pairs",
       hint="Six coins on one side: a chance of 1/64 for each side, and both sides count: 2/64. Counts and chances are "
            "exact, without rounding or an approximation.")
four_one = torch.tensor([1, 1, 1, 1, 0]).bool()
expect(student("paired_test", four_one, ~four_one), [4, 1, 0.375], id="or-fewer", needs="pairs",
       hint="b = 4 and c = 1: add the chances of 0 heads and of 1 head, min(b, c) and all below it. Then double: "
            "2 x (1 + 5) / 32.")
ten_more = torch.cat([yes, torch.ones(10).bool()]), torch.cat([no, torch.ones(10).bool()])
expect(student("paired_test", *ten_more), [6, 0, 0.03125], id="agree", needs="tail",
       hint="Ten more images on which both are right: nothing changes. Only the b + c discordant pairs are coins.")
expect(student("paired_test", ~four_one, four_one), [1, 4, 0.375], id="swapped", needs="or-fewer",
       hint="Swapping the networks swaps b and c and leaves p as it is: count up to the smaller of the two.")
half = torch.tensor([1, 1, 0, 0]).bool()
expect(student("paired_test", half, ~half), [2, 2, 1.0], id="at-most-one", needs="pairs",
       hint="With b = c the sum doubled is more than 1, since the middle counts twice: p is at most 1.")
expect(student("paired_test", yes, yes), [0, 0, 1.0], id="no-difference", needs="tail",
       hint="No discordant pair: b and c are 0, and nothing speaks for a difference, so p is 1.")
expect(student_call("paired_test", four_one, ~four_one).arguments, [four_one, ~four_one], id="unchanged", needs="pairs",
       hint="Your function changed the flags that it was given.")
### BEGIN HIDDEN TESTS
many = torch.arange(4000) % 40
expect(student("paired_test", many > 20, many > 18), [0, 200, 2 / 2 ** 200], rtol=1e-6, atol=0, id="tiny",
       hint="200 coins, all on one side: p is tiny but not 0.")
close = torch.arange(4000) % 2 == 0, (torch.arange(4000) + torch.arange(4000).ge(2040)) % 2 == 1
wanted = mcnemar(*close)
expect(student("paired_test", *close), [wanted.b, wanted.c, wanted.p_value], rtol=1e-6, id="many",
       hint="With thousands of discordant pairs the ways are numbers of a thousand digits. Add them up as whole "
            "numbers and divide once, at the end.")
### END HIDDEN TESTS

# %% [markdown] key="pairs-quick"
# **Going further.** Compare *three* networks, pair by pair. Three tests have three chances to be fooled by luck.
# Look up the *Bonferroni correction*. Which p-value would you ask for now?

# %% [markdown] key="pairs-use-text"
# Your test now compares LeNet with its pruned copies. Look for the smallest amount at which p falls below 0.05,
# with 200 images and with 1,000.

# %% play=true key="pairs-use"
test_pairs = use("paired_test", otherwise=mcnemar)

def compare(amount, images):
    test, small = digits[:images], apply_masks(lenet, global_masks(lenet, amount))
    flags = [correct(predict(model, test.images), test.labels) for model in (lenet, small)]
    b, c, p = test_pairs(*flags)
    return {"only the whole one right (b)": b, "only the pruned one right (c)": c, "p-value": f"{p:.4f}"}

explore(compare, amount=(0.5, 0.95, 0.01), images=[200, 500, 1000])

# %% [markdown] key="pairs-resnet-text"
# And the question of the beginning? ResNet8 and its copy, with more and more photos:

# %% play=true key="pairs-resnet"
for size in (200, 1000, 2000, 4000):
    test = mcnemar(whole_right[:size], pruned_right[:size])
    low, high = drop_interval(whole_right[:size], pruned_right[:size])
    print(f"first {size:5,} photos: b = {test.b:2}, c = {test.c:2}, p = {test.p_value:.3f}; "
          f"drop between {100 * low:+.1f} and {100 * high:+.1f} points")

# %% [markdown] key="pairs-resnet-after"
# At the end of each line stands the **paired interval** of the drop: images are drawn, and each brings both of its
# flags along.
# With 1,000 photos it holds zero, losses and gains. With 4,000 it lies above zero, and p is below 0.05.
# Pruning a quarter does cost something, although the two intervals above overlap.
#
# **Overlapping intervals do not show that two networks are equal.** Compare them pair by pair.
#
# What about a network with next to no drop? Here is ResNet8 with its weights and activations in 8 bits.
# (Lesson 08 shows how.)

# %% play=true key="int8" tags=["hide-input"]
int8 = quantize_model(resnet, data.train.images[:100])
int8_right = correct(predict(int8, data.validation.images[:1000]), labels[:1000])
test = mcnemar(whole_right[:1000], int8_right)
low, high = drop_interval(whole_right[:1000], int8_right)
print(f"8 bits, 1,000 photos: b = {test.b}, c = {test.c}, p = {test.p_value:.2f}")
print(f"drop between {100 * low:+.1f} and {100 * high:+.1f} points")

# %% [markdown] key="int8-after"
# The p-value is far above 0.05. That alone proves nothing: a test with two photos has a high p-value, too.
# **"No difference seen" is not "no difference".** The interval says more: the largest drop that these photos allow
# is its upper end. If you can live with that much, you have shown what you need.

# %% [markdown] key="debug-text"
# ### Debug: an interval that forgets the pairs
#
# Below is a function for the 95 % interval of the drop, the accuracy of the first network minus that of the second.
# It runs, and the ends are in the right order. Still it is far too wide, and for a network compared with itself it
# gives an interval from a loss to a gain. Mend it.
#
# Worked value: equal flags give `(0.0, 0.0)`.

# %% debug="drop_range"
def drop_range(first, second, repeats=1000, seed=0):
    """95 % bootstrap interval of the drop, on the same images: bool (N,), bool (N,) -> (low, high)."""
    draw = torch.Generator().manual_seed(seed)
    images = len(first)
    ### BEGIN FAULTY
    # first_drawn = first.double()[torch.randint(images, (repeats, images), generator=draw)]
    # second_drawn = second.double()[torch.randint(images, (repeats, images), generator=draw)]
    ### END FAULTY
    ### BEGIN SOLUTION
    rows = torch.randint(images, (repeats, images), generator=draw)
    first_drawn, second_drawn = first.double()[rows], second.double()[rows]
    ### END SOLUTION
    drops = first_drawn.mean(1) - second_drawn.mean(1)
    return drops.quantile(0.025).item(), drops.quantile(0.975).item()


# %% check="drop_range" points=2
place = torch.arange(500)
mostly, fewer = place % 8 > 0, place % 5 > 0
expect(student("drop_range", mostly, mostly), [0.0, 0.0], id="same-images",
       hint="A network compared with itself: each repeat must give a drop of 0. Draw images, and let each bring both "
            "of its flags along.")
lost = mostly & (place % 10 > 0)
expect(student("drop_range", mostly, lost), [0.076, 0.076], atol=0.05, id="sign",
       hint="The first network is right 7.6 points more often, so both ends are about 0.05 to 0.1: first minus "
            "second, as shares.")
ends = student("drop_range", mostly, lost)
expect(ends[1] - ends[0] > 0.01, id="spread", needs="same-images",
       hint="The low end comes first, and the ends differ: draw with replacement, anew for each repeat.")
expect(ends, drop_interval(mostly, lost), atol=0.007, id="width", needs="same-images",
       hint="The middle 95 % of the drops: each drop from as many images as there are, and both networks on the same "
            "ones.")
even = place % 8 != 3
ends = student("drop_range", mostly, even, repeats=4000)
expect(ends, drop_interval(mostly, even, repeats=50_000), atol=0.015, id="both-ways", needs="same-images",
       hint="Here each network wins as many images as the other: the interval runs from about -0.044 to 0.044. Gains "
            "count as well as losses, with their sign, and over all images.")
expect(ends, drop_interval(mostly, even, repeats=50_000), atol=0.0045, id="quantiles", needs="both-ways",
       hint="Near, but not the middle 95 % of the drops: leave the quantiles as they were.")
expect(student("drop_range", mostly, fewer, repeats=30, seed=4),
       student("drop_range", mostly, fewer, repeats=30, seed=4), id="same-seed", needs="spread",
       hint="The same seed must give the same interval: draw with the generator.")
first, second = (student("drop_range", mostly, fewer, repeats=30, seed=seed) for seed in (5, 6))
expect(str(first) != str(second), id="seed-used", needs="spread",
       hint="Another seed gives another draw: keep the generator that `seed` starts.")
### BEGIN HIDDEN TESTS
one = student("drop_range", mostly, fewer, repeats=1)
expect(one[0] - one[1], 0.0, id="repeats", needs="spread",
       hint="With repeats=1 there is one drop, and both ends are equal: draw `repeats` times.")
long = torch.arange(2000)
expect(student("drop_range", long % 9 > 0, (long % 9 > 0) & (long % 50 > 0)),
       drop_interval(long % 9 > 0, (long % 9 > 0) & (long % 50 > 0)), atol=0.003, id="long", needs="same-images",
       hint="On 2,000 images the interval is off.")
### END HIDDEN TESTS

# %% [markdown] key="debug-use-text"
# What do the pairs save? Your mended function on the first 1,000 photos, beside the width that two networks with
# photos of their own would have. Luck that is not shared adds up in squares: that width is the square root of the sum
# of both squared widths (`hypot`).

# %% play=true key="debug-use"
paired_range = use("drop_range", otherwise=drop_interval)
low, high = paired_range(whole_right[:1000], pruned_right[:1000])
one, other = (np.diff(bootstrap_interval(right[:1000]))[0] for right in (whole_right, pruned_right))
print(f"the same photos:      {100 * (high - low):.1f} points wide")
print(f"photos of their own:  {100 * np.hypot(one, other):.1f} points wide")

# %% [markdown] key="needed"
# ## How many images show one point?
# *Short path*
#
# Turn the question round. Before you test, you choose how many images to take. How many are enough to see a drop of
# one point?
#
# "To see" needs a definition. A test sees a drop when its p-value is below 0.05. The share of tests that see it is the
# **power**. The usual wish is a power of 80 %: four of five tests see what is there.

# %% play=true key="needed-shares"
both_ways = mcnemar(whole_right, pruned_right)
disagree = (both_ways.b + both_ways.c) / len(labels)
print(f"The two networks disagree about right and wrong on {disagree:.1%} of the photos.")

# %% play=true key="predict-needed" tags=["hide-input"]
Guess("Pruning costs ResNet8 one point. How many photos does it take to see that in four of five tests?",
      lambda: significance.images_needed((disagree + 0.01) / 2, (disagree - 0.01) / 2), unit="photos",
      explain="Thousands. Most photos say nothing, and those that do fall to both sides.")

# %% [markdown] key="needed-idea"
# ### Where the number comes from
#
# Let b be the number of images on which only the first network is right, and c the number on which only the second is.
# McNemar's test makes its p-value of these two. What matters is how far b and c lie apart, compared with how far luck
# pulls them apart. Write `lost` for the share b / N of the images, and `gained` for the share c / N.
#
# - The drop is `lost - gained`. On N images it makes b - c about N × drop.
# - Luck moves b - c by about the square root of b + c, so of N × (lost + gained).
# - For 80 % power the first must be 2.802 times the second: 1.960 for p below 0.05, and 0.842 more for the 80 %.
#
# Solve for N. The 7.85 is 2.802 × 2.802:
#
# $$N = 7.85 \times \frac{lost + gained}{(lost - gained)^2}$$

# %% [markdown] key="exercise-3"
# ### Exercise 3: plan a test
#
# Write `images_needed(lost, gained)`: the number of images by this formula, rounded to a whole number with `round`.
# When `lost` and `gained` are equal there is no drop to see, and no number is enough: return `float("inf")`.
#
# Worked values: `images_needed(0.025, 0.015)` is 3140, and half the drop at the same disagreement,
# `images_needed(0.0225, 0.0175)`, takes four times as many: 12560.

# %% exercise="images_needed"
def images_needed(lost, gained):
    """Images that show the drop lost - gained with 80 % power: two shares, 0 to 1 -> int, or inf."""
    ### BEGIN SOLUTION
    if lost == gained:
        return float("inf")
    return round(7.85 * (lost + gained) / (lost - gained) ** 2)
    ### END SOLUTION


# %% check="images_needed" points=2
expect(student("images_needed", 0.01, 0.0), 785.0, atol=2, id="scale",
       hint="One image in a hundred is lost and none gained: 7.85 x 0.01 / 0.01 ** 2. Shares, not points, and the "
            "drop is squared.")
expect(student("images_needed", 0.002, 0.0), 3925.0, atol=2, id="factor", needs="scale",
       hint="Near: 7.85 x 0.002 / 0.002 ** 2 is 3925. The number in front is 7.85; 2.8 squared would be 7.84.")
expect(student("images_needed", 0.03, 0.02), 3925.0, atol=2, id="disagree",
       hint="Above the line stands all disagreement, lost + gained; below it the square of the drop.")
expect(student("images_needed", 0.02, 0.03), 3925.0, atol=2, id="gain", needs="disagree",
       hint="A gain is as hard to see as a loss: the square does not mind the sign.")
numbers = [student("images_needed", *shares) for shares in ((0.05, 0.02), (0.05, 0.01))]
expect(numbers, [611, 294], rtol=0, atol=1e-9, id="whole", needs="disagree",
       hint="610.6 is rounded to 611, and 294.4 to 294: use round().")
expect(student("images_needed", 0.02, 0.02), np.inf, id="none", needs="disagree",
       hint='No drop: no number of images can show it. Return float("inf").')
### BEGIN HIDDEN TESTS
expect(student("images_needed", 0.1125, 0.0925), 7.85 * 0.205 / 0.0004, rtol=1e-3, id="much", needs="disagree",
       hint="Two networks that disagree a lot: the number is off.")
expect(student("images_needed", 0.0, 0.5), 16, id="large", needs="gain",
       hint="Half of the images gained: a handful shows it, 7.85 x 0.5 / 0.25.")
### END HIDDEN TESTS

# %% [markdown] key="needed-quick"
# **Going further.** Leave the pairs: test the two networks on *different* images. Then the variance of each accuracy,
# `p * (1 - p) / N`, counts in full. Work out N for one point at 88 %, and compare.

# %% [markdown] key="needed-check-text"
# ### Extra: does the formula hold?
#
# Try it: draw b and c by lot for a true drop of one point, at the disagreement measured for
# ResNet8. Test each draw with McNemar's test, and count how many tests see the drop.

# %% play=true key="power"
lost, gained = (disagree + 0.01) / 2, (disagree - 0.01) / 2
sizes = [200, 500, 1000, 2000, 3000, 5000, 10_000, 20_000]

def sees_it(b, c):  # one photo more, on which both are right: it changes nothing, and b = c = 0 can be tested, too
    return mcnemar([True] * b + [False] * c + [True], [False] * b + [True] * c + [True]).p_value < 0.05

chance = np.random.default_rng(0)
found = [np.mean([sees_it(b, c) for b, c, _ in chance.multinomial(size, [lost, gained, 1 - disagree], 300)])
         for size in sizes]

# %% [markdown] key="power-apart-text"
# Now without pairs: two accuracies, one point apart, each on images of its own. Such a test sees the drop when they
# lie further apart than 1.96 times their common deviation.

# %% play=true key="power-apart"
level = whole_right.double().mean().item()
noise = np.sqrt(2 * level * (1 - level) / np.array(sizes))
apart = (chance.binomial(sizes, level, (2000, len(sizes))) - chance.binomial(sizes, level - 0.01, (2000, len(sizes))))
found_apart = (abs(apart / sizes) > 1.96 * noise).mean(axis=0)
power = pd.DataFrame({"photos in the test": sizes * 2, "share of tests": [*found, *found_apart],
                      "images": ["the same for both (paired)"] * len(sizes) + ["different for each"] * len(sizes)})

# %% play=true key="power-picture" tags=["hide-input"]
one_point = significance.images_needed(lost, gained)
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
plot.lines(ax, power, "photos in the test", "share of tests", by="images")
ax.axvline(one_point, color="black", linestyle="--", linewidth=1)
ax.axhline(0.8, color="black", linestyle=":", linewidth=1)
ax.set(title="How many tests see a true drop of one point?", xscale="log", ylim=(0, 1.05),
       ylabel="share of tests with p below 0.05", xlabel="photos in the test (dashed: by the formula)")
ticks = [size for size in sizes if size != 3000]  # its name would touch that of 2,000
ax.set_xticks(ticks, [f"{size:,}" for size in ticks])
ax.minorticks_off()
plt.show()

# %% play=true key="power-reading" tags=["hide-input"]
paired = power[power.images == "the same for both (paired)"].set_index("photos in the test")["share of tests"]
unpaired = round(7.85 * 2 * level * (1 - level) / 0.01 ** 2)
print(f"200 photos see the point in {paired[200]:.0%} of the tests, 1,000 in {paired[1000]:.0%}")
print(f"by the formula: {one_point:,} photos with pairs, {unpaired:,} for each network without, "
      f"{unpaired / one_point:.1f} times as many")

# %% [markdown] key="power-after"
# The curve meets the dotted line near the dashed one: the formula holds.
# Pairing saves most of the images, and it costs nothing: test both networks on the same ones.
#
# Small tests nearly always say "no difference". And when one says "difference", its drop is far too large: on 200
# photos p falls below 0.05 only from b = 6 and c = 0 on, and that is a drop of 3 points.

# %% [markdown] key="needed-use-text"
# ### Your own plan at work
#
# On real networks: how many images would show what pruning costs LeNet? Pairing helps: test both networks on the same
# images.

# %% play=true key="needed-use"
plan = use("images_needed", otherwise=significance.images_needed)
lenet_right = correct(predict(lenet, digits.images[:1000]), digits.labels[:1000])

def plan_for(amount):
    small = apply_masks(lenet, global_masks(lenet, amount))
    test = mcnemar(lenet_right, correct(predict(small, digits.images[:1000]), digits.labels[:1000]))
    return {"drop (points)": f"{(test.b - test.c) / 10:.1f}", "they disagree on": f"{(test.b + test.c) / 10:.1f} %",
            "images needed": plan(test.b / 1000, test.c / 1000)}

explore(plan_for, amount=(0.7, 0.95, 0.01))

# %% [markdown] key="needed-after"
# What to look for: the more is lost, the fewer images show it. Where b and c are equal, no number is enough.
# A plan made from a few pairs jumps about: it is an estimate, too. So plan with some to spare.

# %% [markdown] key="splits"
# ## Three sets of images
#
# A test is only as good as its images. The course keeps three sets apart.
#
# | set | what it is for | how often |
# |---|---|---|
# | **training images** | the weights are fitted to them | each epoch |
# | **validation images** | everything is chosen on them: recipe, amount, threshold | as often as you like |
# | **test images** | the final number | once |
#
# All three are drawn from the same source, and no image is in two of them.
#
# Why three, and not two? Choosing is a mild kind of fitting. What was chosen on an image knows a little about it.
# So neither training images nor validation images can give an honest final number.

# %% [markdown] key="leak"
# ## What has the network seen?
# *Short path*
#
# When a network is judged on images that had a part in making it, that is **leakage**. The figure is then too good.
# The extreme case: it is tested on its own training images.
#
# Here is how this happens with a small network. LeNet loses 97 % of its weights, and with them nearly all that it knew.
# A colleague trains it for a few seconds more, and the zeros stay zero. For this he takes the 100 images at hand.
# They are his test images.

# %% play=true key="leak-train"
seen, unseen = digits[:100], digits[1000:2000]
masks = global_masks(lenet, 0.97)
repaired = apply_masks(lenet, masks)
before_repair = accuracy(repaired, unseen)
fit(repaired, SimpleNamespace(train=seen, validation=seen), Recipe(epochs=15, batch_size=20, learning_rate=0.02),
    masks=masks, progress=False)
print(f"97 % pruned, before: {before_repair:.1%} right; the whole LeNet: {accuracy(lenet, unseen):.1%}")

# %% play=true key="predict-leak" tags=["hide-input"]
Guess(f"After the repair it is right on {accuracy(repaired, seen):.0%} of the 100 images. "
      "On how many per cent of 1,000 images that it has never seen?",
      lambda: 100 * accuracy(repaired, unseen), unit="%",
      explain="It has learned the 100 images by heart. On others it makes more than ten times the mistakes of the "
              "whole network.")

# %% [markdown] key="pitfall-leak-text"
# **Pitfall: leakage.** The switch below turns the mistake on: it measures the drop on the images that the network was
# trained with. Tick it, and compare.

# %% play=true key="pitfall-leak" tags=["hide-input"]
def report_drop(test_on_images_seen_in_training):
    figures = {"honest, 1,000 unseen images": 100 * (accuracy(lenet, unseen) - accuracy(repaired, unseen))}
    if test_on_images_seen_in_training:
        figures["as reported, 100 images seen"] = 100 * (accuracy(lenet, seen) - accuracy(repaired, seen))
    return {name: f"{drop:.1f} points lost" for name, drop in figures.items()}

explore(report_drop, test_on_images_seen_in_training=False)

# %% [markdown] key="leak-after"
# **Testing on data seen in training hides the loss.** The repaired network has few weights left, and still enough
# to remember 100 images. A network that remembers its training images and fails on others is **overfitted**.
#
# Hardly anybody does this on purpose. It comes in by the back door: a file read twice, a mixed-up split, settings that
# were chosen on the test images. Or by twins.

# %% [markdown] key="twins"
# ## Extra: twins in the data
#
# Even with separate sets, an image can be in both: as a **near-duplicate**, the same photo a little brighter, cropped
# or shifted. Barz and Denzler (2020) searched CIFAR-10 for them. They found that **3.3 %** of its test images have a
# near-duplicate among the 50,000 training images. They made a cleaned test set, ciFAIR, in which these are replaced.
#
# We have 10,000 of the training photos here, a fifth. Search them: for each test photo, which training photo is the
# most alike? The **similarity** of two photos is here the correlation of their pixels: 1 for equal photos, around 0 for
# unrelated ones. A change of brightness or contrast leaves it as it is. No network has a say in it.

# %% play=true key="twins-search"
pairs = leakage.closest_pairs(data.test.images, data.train.images, count=100)
for limit in (0.95, 0.9):
    close = int((pairs.similarity > limit).sum())
    print(f"similarity above {limit}: {close} of {len(data.test):,} test photos, {close / len(data.test):.2%}")
print(f"a fifth of 3.3 % would be {0.033 / 5:.2%}")

# %% play=true key="twins-picture" tags=["hide-input"]
figure, axes = plt.subplots(2, 12, figsize=(11, 2.4), layout="constrained")
plot.images(axes[0], data.to_pixels(data.test.images[pairs.places[:12]]),
            [f"{value:.2f}" for value in pairs.similarity[:12]])
plot.images(axes[1], data.to_pixels(data.train.images[pairs.partners[:12]]))
figure.suptitle("Above: test photos, with similarity (1: equal). Below: the most similar training photo")
plt.show()

# %% play=true key="twins-picture-far" tags=["hide-input"]
figure, axes = plt.subplots(2, 12, figsize=(11, 2.4), layout="constrained")
plot.images(axes[0], data.to_pixels(data.test.images[pairs.places[50:62]]),
            [f"{value:.2f}" for value in pairs.similarity[50:62]])
plot.images(axes[1], data.to_pixels(data.train.images[pairs.partners[50:62]]))
figure.suptitle("Further down the list: twins, and photos that only look alike")
plt.show()

# %% [markdown] key="twins-after"
# The closest pairs are plainly the same photo. Further down, twins stand beside photos that only look alike: a plane
# and another plane before the same blue. Similar pixels are a hint, not a proof. That is why the authors looked at
# each pair themselves. Our count is rough: it takes in some that are no twins, and it misses mirrored ones.
# It comes near a fifth of theirs at one limit and not at the other, so it confirms no more than the order of size.
#
# Do twins help ResNet8? On validation photos we may ask. They were drawn from the same 50,000.

# %% play=true key="twins-accuracy"
known = leakage.closest_pairs(data.validation.images, data.train.images, count=100)
twin = known.places[known.similarity > 0.9]
low, high = bootstrap_interval(whole_right[twin])
print(f"{len(twin)} validation photos with a likely twin: {whole_right[twin].double().mean():.0%} right, "
      f"95 % interval {low:.0%} to {high:.0%}")
print(f"all 4,000: {whole_right.double().mean():.0%} right")

# %% [markdown] key="twins-accuracy-after"
# So few photos cannot tell: the interval is wide and holds the accuracy of all the others. You know why by now.
#
# The worst twins are those that we make ourselves. To get more training data, people make **copies** of each image,
# shifted a little. When the copies are made *before* the images are divided, copies of one image land on both sides.
# The cure: give all copies of an image the same **group** number, and divide groups, not images.

# %% key="tiny-groups"
groups = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
by_image = torch.tensor([1, 0, 0, 0, 1, 0, 0, 0, 1]).bool()
print("groups on both sides, divided by image:", set(groups[by_image].tolist()) & set(groups[~by_image].tolist()))
by_group = groups == 1
print("divided by group:", set(groups[by_group].tolist()) & set(groups[~by_group].tolist()) or "none")

# %% [markdown] key="exercise-4"
# ### Extra: exercise 4, a split without leaks
#
# Write `leak_free_split(groups, share, seed)`: a bool tensor, `True` for each image that is held out for testing.
#
# - All images of a group go to the same side.
# - `round(share * number of groups)` groups are held out, drawn by lot: each group has the same chance, however many
#   images it has. `seed` starts the lot.
#
# Worked value: groups `[7, 7, 4, 4]` and share 0.5 give `[True, True, False, False]` or
# `[False, False, True, True]`, depending on the seed.
#
# Helpful: `groups.unique()` gives each group's number once, `torch.randperm(n, generator=...)` shuffles n places, and
# `torch.isin(groups, some)` says for each entry whether it is among some.

# %% exercise="leak_free_split"
def leak_free_split(groups, share, seed=0):
    """Hold out whole groups: int (N,), fraction -> bool (N,), True = held out."""
    ### BEGIN SOLUTION
    numbers = groups.unique()
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    held_out = numbers[order[:round(share * len(numbers))]]
    return torch.isin(groups, held_out)
    ### END SOLUTION


# %% check="leak_free_split" points=3
fours = torch.arange(24) // 4
held = torch.as_tensor(student("leak_free_split", fours, 0.5))
expect(held.double().reshape(6, 4).sum(1).sort().values, [0, 0, 0, 4, 4, 4], id="whole-groups",
       hint="Six groups of four images and half of them: three groups go with all four images, three stay whole. "
            "Draw groups, not images, and return one entry for each image.")
third = torch.as_tensor(student("leak_free_split", fours, 1 / 3))
expect(third.double().sum(), 8, id="share", needs="whole-groups",
       hint="A third of six groups is two, so 8 images are True. True marks what is held out, and `share` is the "
            "share of that.")
expect(third, third != 0, dtype="bool", id="bool", needs="share",
       hint="Right places, wrong type: a mask is a bool tensor, as torch.isin gives it.")
mixed = torch.tensor([5, 90, 5, 31, 90, 5, 31, 90, 31, 2, 2, 2])
once = torch.as_tensor(student("leak_free_split", mixed, 0.5)).double()
torn = [once[mixed == number].std() for number in (5, 90, 31, 2)]
expect([*torn, once.sum()], [0.0, 0.0, 0.0, 0.0, 6.0], id="mixed", needs="share",
       hint="Groups need not stand side by side, and their numbers are names: 2, 5, 31 and 90. Ask groups.unique().")
unequal = torch.tensor([1] * 9 + [2, 3, 4])
left = torch.as_tensor(student("leak_free_split", unequal, 0.5, seed=1)).bool()
expect(len(unequal[left].unique()), 2, id="count-groups", needs="share",
       hint="Groups of 9, 1, 1 and 1 images, and half are held out: two groups, however many images these have.")
pairs_of_copies = torch.arange(40) % 20  # so many groups that two unseeded splits are hardly ever equal
expect(student("leak_free_split", pairs_of_copies, 0.5, seed=3),
       student("leak_free_split", pairs_of_copies, 0.5, seed=3),
       id="same-seed", needs="mixed",
       hint="The same seed must give the same split: draw with a generator made from it.")
draws = {str(student("leak_free_split", fours, 0.5, seed=seed)) for seed in range(24)}
expect(len(draws) > 7, id="seed-used", needs="whole-groups",
       hint="24 seeds, and few different splits: shuffle the groups with a generator that `seed` starts.")
large = [torch.as_tensor(student("leak_free_split", unequal, 0.5, seed=seed)).bool().reshape(-1)[:1].sum()
         for seed in range(40)]
expect(10 <= sum(large) <= 30, id="same-chance", needs="seed-used",
       hint="Forty seeds: the group of nine images is held out in about half of the draws, like any other. Draw among "
            "groups.unique(), where each group stands once, not among the images.")
expect(student_call("leak_free_split", mixed, 0.5).arguments[0], mixed, id="unchanged", needs="mixed",
       hint="Your function changed the group numbers that it was given.")
### BEGIN HIDDEN TESTS
hundred = torch.arange(300) % 100
held_out = [torch.as_tensor(student("leak_free_split", hundred, share, seed=4)).double().sum()
            for share in (0.29, 0.333)]
expect(held_out, [87, 99], id="round",
       hint="0.29 x 100 groups are 29, although 0.29 * 100 is a little less in floating point, and 33.3 groups are 33: "
            "use round().")
expect(torch.as_tensor(student("leak_free_split", hundred, 0.0)).double().sum(), 0, id="nothing", needs="share",
       hint="Share 0 holds nothing out. Look out for [-0:] and for a minimum of one.")
### END HIDDEN TESTS

# %% [markdown] key="split-quick"
# **Going further.** Each group counts the same here, so the held-out *images* may be more or fewer than the share.
# Write a version that comes as near to the share of images as it can. (Scikit-learn has `GroupKFold` for this.)

# %% [markdown] key="split-use-text"
# Your split at work: 200 digits, 8 shifted copies of each. The classifier remembers everything: it looks for the most
# similar training image and says its label. (This is the **nearest neighbour**.) Divide by image, then by group.

# %% play=true key="split-use"
split_groups = use("leak_free_split", otherwise=leakage.split_groups)
chance = torch.Generator().manual_seed(0)
originals = load("mnist").train[:200]
copies = torch.cat([augmented(originals.images, "shift", chance) for _ in range(8)])
new_digits = augmented(digits.images[:500], "shift", chance)
copy_labels, copy_of = originals.labels.repeat(8), torch.arange(200).repeat(8)

def remember(divide, seed):
    held = split_groups(copy_of if divide == "by group" else torch.arange(1600), 0.2, seed)
    known, known_labels = copies[~held].flatten(1), copy_labels[~held]
    def share_right(images, truth):
        return (known_labels[torch.cdist(images.flatten(1), known).argmin(1)] == truth).double().mean()
    return {"held-out copies right": f"{share_right(copies[held], copy_labels[held]):.0%}",
            "500 new digits right": f"{share_right(new_digits, digits.labels[:500]):.0%}"}

explore(remember, divide=["by image", "by group"], seed=(0, 20))

# %% [markdown] key="split-use-after"
# Divided by image the figure looks splendid, and says nothing about new digits: each held-out image has brothers in
# training. Divided by group it lies about where the new digits lie. It jumps with the seed, since 40 digits are few.

# %% [markdown] key="tuning"
# ## Tuning on the test images
#
# The second way to fool yourself needs no training. Try many settings, test each, keep the best.
# First with coins: 500 people guess 20 coin flips each. None of them knows anything.

# %% key="tiny-winner"
chance = torch.Generator().manual_seed(8)
guesses = torch.randint(2, (500, 20), generator=chance)
flips = torch.randint(2, (20,), generator=chance)
hits = (guesses == flips).sum(1)
again = (torch.randint(2, (20,), generator=chance) == torch.randint(2, (20,), generator=chance)).sum()
print(f"the best of 500: {hits.max()} of 20 right; all together: {hits.double().mean():.1f}")
print(f"the winner guesses 20 new flips: {again} right")

# %% [markdown] key="winner-idea"
# The winner was lucky, and luck does not come along to the next test. This is the **winner's curse**: the best of many
# measurements is too good, and the more tries, the more so.
#
# Now with ResNet8. A network gives each class a number, its logit, and says the class with the largest.
# Suppose that somebody adds a small **handicap** to each class, drawn by lot, and hopes for a better balance.
# There are 500 such sets of ten handicaps. 200 photos serve as test images, the other 3,800 as fresh ones.
# (All of them are validation photos. The real test photos stay untouched.)

# %% play=true key="tuned" tags=["hide-input"]
handicaps = 0.5 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))

def tuned(candidates, which_200=0):
    few = torch.zeros(len(labels), dtype=torch.bool)
    few[200 * which_200:200 * which_200 + 200] = True
    scores = [int(correct(logits[few] + handicap, labels[few]).sum()) for handicap in handicaps[:candidates]]
    best = handicaps[scores.index(max(scores))]
    gain = correct(logits + best, labels).double() - whole_right.double()
    return 100 * gain[few].mean().item(), 100 * gain[~few].mean().item()

# %% play=true key="predict-tuning" tags=["hide-input"]
Guess("The best of 500 random handicaps gains some points of accuracy on the 200 photos that it was chosen on. "
      "How many points does it gain on the 3,800 fresh ones?", lambda: tuned(500, 0)[1], unit="points",
      explain="Nothing worth having. Random handicaps make no network better. The gain was chosen luck.")

# %% [markdown] key="pitfall-tuning-text"
# **Pitfall: tuning on the test images.** The switch turns the mistake on: it reports the winner's gain on the 200
# photos that chose it. Tick it, and try more candidates, and other photos.

# %% play=true key="pitfall-tuning" tags=["hide-input"]
def report_gain(candidates, which_200, report_on_the_images_that_chose):
    chosen_on, fresh = tuned(candidates, which_200)
    figures = {"honest, 3,800 fresh photos": f"{fresh:+.2f} points"}
    if report_on_the_images_that_chose:
        figures["as reported, the 200 photos"] = f"{chosen_on:+.2f} points"
    return figures

explore(report_gain, candidates=[500, 100, 20, 5, 1], which_200=(0, 19), report_on_the_images_that_chose=False)

# %% play=true key="tuning-picture" tags=["hide-input"]
rows = []
for candidates in (1, 5, 20, 100, 500):
    gains = np.mean([tuned(candidates, which) for which in range(5)], axis=0)
    rows += [{"photos": "the 200 that chose", "random candidates": candidates, "gain (points)": gains[0]},
             {"photos": "3,800 fresh ones", "random candidates": candidates, "gain (points)": gains[1]}]
curse = pd.DataFrame(rows)
figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
plot.lines(ax, curse, "random candidates", "gain (points)", by="photos")
ax.axhline(0, color="black", linewidth=1)
ax.set(title="The winner's curse: the best of many random handicaps", xscale="log")
ax.set_xticks([1, 5, 20, 100, 500], [1, 5, 20, 100, 500])
ax.minorticks_off()
plt.show()

# %% [markdown] key="tuning-after"
# A single handicap drawn by lot does harm. With more candidates the reported gain grows (a mean over five sets of
# 200 photos). On fresh photos there is none. **Tuning too much on test data gives false confidence.**
#
# A p-value does not save you: it counts one test, not 500. Two things do. Choose on validation images, and measure the
# winner once, on images that had no part in the choice. And take more validation images when you try more settings.

# %% [markdown] key="measure"
# ## Plan, then measure
#
# Now the real test. The candidate is fixed: a quarter of the weights goes. First the plan. With the shares from the
# validation photos, how many test photos show such a drop?

# %% play=true key="plan"
lost, gained = both_ways.b / len(labels), both_ways.c / len(labels)
planned = significance.images_needed(lost, gained)
print(f"validation: drop {100 * (both_ways.b - both_ways.c) / len(labels):.2f} points; "
      f"to see that: {planned:,} photos")

# %% [markdown] key="plan-after"
# We take 5,000 of the 10,000 test photos, about as many as planned, and look at them **once**.
# (All 10,000 would be better still. Half of them keep this notebook quick.)
# `verdict` applies the rules of lesson 01: accuracy first, then file and latency. Its file is the sparse one,
# in which zeros take hardly any room.

# %% play=true key="measure-run"
before = measure(fast(resnet), data.test[:5000])
after = measure(fast(pruned), data.test[:5000])
pd.DataFrame({"whole": dict(before.rows()), "a quarter zero": dict(after.rows())})

# %% play=true key="verdict"
judged = verdict(before, after, Budget(file="sparse_bytes"))
reasons = "\n".join(f"- {reason}" for reason in judged.reasons)
display(Markdown(f"**{judged.rating}**\n\n{reasons}"))

# %% [markdown] key="verdict-after"
# Zeros save no time (lesson 04), so a difference in latency is chance, whatever the verdict calls it. The last line of
# the verdict says that two overlapping intervals decide nothing, and asks for the test on pairs. Here it is.

# %% play=true key="test-pairs" tags=["hide-input"]
truth = data.test.labels[:5000]
flags = [measured.predictions == truth for measured in (before, after)]
final, (low, high) = mcnemar(*flags), drop_interval(*flags)
print(f"5,000 test photos: b = {final.b}, c = {final.c}, p = {final.p_value:.3f}; "
      f"drop {100 * (final.b - final.c) / 5000:.2f} points, between {100 * low:+.2f} and {100 * high:+.2f}")

# %% play=true key="test-reading" tags=["hide-input"]
seen_it = "does show the drop" if final.p_value < 0.05 else "does not show the drop, though it was planned to"
worst = "within the 2 points that count as good" if 100 * high < 2 else "beyond the 2 points that count as good"
display(Markdown(f"The test **{seen_it}**. The largest drop that the photos allow, {100 * high:.1f} points, "
                 f"lies {worst}."))

# %% [markdown] key="measure-after"
# Whatever stands there, it stands. A planned test with 80 % power misses one true drop in five.
# To take more photos now, *because* you do not like the result, would be tuning on the test images again.

# %% [markdown] key="pitfalls"
# ## Pitfalls
#
# - **Leakage.** The first switch above: tested on what it was trained on, a ruined network looks whole.
# - **Tuning on the test images.** The second switch above: the best of many tries is too good.
# - **Comparing overlapping intervals.** Two networks on the same images are compared pair by pair.
# - **"No difference seen" taken for "no difference".** Report the interval, and say which drop it still allows.
# - **Splitting after copying.** Copies, frames of one video, photos of one patient: they stay on one side.

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

# %% graded="answer_1" points=1 section="interval"
def answer_1(draw):
    images, factor, share = draw.integer(150, 900, 50), draw.integer(2, 6), draw.pick([0.8, 0.85, 0.9])
    narrow = round(100 * 3.92 * (share * (1 - share) / images) ** 0.5 / factor, 1)  # as wide as such an interval is
    return draw.number(
        f"On {images} images the 95 % interval of an accuracy is {narrow * factor:.1f} points wide. The accuracy stays "
        f"about the same. How many images in all make the interval {narrow:.1f} points wide? Write a number.",
        images * factor ** 2, within=(0, 10_000_000), tolerance=0,
        hint=f"The width falls with the square root of the number of images. It has to become {factor} times as "
             f"narrow.")

# %% graded="answer_2" points=1 section="pairs"
def answer_2(draw):
    from shrinklab.metrics import mcnemar
    kind = draw.pick(["none", "worse", "better"])
    large, small = draw.pick([(14, 9), (11, 6), (9, 5), (17, 12)] if kind == "none" else
                             [(24, 7), (31, 11), (19, 4), (42, 19)])
    b, c = (small, large) if kind == "better" or (kind == "none" and draw.integer(0, 1)) else (large, small)
    assert (mcnemar([True] * b + [False] * c, [False] * b + [True] * c).p_value < 0.05) == (kind != "none")
    images, both = draw.integer(1500, 4000, 100), draw.integer(84, 93)
    return draw.choice(
        f"A whole network and its smaller copy are tested on the same {images:,} images. On {both} % both are right. "
        f"On {b} images only the whole one is right, on {c} only the copy. What does McNemar's test say, with p below "
        "0.05 as its limit?",
        {"The copy is worse, by more than luck explains.": kind == "worse",
         "The copy is better, by more than luck explains.": kind == "better",
         "These images do not tell the two apart.": kind == "none"},
        never=[f"Nothing: {b + c} of {images:,} images are too few for any test.",
               "The two are equally good: they agree on nearly all of the images."],
        hint="Only the images on which one is right and the other wrong count. Fair coins, so many of them: how often "
             "do they fall so unevenly, to either side?")

# %% graded="answer_3" points=1 section="leak"
def answer_3(draw):
    copies, percent, tries = draw.integer(4, 12), draw.pick([10, 15, 20, 25]), draw.integer(40, 300, 20)
    kind = draw.pick(["copies", "honest", "winner"])
    story = {
        "copies": f"makes {copies} shifted copies of every photo, then holds {percent} % of all copies out by lot, "
                  "trains on the others, and reports the accuracy on the held-out ones",
        "honest": f"holds {percent} % of the photos out by lot, makes {copies} shifted copies of each of the "
                  "remaining ones, trains on those, and reports the accuracy on the held-out photos",
        "winner": f"holds {percent} % of the photos out by lot, trains {tries} networks with different settings on the "
                  f"others, and reports the highest of the {tries} accuracies on the held-out photos",
    }[kind]
    return draw.choice(
        f"A colleague {story}. What is the figure worth, as a promise for new photos?",
        {"It is too good: relatives of the held-out images were trained on.": kind == "copies",
         "It is too good: the images that judge the network also chose it.": kind == "winner",
         "It is an honest estimate, with an interval as wide as the number of images makes it.": kind == "honest"},
        never=["It is too low: a network always does better on new photos than on held-out ones.",
               "It is worthless: no accuracy on held-out images says anything about new photos."],
        hint="Follow one held-out image: was anything nearly like it trained on? And did it have a say in which "
             "network is reported?")

# %% graded="answer_4" points=1 section="pairs"
def answer_4(draw):
    import math
    few = draw.integer(0, 2)
    many = draw.integer(5, 9)
    swap = draw.integer(0, 1)
    b, c = (few, many) if swap else (many, few)
    p = min(1.0, 2 * sum(math.comb(b + c, k) for k in range(few + 1)) / 2 ** (b + c))
    return draw.number(
        f"Two networks are tested on the same {draw.integer(150, 600, 50)} images. On {b} of them only the first is "
        f"right, on {c} only the second. What is the p-value of McNemar's exact test, to three decimals?",
        round(p, 3), within=(0, 1), tolerance=0.0006,
        hint=f"{b + c} fair coins, with {few} or fewer on the rarer side, and then both sides: add up the ways and "
             f"divide by 2 ** {b + c}.")

# %% [markdown] essay="reflect" points=4
# ## Reflect
#
# A team writes: "We tried 60 ways to quantize our network, and kept the best by its accuracy on our 500 test photos.
# It lost 0.4 points against the original, with p = 0.63. So quantization costs us nothing, and we ship it." The network
# sorts ripe from unripe fruit. The photos were cut from 25 videos, and divided into training and test photos by lot.
#
# Write six to ten sentences to the team. Say what is wrong with the conclusion, with the choice, and with the photos.
# Use at least two numbers that you measured in this lesson. Then say what you would do instead.
#
# === BEGIN MARK SCHEME ===
# One point each, 4 in all. Half points are fine. Any clear wording counts; spelling and length do not.
#
# 1. **"Not seen" is not "nothing".** The answer says that p = 0.63 does not show that there is no loss, because 500
#    photos see a small drop only rarely, and asks for the interval of the drop (or its upper end). With a number from
#    the lesson: for example that ResNet8's lead changed its sign between 1,000 and 4,000 photos, or the power of 200 or
#    1,000 photos, or the number of photos that one point takes (about 2,800 with pairs). Half a point without a number.
# 2. **The winner's curse.** The best of 60 was chosen on the very photos that judge it, so its figure is too good.
#    With a number: the best of 500 random handicaps gained 2 to 3 points on its 200 photos and nothing on fresh ones.
#    Half a point without a number. (At least two numbers in the whole answer; when both are missing, take half a point
#    off in each of these two lines, not more.)
# 3. **Leakage through the videos.** Frames of one video are near-duplicates; divided by lot they stand on both sides,
#    so the test photos were as good as seen in training. They must be divided by video. Half a point for "leakage" or
#    "duplicates" without the cure or without the videos.
# 4. **A sound plan.** For example: divide by video; choose among the 60 on validation photos; plan the number of test
#    photos with the share of discordant pairs; test once, paired; report the interval and compare its upper end with
#    a limit that was set before. Two of these steps are enough.
#
# No point for a claim that contradicts the lesson (such as "p = 0.63 means that a loss is unlikely", or "train on the
# test photos as well"): it cancels the point of its line.
# === END MARK SCHEME ===

# %% [markdown] key="challenge"
# ## Extra: challenge
#
# "The drop is small" can be **shown**, not only hoped for: the upper end of the paired interval lies below your limit.
# Find the largest share of LeNet's weights, in whole per cent, for which 4,000 validation images show that the drop
# is under **1 point**. Fill in your amount and run the cell. It is a step towards the capstone, the task that
# closes the course (lesson 10): there you promise a drop, and the grader holds you to it, on images that had no part
# in your choice. Here they had one: the limit was met on the images that chose the amount.

# %% play=true key="challenge-try"
my_amount = 0.70
whole_digits = correct(predict(lenet, digits.images), digits.labels)

def upper_end(amount):
    small = apply_masks(lenet, global_masks(lenet, amount))
    return 100 * drop_interval(whole_digits, correct(predict(small, digits.images), digits.labels))[1]

shown, one_more = upper_end(my_amount), upper_end(my_amount + 0.01)
print(f"{my_amount:.0%} removed: the drop is at most {shown:.2f} points; 1 % more: {one_more:.2f}")
print("You found it." if shown < 1 <= one_more else "Not yet." if shown < 1 else "Not shown.")

# %% [markdown] key="key-result-text"
# ## Key result
# *Short path*

# %% play=true key="key-result"
display(Markdown(
    f"**It takes about {round(one_point, -2):,} photos to see one point between ResNet8 and its pruned copy, in four "
    f"of five tests, with both networks on the same photos; 200 photos see it in {paired[200]:.0%} of the tests.**"))

# %% [markdown] key="sources"
# Sources: B. Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979. Q. McNemar, *Note on the sampling error
# of the difference between correlated proportions or percentages*, 1947. R. Connor, *Sample size for testing
# differences in proportions for the paired-sample design*, 1987. B. Barz and J. Denzler, *Do We Train on Test Data?
# Purging CIFAR of Near-Duplicates*, 2020.

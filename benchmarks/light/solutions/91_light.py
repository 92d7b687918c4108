# %% [markdown]
# # 91 · A light lesson
# What `benchmarks/grading.py` grades: it imports torch and computes next to nothing.

# %% setup=true
import torch

from shrinklab.exercise import check, expect, ref, student, use

# %% [markdown]
# ## Which weights matter least?

# %% exercise="scores"
def scores(weight):
    """Score each weight: the larger, the more it matters. weight: any shape -> same shape."""
    ### BEGIN SOLUTION
    return weight.abs()
    ### END SOLUTION

# %% check="scores" points=2
expect(student("scores", torch.tensor([-3.0, 1.0])), [3.0, 1.0], hint="Ignore the sign.", id="sign")
### BEGIN HIDDEN TESTS
expect(student("scores", torch.tensor([-4567.0])), [4567.0], hint="Large weights too.", id="large")
expect(student("scores", torch.zeros(2, 3)).shape, (2, 3), hint="Keep the shape.", id="shape")
### END HIDDEN TESTS

# %% [markdown]
# ## What is left?

# %% exercise="kept"
def kept(weight, threshold):
    """The share of weights whose size is above a threshold. weight: any shape -> 0.0 to 1.0."""
    ### BEGIN SOLUTION
    return (weight.abs() > threshold).float().mean().item()
    ### END SOLUTION

# %% check="kept" points=3
expect(student("kept", torch.tensor([-3.0, 1.0]), 2.0), 0.5, hint="Count those above the threshold.", id="half")
### BEGIN HIDDEN TESTS
expect(student("kept", torch.arange(10.0), 7.5), 0.2, hint="It is a share, not a count.", id="share")
expect(student("kept", torch.ones(4), 1.0), 0.0, hint="Above, not at.", id="above")
### END HIDDEN TESTS

# %%
kept(torch.linspace(-1, 1, 101), 0.5)

# %% answer="answer_1"
answer_1 = "b"

# %% check="answer_1" points=1
expect(student("answer_1") in ("a", "b", "c"), hint="Write a, b or c.", id="letter")
### BEGIN HIDDEN TESTS
expect(student("answer_1"), "b", hint="Think of the mask.", id="right")
### END HIDDEN TESTS

# %% [markdown] essay="reflect" points=2
# What surprised you?
#
# === BEGIN MARK SCHEME ===
# a surprise, with a number
# === END MARK SCHEME ===

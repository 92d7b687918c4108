# %% [markdown] key="title"
# # Start here
#
# Shrinklab is a course in making neural networks small: **measure, prune, quantize, deploy**.
#
# At its end you take a trained network of your own and make it several times smaller and faster. You can say what
# that costs in accuracy, with an interval, and show the measurements behind each number.
#
# Everything runs here, on this computer's processor. After the installation nothing needs a network.

# %% setup=true key="setup"
from pathlib import Path

from shrinklab.checkup import checkup
from shrinklab.progress import progress

# %% [markdown] key="check-text"
# ## Does everything work?
#
# Run the cell below: click into it and press Shift and Enter together. It looks at the versions, the data and the
# trained networks, and measures this computer for about five seconds.

# %% play=true key="check"
checkup()

# %% [markdown] key="check-after"
# Every line should end in *ok*. Where one does not, it says what to do.
#
# The last lines are the speed of **your** machine. All milliseconds in the lessons are measured where you run them, so
# yours differ from those of your neighbour. Ratios, such as "half the time", travel better, but not always. Lesson 02
# finds out why.

# %% [markdown] key="map"
# ## The map
#
# | lesson | its question | needs |
# |---|---|---|
# | [01 Metrics](01_metrics/01_metrics.ipynb) | A smaller network reads fewer zeros. Was it worth it? | some PyTorch |
# | [02 Size, work, time](02_size_work_time/02_size_work_time.ipynb) | Half the work. Why not half the time? | 01 |
# | [03 Trust](03_trust/03_trust.ipynb) | One point less. Is that a difference, or chance? | 01 |
# | [04 Magnitude pruning](04_magnitude_pruning/04_magnitude_pruning.ipynb) | How many weights can go? | 01 |
# | [05 Recover](05_recover/05_recover.ipynb) | How much of the damage can training mend? | 04 |
# | [06 Channels](06_channels/06_channels.ipynb) | How do zeros become speed? | 02, 04 |
# | [07 Int8 by hand](07_int8_by_hand/07_int8_by_hand.ipynb) | What happens to a number in 8 bits? | 01 |
# | [08 Quantize a model](08_quantize_a_model/08_quantize_a_model.ipynb) | Which numbers may be cut off? | 07 |
# | [09 Low bits](09_low_bits/09_low_bits.ipynb) | Four bits, or two: what then? | 05, 08 |
# | [10 Ship it](10_ship_it/10_ship_it.ipynb) | Does it fit the device? | 06, 08 |
#
# In a hurry to prune? 01, 04, 06, 10. In a hurry to quantize? 01, 07, 08, 10. Words that you do not know are in the
# [glossary](glossary.ipynb).

# %% [markdown] key="ways"
# ## Ways to learn
#
# Each lesson offers all of them. Take those that suit you.
#
# 1. **Why**: it opens with a question about a real network.
# 2. **Read**: short texts, one idea each.
# 3. **Predict, then reveal**: commit to a guess. Guessing first makes the answer stay.
# 4. **Play**: sliders that prune and quantize a trained network while you move them.
# 5. **Worked example**: each idea first on a few numbers.
# 6. **Build**: two to five functions of a few lines, with a check that says what holds.
# 7. **Debug**: a function with one fault that people really make.
# 8. **Practice**: ten questions or more, from easy to hard, with hints.
# 9. **Recall cards**: a minute a day; what you know comes back later.
# 10. **Reflect**: a few sentences on a real decision.
# 11. **Challenge**: a step towards the last lesson's task.
# 12. **Test first**: ten questions show what you know already. Strong everywhere? Go to the exercises.
# 13. **Short path**: you have 8 minutes. The marked sections carry the main idea.

# %% [markdown] key="syllabus"
# ## How long it takes
#
# A lesson's **core** takes up to 75 minutes: text, guesses, explorers, exercises, graded quiz and reflection. Headings
# that begin with *Extra* lead to more of it: practice, cards, a challenge, sections that go deeper, and in most lessons
# one exercise, which earns points, too. The core never needs them.
#
# {{syllabus}}
#
# How these minutes come about: 150 words a minute for text and 4 seconds a line of code; folded code is not counted.
# Half a minute goes to each guess and 3 minutes to each explorer. A function takes 4 minutes, and one more for each
# line of its solution; one to mend 6. A quiz question takes 2 minutes, the written answer 8, a practice question 1.2.
# The short path is read at 238 words a minute, and without code. These are estimates; yours will differ. The last
# column was measured: all cells of the solved notebook, on two processor cores.

# %% [markdown] key="hand-in-text"
# ## How to work, and how to hand in
#
# - Your files are in the folder `workbook/`. No update overwrites what you have written. Take breaks: what you save
#   stays.
# - The code of figures and tables is folded. A click on the bar beside it opens it.
# - Open a lesson in the file browser on the left. *Run*, *Run All Cells* works from the first day: cells after an
#   exercise that you have not written use the library's function, and say so.
# - Save with Ctrl and S. To check all of a lesson, type `make check LESSON=04` in a terminal.
# - Stuck? `make reset LESSON=04 EXERCISE=magnitude_scores` puts one exercise back, and keeps your version.
# - To hand in, type `make submit LESSON=04`. It says what is not complete and names the file to send.
#
# A terminal opens with *File*, *New*, *Terminal*; go to the course's folder first, with `cd ..`.

# %% [markdown] key="progress-text"
# ## How far am I?
#
# The cell below counts what is done. It reads files beside your notebooks, and nothing leaves this computer.
# Would you like to see how long you spent? Write `progress(time=True)`. From then on the minutes are kept, pauses
# left out. `progress(time=False)` forgets them.

# %% play=true key="progress"
progress()

"""From a lesson's text to what students open: `python -m autograder.authoring build`.

solutions/NN_name.py -> solutions/NN_name/NN_name.ipynb -> nbgrader generate_assignment -> course/NN_name/NN_name.ipynb
"""

"""Grading: what turns a submitted notebook into points and feedback."""

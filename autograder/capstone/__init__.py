"""Grading the capstone: the student's pipeline runs apart, what it returns is measured here, and kept."""

from autograder.capstone.board import write_board
from autograder.capstone.entry import Entry
from autograder.capstone.records import Records
from autograder.capstone.service import Capstone

__all__ = ["Capstone", "Entry", "Records", "write_board"]

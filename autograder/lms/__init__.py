"""Moodle and Canvas: their CSV files and their zips, in and out."""

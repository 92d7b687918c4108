"""nbgrader_config.py is no module: nbgrader runs it, with get_config in its namespace."""

collect_ignore = ["nbgrader_config.py"]

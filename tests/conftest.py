"""What holds for all tests."""

# Lesson sources are no modules: a check's lines only make sense inside the block that the build wraps around them.
collect_ignore_glob = ["*/fixtures/*"]

"""A type of values from outside the tree: lists of numbers, with commands of its own. What it takes to add one."""

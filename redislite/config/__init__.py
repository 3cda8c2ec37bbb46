"""The configuration: what directives there are, what they hold, and on what the originals disagree."""

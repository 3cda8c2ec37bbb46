"""What ends a comparison early: the base of the errors that a user is told in one line."""

from __future__ import annotations


class ComparisonError(Exception):
    """The measuring could not be done, for a reason that the text tells."""

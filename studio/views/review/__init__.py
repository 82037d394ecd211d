"""Judging: comments, verdicts, the review page."""

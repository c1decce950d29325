"""Operators that have a teacher write texts: traces, problems, and other versions of either."""

"""Operators that are queries over the whole table."""

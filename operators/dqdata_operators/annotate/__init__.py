"""Operators that add columns computed from a row's text."""

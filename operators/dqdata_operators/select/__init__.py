"""Operators that select, drop and order rows."""

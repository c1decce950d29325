"""Operators that choose, drop and order rows."""

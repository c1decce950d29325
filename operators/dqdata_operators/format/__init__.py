"""Operators that give rows the form that trainers read."""

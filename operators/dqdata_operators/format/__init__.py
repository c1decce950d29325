"""Operators that shape rows as trainers read them."""

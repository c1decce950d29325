"""Experiments: arms of one pipeline and trainer, compared at equal tokens."""

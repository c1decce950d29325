"""Carries a training out: rows materialised once, the trainer's processes, exact match before and after, the record."""

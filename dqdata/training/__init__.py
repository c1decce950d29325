"""Executes a training: rows materialised once, the trainer's processes, evaluation before and after, the record."""

"""Executes a plan: segments, chunks, checkpoints, the CPU pool, calls to teachers, one commit at the end."""

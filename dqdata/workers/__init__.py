"""A pool of CPU workers that are killed at a row's deadline."""

"""The built-in sources, one per file."""

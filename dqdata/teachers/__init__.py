"""The built-in teachers, one per file; `provider = "..."` selects one by its entry point."""

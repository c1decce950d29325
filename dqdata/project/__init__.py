"""pipelines.toml: its tables, profiles, dependency graph, checks and plans."""

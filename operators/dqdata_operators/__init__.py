"""dqdata's built-in operators, one a file; pipelines name them by their entry points."""

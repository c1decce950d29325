"""dqdata's built-in trainers, one a file: thin callers of TRL."""

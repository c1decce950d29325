"""What several families share, one subject a folder. It imports no family."""

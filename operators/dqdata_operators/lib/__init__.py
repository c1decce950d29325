"""Code that several families share, one folder per subject. It imports no family."""

"""The sources that come with dqdata, one a file."""

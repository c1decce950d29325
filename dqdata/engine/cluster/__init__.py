"""Runs on several machines with Ray: the driver plans, admits and commits, chunks are tasks, an actor owns calls."""

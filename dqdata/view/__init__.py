"""`dqdata view`: a local web page over a store, for one person on this machine."""

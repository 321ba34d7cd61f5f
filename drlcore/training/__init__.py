"""A run: its parameters, its training, and the files it leaves."""

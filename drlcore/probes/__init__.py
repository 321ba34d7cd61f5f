"""What can be read from a code, and what the score network uses of it."""

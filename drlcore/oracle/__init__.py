"""Data whose scores and floors are known in closed form."""

"""What DRL is compared with: other objectives on the same encoder."""

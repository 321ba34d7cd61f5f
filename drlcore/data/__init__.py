"""Images, their parts and labels, and where they are kept."""

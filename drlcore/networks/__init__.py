"""Larger networks: the paper's, and the decoders of the autoencoders."""

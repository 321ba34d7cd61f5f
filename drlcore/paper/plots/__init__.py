"""The paper's plots."""

"""LaplaceNet: a classifier from few labels on a pretrained encoder."""

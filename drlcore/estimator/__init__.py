"""DRL as a scikit-learn transformer, and its models as files to hand on."""

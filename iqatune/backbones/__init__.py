"""The CNNs: which there are, where their stages are tapped, and where their parameters come from."""

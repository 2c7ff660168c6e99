"""Hard negatives: mined, read and drawn."""

"""Products and their vectors in the bulk formats of other systems."""

"""A study: variants of the method trained on the same data, compared and reported."""

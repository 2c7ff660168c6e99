"""From several rankings of products to one page of results; pure functions of arrays and tables."""

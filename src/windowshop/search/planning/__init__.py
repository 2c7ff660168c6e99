"""Search settings chosen on judged queries, and searches scored on them."""

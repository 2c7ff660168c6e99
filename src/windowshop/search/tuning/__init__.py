"""Search settings chosen on judged queries."""

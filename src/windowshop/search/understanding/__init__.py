"""What a query says, in terms of the catalogue."""

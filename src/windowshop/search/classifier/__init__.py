"""Category and attributes that a query means without naming them, inferred from its vector."""

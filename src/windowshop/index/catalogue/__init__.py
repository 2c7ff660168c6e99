"""One online catalogue: columns, engine, vectors, snapshots."""

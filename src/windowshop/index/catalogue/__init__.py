"""One online catalogue: ledger, columns, snapshots."""

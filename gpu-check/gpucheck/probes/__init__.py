"""What runs inside worker processes: one module per client library."""

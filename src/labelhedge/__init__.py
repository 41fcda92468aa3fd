"""labelhedge."""

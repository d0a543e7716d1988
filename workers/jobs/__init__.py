"""Jobs: work on many rows, a portion at a time, on the maintenance queue."""

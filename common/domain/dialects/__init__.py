"""Templates written for other services, in ours: what is converted, and what is lost, named line by line."""

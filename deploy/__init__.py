"""Running the house: embedded engines, the local supervisor, the doctor. Never product logic."""

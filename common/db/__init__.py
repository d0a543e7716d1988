"""Rows: the engine, the transaction, the tables and their migrations. Never tickets, never verbs."""

"""The commands of `sendarix` that speak to the API. Never here: the database, or anything of the server."""

"""The OpenAPI 3.1 document and the route that serves it. Never here: facts; they stand at the routes."""

"""Later, and outside: what hears queues and touches the internet. Never HTTP in, never the api room."""

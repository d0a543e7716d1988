"""Mail that comes back: the port that bounces, complaints and unsubscribe mail arrive at."""

"""Generated requests against the whole API: every answer is compared with the OpenAPI document."""

"""A whole cohort: find its recordings, assess each once, gather the results."""

"""Pictures and labels that others made, as they lie on disk."""

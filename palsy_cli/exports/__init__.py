"""Results in the formats of other systems, under pseudonyms."""

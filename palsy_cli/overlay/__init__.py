"""The film of an assessment: the recording with what was found drawn on it, or the face as lines alone."""

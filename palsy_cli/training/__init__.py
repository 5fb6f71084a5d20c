"""Training: recipes say how, tasks say what, one loop does it, a run folder remembers it."""

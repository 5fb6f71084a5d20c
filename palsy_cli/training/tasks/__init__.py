"""One task a network: its batches, its loss, its validation. ``training.run`` chooses by name."""

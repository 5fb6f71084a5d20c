"""Measuring: figures of agreement, and what a network is worth on people it has never seen."""

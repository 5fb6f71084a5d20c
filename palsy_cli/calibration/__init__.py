"""A lab's own healthy people: what they show becomes the limits that its patients are held against (E19)."""

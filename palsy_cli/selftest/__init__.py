"""``palsy selftest``: does this installation still do what it did when it was made?

1. ``golden.toml``: what must come out, every number with its reason, in one place; ``golden`` reads and compares.
2. ``checks``: a check (what is measured) and its outcome.
3. ``written``: settings and constants as they stand in the code.
4. ``input_cases``, ``geometry_cases``, ``muscle_cases``, ``grade_cases``: each stage on a small made-up case whose
   answer is known, without any trained network (``stand_ins``).
5. ``patient``: the trained networks on a drawn patient of known truth, each stage by itself, then the whole way.
6. ``run``: all of it, one after the other.
"""

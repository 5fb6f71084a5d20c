"""How fast, and with how much memory: ``palsy assess`` as a user starts it, beside what a user would take instead.

``run.py`` reads from top to bottom: make or take a video (``clip.py``), start every program as a process of its own
(``processes.py``, ``probe.py``), write the page (``page.py``).
"""

"""The parts of ``report.html``, each as values for its template; every number is taken from ``assessment.json``."""

"""Evaluation: which evaluators are on, which runs they get, and the hooks that run them."""

"""Coded conversations in their own layouts: one module each, a plug-in of the group ``talk``."""

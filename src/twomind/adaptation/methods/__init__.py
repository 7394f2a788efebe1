"""One file per method. A module defines ``PLUGIN``, its frozen dataclass; no method imports
another.
"""

"""The study platform: people are invited, agree, record their answers and withdraw, on a machine of
the study's own. Needs the extra ``server``.
"""

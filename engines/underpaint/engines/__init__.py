"""What both tiers know about models: families, cards, checks, and the pipelines that draw.

Only `pipelines/` imports torch and diffusers.
"""

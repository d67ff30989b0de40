"""The second generation of the bundled models: more drawings, scenes that vary, 512 × 512.

Not what ships yet. `training/README.md` says how far it is.
"""

"""What the bundled models can do, measured by the judge against their targets.

python -m training.evaluate [--publish]      the whole table and its sheets
underpaint models eval                       the same
"""

import os

# Loading any pipeline, transformers tells of image processors that none of ours has.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

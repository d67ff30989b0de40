"""The judge: says what a picture shows. It measures the bundled models and steers none of them.

    python -m training.judge train      render its lessons, train it, check it, store it here
    python -m training.judge check      check what is stored
    python -m training.judge samples    write the true renders that the tests show it

It learns from true renders only, with another architecture and other seeds than anything the
generators use. Its accuracy on renders that it never saw is in `metrics.json`.
"""

from training.judge.network import Judge, Verdicts, judge, load_judge, look

__all__ = ["Judge", "Verdicts", "judge", "load_judge", "look"]

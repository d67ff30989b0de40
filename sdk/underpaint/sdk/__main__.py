"""`python -m underpaint.sdk`: the `underpaint` command, for where its script is not on PATH."""

from underpaint.sdk.cli import main

if __name__ == "__main__":
    main()

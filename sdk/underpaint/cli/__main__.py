"""`python -m underpaint.cli`: the `underpaint` command, for where its script is not on PATH."""

from underpaint.cli.main import main

if __name__ == "__main__":
    main()

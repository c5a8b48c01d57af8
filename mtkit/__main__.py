"""`python -m mtkit` is the same program as `mtkit`."""

from mtkit.cli.app import main

if __name__ == "__main__":
    main()

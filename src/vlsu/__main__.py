"""``python -m vlsu`` is the ``vlsu`` command."""

from vlsu.cli import main

if __name__ == "__main__":
    main()

"""``python -m alpt_ref`` is the command ``alpt-ref``."""

from alpt_ref.cli import main

if __name__ == "__main__":
    main()

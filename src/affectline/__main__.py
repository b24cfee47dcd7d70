"""``python -m affectline``: the same as the command ``affectline``."""

from affectline.services.cli.start import main

if __name__ == "__main__":
    main()

"""``python -m affectline.training``: the same as the command ``affectline-train``."""

from affectline.training.cli.main import main

if __name__ == "__main__":
    main()

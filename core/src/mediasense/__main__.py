"""``python -m mediasense``."""

from mediasense.cli import main

if __name__ == "__main__":
    main()

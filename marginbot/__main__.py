"""`python -m marginbot`."""

from marginbot.cli import main

if __name__ == "__main__":
    main()

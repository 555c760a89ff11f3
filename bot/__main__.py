"""`python -m bot`: the same as the `concierge` command."""

from bot.command_line import main

if __name__ == "__main__":
    main()

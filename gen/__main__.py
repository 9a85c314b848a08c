"""`python -m tollbook.gen`: the command line without its script."""

from tollbook.gen.cli import main

main()

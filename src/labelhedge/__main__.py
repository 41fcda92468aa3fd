"""`python -m labelhedge` is `labelhedge`."""

from labelhedge.cli import main

main()

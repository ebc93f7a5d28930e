"""Run the operator's command line from a checkout: `python manage.py <command>`."""

from modelyard.__main__ import main

if __name__ == "__main__":
    main()
